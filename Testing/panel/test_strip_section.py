"""The strip at the bottom: what runs, how far it is, Stop, and the last message in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from clicks import click, greyed, tool_tip

from coranet.contract.errors import JobError
from CoraNetSlicerLib.core.activities import Activities, Activity
from CoraNetSlicerLib.core.console_calls import CallLog
from CoraNetSlicerLib.core.notification import Signal
from CoraNetSlicerLib.core.strip_section import StripSection


class Part:
    """A part of the panel that may run."""

    def __init__(self) -> None:
        self.changed = Signal()
        self.activity: Activity | None = None
        self.message = ""
        self.stops = 0

    def run(self, share: float | None = 0.25, left: float | None = 125.0, reason: str = "") -> None:
        self.activity = Activity("Training", share, left, self.stop, reason, Path("/jobs/one"))
        self.changed.send()

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def part() -> Part:
    return Part()


@pytest.fixture
def calls() -> CallLog:
    return CallLog()


@pytest.fixture
def activities(part):
    activities = Activities()
    activities.watch(part.changed, lambda: part.activity, lambda: part.message)
    return activities


@pytest.fixture
def strip(ui, activities, calls):
    strip = StripSection(ui, activities, calls)
    yield strip
    strip.cleanup()


def test_nothing_runs(strip, ui):
    assert not ui.runningRow.isVisible() and ui.messageLabel.text == ""


def test_what_runs_is_in_sight_until_it_ends(strip, ui, part):
    part.run()
    assert ui.runningRow.isVisible() and ui.runningProgressBar.isVisible()
    assert (ui.runningLabel.text, ui.runningProgressBar.value, ui.runningTimeLabel.text) == (
        "Training",
        250,
        "2 min left",
    )
    part.run(share=1.0, left=0.2)
    assert ui.runningTimeLabel.text == ""
    part.run(share=None, left=None)
    assert not ui.runningProgressBar.isVisible() and ui.runningTimeLabel.text == ""
    part.activity = None
    part.changed.send()
    assert not ui.runningRow.isVisible()


def test_it_is_stopped_with_its_console_call(strip, ui, part, calls):
    part.run()
    click(ui.stopRunningButton)
    assert (part.stops, calls.last) == (1, 'logic.attach("/jobs/one").cancel()')
    part.run(reason="It is stopping already.")
    assert greyed(ui.stopRunningButton) == "It is stopping already."


def test_what_cannot_be_stopped_says_why(strip, ui, part, calls):
    def refuse() -> None:
        raise JobError("the disk is full.")

    part.stop = refuse
    part.run()
    click(ui.stopRunningButton)
    assert (ui.messageLabel.text, calls.last) == ("the disk is full.", "")


def test_a_long_message_ends_in_dots_and_is_whole_in_the_tool_tip(strip, ui, form, part, process_events):
    part.message = "step 340 of 1000, " * 10 + "\nthe end"
    part.changed.send()
    short = ui.messageLabel.text
    assert short.endswith("\u2026") and "\n" not in short
    assert "the end" in tool_tip(ui.messageLabel)
    form.resize(1000, 800)
    process_events()
    assert len(ui.messageLabel.text) > len(short)


def test_after_cleaning_up_nothing_is_shown(strip, ui, part):
    strip.cleanup()
    part.run()
    assert not ui.runningRow.isVisible()
