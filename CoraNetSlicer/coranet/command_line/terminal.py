"""What a person sees in a terminal: a bar that moves in place, and lines for what is worth keeping."""

from __future__ import annotations

import os
from typing import TextIO

from ..contract.events import (
    Cancelled,
    CheckpointSaved,
    Event,
    Failed,
    Finished,
    Losses,
    Progress,
    Validation,
    duration,
)
from ..event_messages import describe

_BAR_WIDTH, _LEAST_BAR_WIDTH = 30, 5
# Where a terminal does not say how wide it is.
_COLUMNS = 80


class TerminalProgress:
    """Listens to events and draws them. Where the stream is no terminal only lines are written, no bar."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._bar = ""
        self._note = ""

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if isinstance(event, Progress):
            self._draw(event)
        elif isinstance(event, Losses):
            self._note = f"loss {event.total:.3f}"
        elif not isinstance(event, (CheckpointSaved, Failed)):
            # The command line prints a failure once, as the reason of its exit code.
            if isinstance(event, Validation):
                self._note = f"Dice {event.mean_dice:.3f}"
            self._line(describe(event), ends=isinstance(event, (Finished, Cancelled)))

    def close(self) -> None:
        """Leave the bar behind."""
        if self._bar:
            self._stream.write("\n")
            self._bar = ""

    def _draw(self, event: Progress) -> None:
        if not self._is_terminal:
            return
        left = "" if event.seconds_left is None else f"  {duration(event.seconds_left)} left"
        before, after = f"{event.phase:<13} [", f"] {event.step}/{event.total_steps}{left}  {self._note}".rstrip()
        # A line that is wrapped cannot be drawn over: each bar would stay.
        columns = self._columns() - 1
        width = min(_BAR_WIDTH, max(_LEAST_BAR_WIDTH, columns - len(before) - len(after)))
        filled = round((event.share or 0.0) * width)
        text = f"{before}{'#' * filled}{'.' * (width - filled)}{after}"[:columns]
        self._stream.write("\r" + text.ljust(min(len(self._bar), columns)))
        self._stream.flush()
        self._bar = text

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
        except (OSError, ValueError):
            return _COLUMNS

    def _line(self, text: str, ends: bool) -> None:
        if self._bar:
            self._stream.write("\n" if ends else "\r" + " " * len(self._bar) + "\r")
            self._bar = ""
        self._stream.write(text + "\n")
        self._stream.flush()
