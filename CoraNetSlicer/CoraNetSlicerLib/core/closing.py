"""Closing the application while a job runs: a person says what becomes of the job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from coranet.contract.errors import CoraNetError

from ..jobs.handle import JobHandle
from .protocols import Dialogs
from .translation import _


class CloseFilter(qt.QObject):
    """Sees the window's close event before the window does. PythonQt hands events to subclasses only."""

    def __init__(self, may_close: Callable[[], bool]) -> None:
        """Take the question.

        Args:
            may_close: whether the window may close now.
        """
        qt.QObject.__init__(self)
        self._may_close = may_close

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Stop the close event if a person wants the window to stay."""
        if event.type() != qt.QEvent.Close or self._may_close():
            return False
        event.ignore()
        return True


class Closing:
    """Asks before the main window closes, as long as it is not removed."""

    def __init__(self, window: Any, running_jobs: Callable[[], Sequence[JobHandle]], application: Dialogs) -> None:
        """Watch the main window.

        Args:
            window: the main window; None: there is none, and nobody is asked.
            running_jobs: the jobs that run now.
            application: asks.
        """
        self._window = window
        self._running_jobs = running_jobs
        self._application = application
        # Qt does not keep it alive.
        self._filter = CloseFilter(self.may_close) if window is not None else None
        if window is not None:
            window.installEventFilter(self._filter)

    def remove(self) -> None:
        """Do not ask any more."""
        if self._window is not None:
            self._window.removeEventFilter(self._filter)
        self._window = self._filter = None

    def may_close(self) -> bool:
        """Whether the window may close, after asking what becomes of jobs that run."""
        jobs = self._running_jobs()
        if not jobs:
            return True
        answers = {
            "go on": _("Let it go on") if len(jobs) == 1 else _("Let them go on"),
            "stop": _("Stop it") if len(jobs) == 1 else _("Stop them"),
            "stay": _("Do not close"),
        }
        answer = self._application.choose(_question(jobs), answers)
        if answer == "stop":
            for job in jobs:
                _stop(job)
        return answer != "stay"


def _question(jobs: Sequence[JobHandle]) -> str:
    names = ", ".join(f"'{job.folder.name}'" for job in jobs)
    if len(jobs) == 1:
        text = _(
            "{names} is running. It can go on without Slicer, and is found under Jobs afterwards. "
            "If it is stopped, what was reached is kept, and it can be resumed."
        )
    else:
        text = _(
            "{names} are running. They can go on without Slicer, and are found under Jobs afterwards. "
            "If they are stopped, what was reached is kept, and they can be resumed."
        )
    return text.format(names=names)


def _stop(job: JobHandle) -> None:
    try:
        job.cancel()
    except CoraNetError:
        return  # its disk is full or gone; that must not keep the application open
