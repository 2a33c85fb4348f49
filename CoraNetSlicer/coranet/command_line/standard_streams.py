"""Output streams that may be closed while the work goes on."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_log = logging.getLogger("coranet")


class TolerantStream:
    """A stream for people. Output that can no longer be read is dropped: a pipe, a terminal or a disk may be gone.

    A letter that the stream's encoding lacks is written as its number.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream.

        Args:
            stream: standard output or error; None: there is none (pythonw, a closed descriptor).
        """
        self._stream = stream
        self._is_gone = stream is None

    def write(self, text: str) -> int:
        """Write, if there is a reader; never raises."""
        if self._stream is None or self._is_gone:
            return len(text)
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, if there is a reader; never raises."""
        if self._stream is None or self._is_gone:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        try:
            return self._stream is not None and not self._is_gone and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def __getattr__(self, name: str) -> Any:
        if self._stream is None:
            raise AttributeError(name)
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """There is no reader: what is still buffered must not fail when the process ends."""
        self._is_gone = True
        with suppress(OSError, ValueError, AttributeError):
            number = self._stream.fileno()  # type: ignore[union-attr]
            if number in (1, 2):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, number)
                os.close(nowhere)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Inside, standard output and error never fail, and an error in a thread is no traceback on the terminal."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr, threading.excepthook
    for stream in before[:2]:
        # A console in another code page must not fail on a path with letters it lacks.
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")
    out, err = TolerantStream(sys.stdout), TolerantStream(sys.stderr)
    sys.stdout, sys.stderr, threading.excepthook = out, err, _to_the_log
    try:
        yield
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr, threading.excepthook = before


def _open_closed_descriptors() -> None:
    """Have 0, 1 and 2 lead somewhere: else the next file that is opened gets the number, and with it all complaints."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def _to_the_log(failure: threading.ExceptHookArgs) -> None:
    _log.debug("an error in a thread", exc_info=failure.exc_value)
