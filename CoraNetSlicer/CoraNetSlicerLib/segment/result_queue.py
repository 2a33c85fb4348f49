"""Results on their way into the scene: one after the other, a few milliseconds at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Optional

from coranet.contract import Case, Job

from ..core.context import SceneContext
from ..core.notification import Signal
from ..core.protocols import Scheduler
from ..core.stepwise import StepwiseWork
from ..review.result_loading import load_case


@dataclass(frozen=True)
class WaitingResult:
    """A result that is to be loaded."""

    job: Job
    case: Case


class ResultQueue:
    """Loads results while the application goes on.

    Attributes:
        changed: sent when a result begins or ends to load.
        loaded: sent with the LoadedPrediction and the WaitingResult.
        failed: sent with the WaitingResult and a sentence.
    """

    def __init__(self, context: SceneContext, scheduler: Scheduler) -> None:
        self.changed = Signal()
        self.loaded = Signal()
        self.failed = Signal()
        self._context = context
        self._waiting: deque[WaitingResult] = deque()
        self._current: Optional[WaitingResult] = None
        self._work = StepwiseWork(scheduler, self._on_end)

    @property
    def cases(self) -> list[WaitingResult]:
        """What is being loaded and what waits, in order."""
        return [*([self._current] if self._current else []), *self._waiting]

    def add(self, job: Job, case: Case) -> None:
        """Load a result when those before are loaded; its volume too, if it is not in the scene."""
        result = WaitingResult(job, case)
        if any(other.job.folder == job.folder and other.case.id == case.id for other in self.cases):
            return
        self._waiting.append(result)
        if self._current is None:
            self._begin_next()
        self.changed.send()

    def clear(self) -> None:
        """Load nothing of it any more."""
        self._waiting.clear()
        self._work.stop()
        self._current = None

    def _begin_next(self) -> None:
        self._current = self._waiting.popleft() if self._waiting else None
        if self._current is not None:
            self._work.begin(load_case(self._context, self._current.job, self._current.case))

    def _on_end(self, problem: str) -> None:
        current, loaded = self._current, self._work.result
        self._begin_next()
        if problem:
            self.failed.send(current, problem)
        else:
            self.loaded.send(loaded, current)
        self.changed.send()
