"""The QTimer ticker connects once, calls, and lets go."""

from __future__ import annotations

import sys
import types

import pytest
from panel_stand_ins import Signal


class Timer:
    def __init__(self) -> None:
        self.timeout, self.running = Signal(), False

    def setInterval(self, milliseconds: int) -> None:  # noqa: N802
        self.milliseconds = milliseconds

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


@pytest.fixture
def ticker(monkeypatch):
    monkeypatch.setitem(sys.modules, "qt", types.SimpleNamespace(QTimer=Timer))
    sys.modules.pop("CoraNetSlicerLib.panel.qt_ticker", None)
    from CoraNetSlicerLib.panel.qt_ticker import QtTicker

    yield QtTicker(250)
    sys.modules.pop("CoraNetSlicerLib.panel.qt_ticker", None)


def test_it_calls_until_it_is_stopped(ticker):
    calls = []
    ticker.start(lambda: calls.append(1))
    ticker._timer.timeout.send()
    ticker._timer.timeout.send()
    assert (len(calls), ticker._timer.running, ticker._timer.milliseconds) == (2, True, 250)
    ticker.stop()
    ticker.stop()
    assert not ticker._timer.running
    assert ticker._timer.timeout.receivers == []


def test_starting_again_replaces_the_callback(ticker):
    first, second = [], []
    ticker.start(lambda: first.append(1))
    ticker.start(lambda: second.append(1))
    ticker._timer.timeout.send()
    assert (first, second) == ([], [1])


def test_a_callback_may_stop_its_own_ticker(ticker):
    ticker.start(ticker.stop)
    ticker._timer.timeout.send()
    assert ticker._timer.timeout.receivers == []
