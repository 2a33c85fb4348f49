"""The real Application lets views draw a long action once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from CoraNetSlicerLib.core import application as module
from CoraNetSlicerLib.core.application import Application


@pytest.fixture
def calls(monkeypatch):
    """What was asked of slicer.app, in order; timers go off at once."""
    calls = []
    app = SimpleNamespace(pauseRender=lambda: calls.append("pause"), resumeRender=lambda: calls.append("resume"))
    monkeypatch.setattr(module, "slicer", SimpleNamespace(app=app))
    timer = SimpleNamespace(singleShot=lambda milliseconds, action: action())
    monkeypatch.setattr(module, "qt", SimpleNamespace(QTimer=timer))
    return calls


def test_views_draw_after_all_changes(calls):
    with Application().drawn_once():
        calls.append("change")
    assert calls == ["pause", "change", "resume"]


def test_views_draw_again_after_an_action_that_fails(calls):
    with pytest.raises(ValueError, match="no"), Application().drawn_once():
        raise ValueError("no")
    assert calls == ["pause", "resume"]


def test_what_is_done_later_is_drawn_once(calls):
    Application().later(lambda: calls.append("change"), 20)
    assert calls == ["pause", "change", "resume"]
