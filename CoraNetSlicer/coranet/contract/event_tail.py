"""The end of a long events file: its last lines hold the status of a job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from .errors import JobError
from .events import Event, event_of_line

_TAIL_BYTES = 8 * 1024


def read_last_events(path: str | Path, size: int = _TAIL_BYTES) -> list[Event]:
    """The whole events in the last `size` bytes of a file, at least the very last one; an absent file has none.

    Raises:
        JobError: one of them is not an event this program knows, or the file cannot be read.
    """
    events = [event_of_line(line, path) for line in _last_lines(path, size)]
    return [event for event in events if event is not None]


def read_last_event(path: str | Path) -> Optional[Event]:
    """The last event of a file; None if there is none.

    Raises:
        JobError: as `read_last_events`.
    """
    for line in reversed(_last_lines(path, _TAIL_BYTES)):
        event = event_of_line(line, path)
        if event is not None:
            return event
    return None


def whole_length(path: str | Path) -> int:
    """How many bytes of a file of events are whole lines; 0 where there is none.

    Raises:
        JobError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0:
                begin = max(0, end - _TAIL_BYTES)
                file.seek(begin)
                newline = file.read(end - begin).rfind(b"\n")
                if newline >= 0:
                    return begin + newline + 1
                end = begin
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise JobError(f"'{path}' cannot be read ({error.strerror or error}); make it readable again.") from error
    return 0


def _last_lines(path: str | Path, size: int) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            length = file.seek(0, os.SEEK_END)
            begin = max(0, length - size)
            file.seek(begin)
            content = file.read()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JobError(f"'{path}' cannot be read ({error.strerror or error}); make it readable again.") from error
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    whole = [line for line in (lines[1:] if begin else lines) if line.strip()]  # the first one may have been cut
    return _last_lines(path, length) if begin and not whole else whole
