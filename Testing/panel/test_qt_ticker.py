"""The QTimer ticker calls, replaces its callback, and lets go."""

from __future__ import annotations

import pytest

from CoraNetSlicerLib.core.application import QtTicker


@pytest.fixture
def ticker(qt_application):
    ticker = QtTicker(1)
    yield ticker
    ticker.stop()


def test_it_calls_until_it_is_stopped(ticker, process_events):
    calls = []
    ticker.start(lambda: calls.append(1))
    process_events(until=lambda: len(calls) >= 2)
    ticker.stop()
    ticker.stop()
    before = len(calls)
    process_events(until=waited(20))
    assert len(calls) == before


def test_starting_again_replaces_the_callback(ticker, process_events):
    first, second = [], []
    ticker.start(lambda: first.append(1))
    ticker.start(lambda: second.append(1))
    process_events(until=lambda: second)
    assert first == []


def test_a_callback_may_stop_its_own_ticker(ticker, process_events):
    calls = []

    def once():
        calls.append(1)
        ticker.stop()

    ticker.start(once)
    process_events(until=lambda: calls)
    process_events(until=waited(20))
    assert calls == [1]


def waited(times):
    """True when it was asked often enough; each time Qt has worked for some milliseconds."""
    left = iter(range(times))
    return lambda: next(left, None) is None
