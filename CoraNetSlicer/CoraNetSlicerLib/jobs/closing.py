"""Asks what should happen to running jobs before the application closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from coranet.contract.errors import CoraNetError

from ..core.protocols import Host
from ..core.section import EventWatch
from ..core.translation import _
from .handle import JobHandle


class Closing:
    """Asks before the main window closes, until it is removed; where there is no window, it never asks."""

    def __init__(self, window: Any, running_jobs: Callable[[], Sequence[JobHandle]], application: Host) -> None:
        self._running_jobs = running_jobs
        self._application = application
        self._watch = EventWatch(window, self._on_event) if window is not None else None

    def remove(self) -> None:
        """Do not ask any more."""
        if self._watch is not None:
            self._watch.end()
        self._watch = None

    def _on_event(self, event: Any) -> bool:
        if event.type() != qt.QEvent.Close or self.may_close():
            return False
        event.ignore()
        return True

    def may_close(self) -> bool:
        """Whether the window may close; asks first if jobs run."""
        jobs = self._running_jobs()
        if not jobs:
            return True
        answers = {
            "go on": _("Keep it running") if len(jobs) == 1 else _("Keep them running"),
            "stop": _("Stop it") if len(jobs) == 1 else _("Stop them"),
            "stay": _("Cancel"),
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
            "{names} is running. It can continue without Slicer; you can find it under Jobs later. "
            "If you stop it, its progress is kept and you can resume it."
        )
    else:
        text = _(
            "{names} are running. They can continue without Slicer; you can find them under Jobs later. "
            "If you stop them, their progress is kept and you can resume them."
        )
    return text.format(names=names)


def _stop(job: JobHandle) -> None:
    try:
        job.cancel()
    except CoraNetError:
        return  # its disk is full or gone, which must not keep the application open
