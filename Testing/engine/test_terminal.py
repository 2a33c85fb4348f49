"""A terminal shows a bar that moves; anything else gets lines only."""

from __future__ import annotations

import io
import os

import pytest

from coranet.command_line.terminal import TerminalProgress
from coranet.contract.events import (
    Cancelled,
    CheckpointSaved,
    Failed,
    Finished,
    Losses,
    Progress,
    Started,
    Validation,
    Warned,
)


class FakeTerminal(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        return True

    @property
    def on_screen(self) -> list[str]:
        """What a person sees: a carriage return goes back to the start of the line, what follows covers what was."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


@pytest.fixture
def terminal() -> FakeTerminal:
    return FakeTerminal()


def test_a_bar_shows_phase_step_and_time_left(terminal):
    TerminalProgress(terminal)(Progress("self-training", 15, 60, 240.0))
    (line,) = terminal.on_screen
    assert line.startswith("self-training [")
    assert line.count("#") == 8 and line.count(".") == 22
    assert "15/60" in line and line.endswith("4 min left")


@pytest.mark.parametrize(("step", "filled"), [(0, 0), (60, 30)])
def test_a_bar_is_empty_at_the_start_and_full_at_the_end(terminal, step, filled):
    TerminalProgress(terminal)(Progress("preparing", step, 60))
    assert terminal.getvalue().count("#") == filled


def test_a_bar_moves_within_a_step_that_takes_long(terminal):
    TerminalProgress(terminal)(Progress("segmenting", 1, 3, 60.0, 0.5))
    assert terminal.getvalue().count("#") == 15 and "1/3" in terminal.getvalue()


def test_nothing_to_do_is_no_division_by_zero(terminal):
    TerminalProgress(terminal)(Progress("segmenting", 0, 0))
    assert "0/0" in terminal.getvalue()


def test_the_bar_moves_in_place(terminal):
    draw = TerminalProgress(terminal)
    draw(Progress("pretraining", 1, 60, 7500.0))
    draw(Progress("pretraining", 2, 60, 5.0))
    (line,) = terminal.on_screen
    assert "2/60" in line and line.endswith("5 s left")


@pytest.mark.parametrize(("columns", "width"), [(200, 30), (81, 26), (60, 5), (40, 5), (12, 0)])
def test_a_bar_is_no_longer_than_a_line_of_the_terminal(terminal, monkeypatch, columns, width):
    terminal.fileno = lambda: 2
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    draw = TerminalProgress(terminal)
    draw(Validation(1, {"a": 0.5}, 0.5, True))
    for seconds in (7500.0, 4800.0, 5.0):
        draw(Progress("self-training", 1234, 1234, seconds))
    drawn = terminal.getvalue().split("\n")[-1].split("\r")[1:]
    assert all(len(text) < columns for text in drawn) and drawn[0].count("#") == width
    assert columns < 60 or "1234/1234  2 h 5 min left" in drawn[0]


def test_the_last_loss_and_dice_stand_beside_the_bar(terminal):
    draw = TerminalProgress(terminal)
    draw(Losses(1, "pretraining", 1.25, 1.25))
    draw(Progress("pretraining", 1, 60))
    assert terminal.on_screen[-1].endswith("loss 1.250")
    draw(Validation(1, {"a": 0.5}, 0.5, True))
    draw(Progress("pretraining", 2, 60))
    assert terminal.on_screen[-1].endswith("Dice 0.500")


def test_a_message_leaves_no_remains_of_the_bar(terminal):
    draw = TerminalProgress(terminal)
    draw(Progress("pretraining", 1, 60, 100.0))
    draw(Warned("code", "careful."))
    assert terminal.on_screen == ["warning: careful.", ""]


@pytest.mark.parametrize("last", [Finished("all is done.", 5.0), Cancelled(1)])
def test_the_last_word_stands_below_the_bar(terminal, last):
    draw = TerminalProgress(terminal)
    draw(Progress("pretraining", 60, 60, 0.0))
    draw(last)
    draw.close()
    assert "60/60" in terminal.on_screen[0]
    assert len(terminal.on_screen) == 3


def test_closing_leaves_the_bar_on_a_line_of_its_own(terminal):
    draw = TerminalProgress(terminal)
    draw(Progress("pretraining", 1, 60))
    draw.close()
    draw.close()
    assert terminal.getvalue().count("\n") == 1


def test_a_failure_and_a_checkpoint_are_not_said_here(terminal):
    draw = TerminalProgress(terminal)
    draw(Failed("it broke."))
    draw(CheckpointSaved(3))
    assert terminal.getvalue() == ""


def test_what_is_no_terminal_gets_lines_and_no_bar():
    file = io.StringIO()
    draw = TerminalProgress(file)
    for event in (Started(0, 9, "CPU", "1"), Progress("pretraining", 1, 9, 3.0), Finished("all is done.", 5.0)):
        draw(event)
    draw.close()
    assert file.getvalue() == "CoraNet 1 on CPU, step 0 of 9\nfinished after 5 s: all is done.\n"
