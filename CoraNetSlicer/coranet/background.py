"""Work in threads, while the main thread goes on asking whether to stop."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, NoReturn, TypeVar

Result = TypeVar("Result")

# How often a request to stop is looked for.
_POLL_INTERVAL_S = 0.1
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class Background(Generic[Result]):
    """One piece of work in a thread of its own, which ends with the process if it is abandoned."""

    def __init__(self, work: Callable[[], Result]) -> None:
        """Begin.

        Args:
            work: must leave nothing half done where it is abandoned: it computes, or writes whole files.
        """
        self._work = work
        self._results: list[Result] = []
        self._error: BaseException | None = None
        # A daemon: a process that is to end does not wait for it.
        self._thread = threading.Thread(target=self._run, daemon=True)
        _threads.add(self._thread)
        self._thread.start()

    def result(self, poll: Callable[[], object] = lambda: None) -> Result:
        """What the work gives, once it does.

        Args:
            poll: called again and again meanwhile; may raise, then the work is abandoned.

        Raises:
            BaseException: what the work, or `poll`, raises.
        """
        while self._thread.is_alive():
            poll()
            self._thread.join(_POLL_INTERVAL_S)
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._error = error


def end_process(code: int) -> NoReturn:
    """End this process with an exit code, at once where work was abandoned.

    A thread that computes in a library (ITK, VTK, PyTorch) while the interpreter is taken down aborts the process, and
    a cancelled job would look like a crash.
    """
    if any(thread.is_alive() for thread in _threads):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
