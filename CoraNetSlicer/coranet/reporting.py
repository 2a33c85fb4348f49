"""How the work reports its progress and learns that it should stop, without knowing of files or terminals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from .contract.errors import JobCancelled
from .contract.events import Event, Progress

# A bar should move smoothly at first; a training of days must not fill the events with nothing but progress.
_QUIET_S = 0.5
_MOST_QUIET_S = 5.0
_QUIET_SHARE = 1e-3
# A computer that slept for an hour does not change the pace; work that became slower does so within some steps.
_LONGEST_STEP = 10.0


@dataclass(frozen=True)
class Reporter:
    """Passed to everything that takes long.

    Attributes:
        emit: takes an event.
        should_stop: whether the user asked to stop.
    """

    emit: Callable[[Event], object]
    should_stop: Callable[[], bool]

    def stop_if_requested(self) -> None:
        """To be called where it is safe to stop.

        Raises:
            JobCancelled: the user asked to stop.
        """
        if self.should_stop():
            self.stop()

    def stop(self) -> NoReturn:
        """End the work as requested.

        Raises:
            JobCancelled: always.
        """
        raise JobCancelled("stopped on request.")


class Pace:
    """Reports progress, not too often, with the time left from the pace of each phase so far."""

    def __init__(
        self, reporter: Reporter, phases: dict[str, int], relative_cost: dict[str, float] | None = None,
        after: float = 0.0,
    ) -> None:  # fmt: skip
        """Begin to measure.

        Args:
            reporter: where to report.
            phases: steps of each phase, in order.
            relative_cost: expected cost of a step, to guess the pace of a phase that has not started; 1 if not given.
            after: how long what comes after these phases takes, as a share of what they take in all.
        """
        self._reporter = reporter
        self._phases = phases
        self._cost = {phase: (relative_cost or {}).get(phase, 1.0) for phase in phases}
        self._after = after
        self._seconds_per_step: dict[str, float] = {}
        self._last_report = 0.0
        self._last_time = self._begun = time.monotonic()

    def pause(self) -> None:
        """Time since the last step does not count (something else was done in between)."""
        self._last_time = time.monotonic()

    def step(self, phase: str, step: int) -> None:
        """One step of `phase` is done; `step` counts over all phases."""
        now = time.monotonic()
        seconds, self._last_time = now - self._last_time, now
        known = self._seconds_per_step.get(phase, seconds)
        self._seconds_per_step[phase] = 0.95 * known + 0.05 * min(seconds, _LONGEST_STEP * known)
        total = sum(self._phases.values())
        quiet_s = min(max(_QUIET_S, _QUIET_SHARE * (now - self._begun)), _MOST_QUIET_S)
        if step >= total or now - self._last_report >= quiet_s:
            self._last_report = now
            self._reporter.emit(Progress(phase, step, total, round(self._seconds_left(step), 1)))

    def _seconds_left(self, step: int) -> float:
        reference, known = next(iter(self._seconds_per_step.items()))
        unit = known / self._cost[reference]
        seconds, end = 0.0, 0
        for phase, steps in self._phases.items():
            end += steps
            remaining = min(max(end - step, 0), steps) + self._after * steps
            seconds += remaining * self._seconds_per_step.get(phase, unit * self._cost[phase])
        return seconds
