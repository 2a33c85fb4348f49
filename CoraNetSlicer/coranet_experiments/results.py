"""What the runs of an experiment came to: read from their job directories, summed up by method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coranet.contract import Job, JobStatus, read_json
from coranet.contract.errors import JobError
from coranet.contract.events import Event, Losses, SnapshotSaved, Started, Validation, Warned, without_superseded

from .plan import BASELINE, UPPER_BOUND, Run
from .statistics import Interval, distance_closed, mean, paired_difference, spread

Curve = tuple[tuple[int, float], ...]
_LOSSES = ("total", "supervised", "certain", "uncertain", "uncertain_share")


@dataclass(frozen=True)
class TrainingRecord:
    """What the events of a training hold.

    Attributes:
        device, version: where and with which CoraNet; empty before it has started.
        steps: done.
        seconds: worked, all processes together.
        validation: (step, mean Dice).
        losses: name -> (step, value).
        snapshots: of the regions of a case.
        warnings: sentences.
    """

    device: str
    version: str
    steps: int
    seconds: float
    validation: Curve
    losses: Mapping[str, Curve]
    snapshots: tuple[SnapshotSaved, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class RunResult:
    """One run. `cases` are the figures of the test cases, empty where the run did not get so far."""

    run: Run
    training: TrainingRecord
    cases: Mapping[str, Mapping[str, Any]]
    mean: Mapping[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of classes 1, 2, ..."""
        return tuple(label.name for label in self.run.test_cases.labels)

    def case_figure(self, case: str, metric: str = "dice") -> float | None:
        """A figure of a case, its mean over the classes if it has one for each."""
        value = self.cases[case].get(metric)
        return mean(list(value.values())) if isinstance(value, Mapping) else value

    def class_means(self, metric: str = "dice") -> dict[str, float | None]:
        """Class -> mean of a figure over the cases."""
        rows = [row.get(metric) or {} for row in self.cases.values()]
        return {name: mean([row.get(name) for row in rows]) for name in self.class_names}

    def figure(self, metric: str = "dice") -> float | None:
        """Mean of a figure over the cases, then over the classes if it has one for each."""
        rows = [row.get(metric) for row in self.cases.values()]
        if any(isinstance(row, Mapping) for row in rows):
            return mean(list(self.class_means(metric).values()))
        return mean(rows)


@dataclass(frozen=True)
class MethodResult:
    """All seeds of a method with one number of labeled cases; of a figure, `spread` is over the seeds.

    Attributes:
        method: its name.
        labeled: number of labeled cases, None: all.
        runs: one a seed; only those that were tested.
        difference: mean Dice less that of supervised-only on the same cases and seeds; None if that was not run.
        closed: share of the distance from supervised-only to fully supervised; None if these were not run.
    """

    method: str
    labeled: int | None
    runs: tuple[RunResult, ...]
    difference: Interval | None = None
    closed: float | None = None

    @property
    def seeds(self) -> list[int]:
        """Of the tested runs."""
        return [result.run.seed for result in self.runs]

    def figure(self, metric: str = "dice") -> float | None:
        """Mean over the seeds."""
        return mean([result.figure(metric) for result in self.runs])

    def figure_spread(self, metric: str = "dice") -> float | None:
        """Standard deviation over the seeds."""
        return spread([result.figure(metric) for result in self.runs])

    def class_figure(self, name: str, metric: str = "dice") -> float | None:
        """Mean of one class over the seeds."""
        return mean([result.class_means(metric).get(name) for result in self.runs])

    def case_figures(self, metric: str = "dice") -> dict[tuple[str, int], float | None]:
        """(case, seed) -> figure."""
        return {
            (case, result.run.seed): result.case_figure(case, metric) for result in self.runs for case in result.cases
        }

    def seconds(self) -> float | None:
        """Of a training, on average."""
        return mean([result.training.seconds for result in self.runs])


def read_results(runs: Iterable[Run]) -> list[RunResult]:
    """What each run came to, in the order of the plan."""
    return [_read_result(run) for run in runs]


def by_method(results: Sequence[RunResult]) -> list[MethodResult]:
    """The tested runs by method and number of labeled cases, compared with supervised-only."""
    groups: dict[tuple[str, int | None], list[RunResult]] = {}
    for result in results:
        if result.cases:
            groups.setdefault((result.run.variant.name, result.run.labeled), []).append(result)
    methods = [MethodResult(name, labeled, tuple(group)) for (name, labeled), group in groups.items()]
    return [_compared(method, methods) for method in methods]


def _compared(method: MethodResult, methods: Sequence[MethodResult]) -> MethodResult:
    same = {other.method: other for other in methods if other.labeled == method.labeled}
    lower = same.get(BASELINE) or same.get("segmentation")
    if lower is None:
        return method
    difference = None if lower is method else paired_difference(method.case_figures(), lower.case_figures())
    upper = same.get(UPPER_BOUND)
    closed = distance_closed(method.figure(), lower.figure(), upper.figure()) if upper else None
    return MethodResult(method.method, method.labeled, method.runs, difference, closed)


def _read_result(run: Run) -> RunResult:
    metrics: Mapping[str, Any] = {}
    if Job.exists(run.test_folder):
        test = Job.open(run.test_folder)
        if test.status() is JobStatus.FINISHED and test.metrics_path.exists():
            metrics = read_json(test.metrics_path)
    if metrics and "cases" not in metrics:
        raise JobError(f"the metrics of '{run.test_folder}' have no 'cases'; remove that folder and run again.")
    return RunResult(run, _read_training(run), metrics.get("cases", {}), metrics.get("mean", {}))


def _read_training(run: Run) -> TrainingRecord:
    all_events = Job.open(run.train_folder).read_events() if Job.exists(run.train_folder) else []
    events = without_superseded(all_events)
    started = [event for event in events if isinstance(event, Started)]
    losses = [event for event in events if isinstance(event, Losses)]
    return TrainingRecord(
        device=started[-1].device if started else "",
        version=started[-1].version if started else "",
        steps=max((getattr(event, "step", 0) for event in events), default=0),
        seconds=sum(_spans(all_events)),
        validation=tuple((event.step, event.mean_dice) for event in events if isinstance(event, Validation)),
        losses={name: tuple((event.step, getattr(event, name)) for event in losses) for name in _LOSSES},
        snapshots=tuple(event for event in events if isinstance(event, SnapshotSaved)),
        warnings=tuple(dict.fromkeys(event.message for event in events if isinstance(event, Warned))),
    )


def _spans(events: Sequence[Event]) -> Iterator[float]:
    """How long each process worked: from its first word to its last."""
    for of_process in _processes(events):
        yield of_process[-1].time - of_process[0].time


def _processes(events: Sequence[Event]) -> Iterator[list[Event]]:
    """The events of each process. One that crashed has no final event; warnings before `Started` belong to the next."""
    of_process: list[Event] = []
    for event in events:
        if isinstance(event, Started) and any(isinstance(word, Started) for word in of_process):
            start = len(of_process)
            while isinstance(of_process[start - 1], Warned):
                start -= 1
            yield of_process[:start]
            of_process = of_process[start:]
        of_process.append(event)
        if event.is_final:
            yield of_process
            of_process = []
    if of_process:
        yield of_process
