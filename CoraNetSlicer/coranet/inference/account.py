"""The outcome of the cases of a segmentation job, and its progress, within a case and over all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..contract.errors import CoraNetError
from ..contract.events import CaseDone, CaseFailed, CaseSkipped, Event, Progress, Warned
from ..reporting import Reporter
from .quality import QUALITY_CODES

SEGMENTING = "segmenting"
# What the stages of a case take of its time, as long as no case has shown it.
_SHARES = {"read": 0.05, "find": 0.05, "predict": 0.7, "write": 0.1, "regions": 0.05, "surfaces": 0.05}
# A bar moves smoothly; more would fill the events.
_QUIET_S = 0.5
# From so little of a case its time is not foretold.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case.

    Attributes:
        case: its name.
        seconds: it took.
        events: what was reported while it was segmented.
        failure: why the case could not be segmented; empty if it was.
        skipped: whether it was left out on request.
        error: ends the whole job.
        stages: seconds of each stage; empty if it was not segmented.
    """

    case: str
    seconds: float
    events: tuple[Event, ...]
    failure: str = ""
    skipped: bool = False
    error: CoraNetError | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


class Account:
    """Reports the outcome of each case, in the order of the list, and how far the current one is.

    Attributes:
        failures: why cases could not be segmented.
        skipped: how many were left out on request.
        doubtful: how many have a warning, since they are unlike the training or probably poor.
    """

    def __init__(self, reporter: Reporter, total: int, number: int, at_once: int) -> None:
        """Begin.

        Args:
            reporter: takes the events.
            total: number of cases.
            number: of them that were done before.
            at_once: cases that are worked on at the same time.
        """
        self.failures: list[str] = []
        self.skipped = self.doubtful = 0
        self._reporter = reporter
        self._total, self._number, self._at_once = total, number, at_once
        self._seconds: list[float] = []
        self._stages: Mapping[str, float] = _SHARES
        self._start = self._reported_at = time.monotonic()

    def begin_case(self) -> None:
        """A case, or a round of cases, starts."""
        self._start = time.monotonic()

    def under_way(self, stage: str, share: float) -> None:
        """Report how far the current case is, not too often.

        Args:
            stage: "read", "find", "predict", "write", "regions" or "surfaces".
            share: of that stage, 0 to 1.
        """
        now = time.monotonic()
        if now - self._reported_at < _QUIET_S:
            return
        self._reported_at = now
        part = part_done(self._stages, stage, share)
        # Where cases are worked on at once, one case more is done only when the last of them is.
        left = self._seconds_left(part, now - self._start)
        self._reporter.emit(Progress(SEGMENTING, self._number, self._total, left, round(part, 4)))

    def enter(self, outcomes: Sequence[Outcome]) -> None:
        """Report one round of cases.

        Raises:
            CoraNetError: one of them ends the job, because it was cancelled or cannot be written, say.
        """
        for outcome in outcomes:
            if outcome.error is None:
                self._record(outcome)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error

    def _record(self, outcome: Outcome) -> None:
        self._number += 1
        for event in outcome.events:
            self._reporter.emit(event)
        if outcome.skipped:
            self.skipped += 1
            self._reporter.emit(CaseSkipped(outcome.case))
        elif outcome.failure:
            self.failures.append(outcome.failure)
            self._reporter.emit(CaseFailed(outcome.case, outcome.failure))
        else:
            self._seconds.append(outcome.seconds)
            self._stages = outcome.stages or self._stages
            self.doubtful += any(isinstance(event, Warned) and event.code in QUALITY_CODES for event in outcome.events)
            self._reporter.emit(CaseDone(outcome.case, self._number, self._total, round(outcome.seconds, 2)))
        left = (self._total - self._number) * float(np.mean(self._seconds)) / self._at_once if self._seconds else None
        self._reporter.emit(Progress(SEGMENTING, self._number, self._total, left))

    def _seconds_left(self, part: float, elapsed: float) -> float | None:
        this_case = elapsed / part if part >= _LEAST_SHARE else None
        each = float(np.mean(self._seconds)) if self._seconds else this_case
        if each is None:
            return None
        after = max(self._total - self._number - self._at_once, 0) / self._at_once
        return round((1 - part) * (this_case or each) + after * each, 1)


def part_done(stages: Mapping[str, float], stage: str, share: float) -> float:
    """How much of a case is done, 0 to 1.

    Args:
        stages: what each stage takes, in order, in any unit.
        stage: the one under way; one that is not named counts as none.
        share: of it.
    """
    names = list(_SHARES)
    before = sum(stages.get(name, 0.0) for name in names[: names.index(stage)])
    return (before + share * stages.get(stage, 0.0)) / max(sum(stages.values()), 1e-9)
