"""How long a training takes, or what is trained in the time there is: the engine begins with it and reports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Optional

from coranet.contract import Job, JobStatus
from coranet.contract.config import TrainConfig
from coranet.contract.errors import CoraNetError
from coranet.contract.events import Event, Losses, Noted, Progress, SnapshotSaved, Started, Warned, duration
from coranet.contract.files import remove_folder

from ..core.export import TrainingExport, TrainingNodes
from ..core.notification import Signal
from ..core.protocols import Scheduler
from ..core.stepwise import StepwiseWork
from ..core.translation import _, sentence
from ..jobs.handle import JobHandle
from ..logic import CoraNetLogic
from .watched_training import is_planned, plan_of, progress_text

_STEPS = 6  # of each stage; the first one is left out, because it is slower
_MOST_LABELED, _MOST_UNLABELED = 3, 2
_NEVER = 1_000_000
# Steps between validations where the settings do not say.
_USUAL_INTERVAL = 100
_GRACE_S = 5.0
# Not the name of a job: its folder lies one level below that of all jobs and is not listed.
_FOLDER = ".estimate"
_SHOWN_CODES = ("patch", "memory_used", "out_of_memory")


@dataclass(frozen=True)
class Pace:
    """What a few steps have shown, in seconds.

    Attributes:
        startup: from the start of the process until it begins with the data.
        case: to prepare one case.
        pretraining, self_training: one step of each stage.
        whole_scan: to segment a whole scan, as for a validation case or a snapshot.
    """

    startup: float = 0.0
    case: float = 0.0
    pretraining: float = 0.0
    self_training: float = 0.0
    whole_scan: float = 0.0

    @staticmethod
    def of(events: Iterable[Event], launched: float) -> Pace:
        """Read from the events of a short training that reported every step.

        Args:
            events: of a finished training.
            launched: when its process was started, seconds since 1970.
        """
        known = list(events)
        started = next((event for event in known if isinstance(event, Started)), None)
        prepared = [event for event in known if isinstance(event, Progress) and event.phase == "preparing"]
        losses = [event for event in known if isinstance(event, Losses)]
        snapshot = next((event for event in known if isinstance(event, SnapshotSaved)), None)
        if started is None:
            return Pace()
        return Pace(
            startup=max(0.0, started.time - launched),
            case=max(0.0, prepared[-1].time - started.time) / prepared[-1].step if prepared else 0.0,
            pretraining=_seconds_a_step(losses, "pretraining"),
            self_training=_seconds_a_step(losses, "self-training"),
            whole_scan=max(0.0, snapshot.time - losses[-1].time) if snapshot is not None and losses else 0.0,
        )


@dataclass(frozen=True)
class Amounts:
    """How much a training has to do."""

    cases: int
    pretraining_steps: int
    self_training_steps: int
    whole_scans: int

    @staticmethod
    def of(nodes: TrainingNodes, config: TrainConfig) -> Amounts:
        """Of a training with these cases and settings."""
        training = config.training
        steps = training.pretraining_steps + training.self_training_steps
        validated = len(nodes.validation) or _set_aside(len(nodes.labeled), config.data.validation_cases)
        scans = validated * _times(steps, training.validation_interval or _USUAL_INTERVAL)
        if training.snapshot_interval and nodes.unlabeled:
            scans += _times(steps, training.snapshot_interval)
        return Amounts(len(nodes.volumes), training.pretraining_steps, training.self_training_steps, scans)


def seconds_of(pace: Pace, amounts: Amounts) -> tuple[float, float]:
    """Seconds of the whole training, and those of them that segment whole scans."""
    looking = pace.whole_scan * amounts.whole_scans
    steps = pace.pretraining * amounts.pretraining_steps + pace.self_training * amounts.self_training_steps
    return pace.startup + pace.case * amounts.cases + steps + looking, looking


def in_words(events: Iterable[Event], pace: Pace, amounts: Amounts) -> str:
    """What the few steps mean for the whole: time, device, pace, patches and memory."""
    known = list(events)
    device = next((event.device for event in known if isinstance(event, Started)), "")
    whole, looking = seconds_of(pace, amounts)
    parts = [_("About {time} on {device}: {steps}.").format(
        time=duration(whole), device=device, steps=_steps_in_words(pace, amounts)
    )]  # fmt: skip
    if whole and looking / whole > 0.3:
        share = _("{percent:.0f} % of it goes into validation and snapshots; longer intervals make it faster.")
        parts.append(share.format(percent=100 * looking / whole))
    notes = [event for event in known if isinstance(event, (Noted, Warned)) and event.code in _SHOWN_CODES]
    return " ".join([*parts, *(sentence(note.message) for note in notes)])


@dataclass(frozen=True)
class _Measured:
    """What a short training has shown.

    Attributes:
        config: of the short training, which is that of all trainings whose steps take as long.
        pace: how long a step takes.
        events: of the short training.
    """

    config: TrainConfig
    pace: Pace
    events: tuple[Event, ...]


class TimeEstimate:
    """Begins a training in a folder that is removed afterwards, and says what that means for the whole.

    Of a training with numbers of steps, a few steps are done; what they took stays true for other numbers of steps. A
    training with a time is only planned.

    Attributes:
        changed: sent when `text` changed.
        text: what it does, what came out, or what went wrong; "" before.
    """

    def __init__(self, logic: CoraNetLogic, scheduler: Scheduler, clock: Callable[[], float] = time.time) -> None:
        """Take what it works with.

        Args:
            logic: starts the process.
            scheduler: does work later.
            clock: seconds since 1970.
        """
        self.changed = Signal()
        self.text = ""
        self._logic = logic
        self._clock = clock
        self._writing = StepwiseWork(scheduler, self._on_written, lambda: self._say(self._writing.latest))
        self._handle: Optional[JobHandle] = None
        self._measured: Optional[_Measured] = None
        self._launched = 0.0
        self._is_planning = False
        self._nodes: Optional[TrainingNodes] = None
        self._config = TrainConfig()

    @property
    def is_running(self) -> bool:
        """Whether it is measuring."""
        return self._writing.is_busy or self._handle is not None

    @property
    def is_measured(self) -> bool:
        """Whether it is known how long a step takes."""
        return self._measured is not None

    def is_measuring_with(self, handle: JobHandle) -> bool:
        """Whether a job is the one that measures; it is nobody's work and ends with the panel."""
        return handle is self._handle

    def begin(self, nodes: TrainingNodes, config: TrainConfig) -> None:
        """Begin to measure; returns at once.

        Args:
            nodes: what the training will learn from.
            config: of the training.

        Raises:
            CoraNetError: a node cannot be used.
        """
        if self.is_running:
            return
        self._is_planning = bool(config.time)
        parent = self._logic.jobsFolder / _FOLDER
        _remove_left_over(parent)
        self._nodes, self._config = nodes, config
        few = replace(nodes, unlabeled=nodes.unlabeled[:_MOST_UNLABELED])
        if not self._is_planning:  # a plan is made for all labels
            few = replace(few, labeled=nodes.labeled[:_MOST_LABELED], validation=())
        folder = parent / f"{os.getpid()}-{int(self._clock() * 1000)}"
        begun = config if self._is_planning else _short(config)
        files = TrainingExport(self._logic.context, folder, few, begun)
        self._writing.begin(self._write_and_start(files))
        self._say(_("Planning") if self._is_planning else _("Measuring a few steps"))

    def cancel(self) -> None:
        """End it; returns at once. No error if it does not run."""
        if self.is_running:
            self._writing.stop()
            self._end_process()
            self._say("")

    def update(self, nodes: TrainingNodes, config: TrainConfig) -> None:
        """Say what holds after cases or settings changed; nothing where a step takes another time than was measured."""
        if self.is_running:
            return
        self._nodes, self._config = nodes, config
        self._say(self._measured_text())

    def forget(self) -> None:
        """Say nothing, as long as cases or settings cannot be used."""
        if self.text and not self.is_running:
            self._say("")

    def close(self) -> None:
        """End it, and tell nobody."""
        self._writing.stop()
        if self._handle is not None:
            self._handle.cancel(_GRACE_S)
            self._handle.close()
            self._handle = None

    def _write_and_start(self, files: TrainingExport) -> Generator[str, None, JobHandle]:
        job = yield from files.steps()
        return self._logic.watch(self._logic.runner.start(job))

    def _on_written(self, problem: str) -> None:
        if problem:
            self._say(self._failure.format(message=problem))
            return
        handle: JobHandle = self._writing.result
        self._handle, self._launched = handle, self._clock()
        handle.onEvents(lambda new: self._on_events(handle, new))
        handle.onFinished(self._on_finished)
        if self._handle is handle:
            planning = _("Checking the data, and measuring how fast this computer is")
            self._say(planning if self._is_planning else progress_text(None, None))

    def _measured_text(self) -> str:
        measured = self._measured
        # With a time, patch and network are those of a plan.
        if measured is None or self._nodes is None or self._config.time or _short(self._config) != measured.config:
            return ""
        return in_words(measured.events, measured.pace, Amounts.of(self._nodes, self._config))

    @property
    def _failure(self) -> str:
        return _("No plan: {message}") if self._is_planning else _("No estimate: {message}")

    def _end_process(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            handle.onFinished(_remove_job)
            handle.cancel(_GRACE_S)

    def _say(self, text: str) -> None:
        self.text = _("{text} ...").format(text=text) if text and self.is_running else text
        self.changed.send()

    def _on_events(self, handle: JobHandle, new: Iterable[Event]) -> None:
        if handle is not self._handle:
            return
        progress = [event for event in new if isinstance(event, Progress)]
        if self._is_planning and is_planned(handle.events):
            self._end_process()
            self._say("\n".join(plan_of(handle.events)))
        elif progress:
            self._say(_("Measuring: {text}").format(text=progress_text(progress[-1], None)))

    def _on_finished(self, handle: JobHandle) -> None:
        if handle is not self._handle:
            return
        self._handle = None
        if handle.status is JobStatus.FINISHED:
            pace = Pace.of(handle.events, self._launched)
            self._measured = _Measured(_short(self._config), pace, tuple(handle.events))
            self._say(self._measured_text())
        elif handle.status is JobStatus.CANCELLED:
            self._say("")
        else:
            self._say(self._failure.format(message=handle.message))
        _remove_job(handle)


def _short(config: TrainConfig) -> TrainConfig:
    training = config.training
    return config.with_overrides(
        {
            "training.pretraining_steps": min(_STEPS, training.pretraining_steps),
            "training.self_training_steps": min(_STEPS, training.self_training_steps),
            "training.log_interval": 1,
            "training.validation_interval": _NEVER,
            "training.checkpoint_interval": _NEVER,
            # Taken once, at the end: what it costs to segment a whole scan.
            "training.snapshot_interval": _NEVER,
            "training.snapshot_case": "",
            "data.validation_cases": 0,
            "data.cache_folder": "",
        }
    )


def _steps_in_words(pace: Pace, amounts: Amounts) -> str:
    first, second = f"{pace.pretraining:.2g}", f"{pace.self_training:.2g}"
    if not amounts.self_training_steps or not amounts.pretraining_steps:
        return _("{seconds} s a step").format(seconds=first if amounts.pretraining_steps else second)
    return _("{first} s a step of pretraining, {second} s of self-training").format(first=first, second=second)


def _seconds_a_step(losses: Iterable[Losses], phase: str) -> float:
    times = [one.time for one in losses if one.phase == phase]
    # A clock that is set in between counts for nothing.
    return (
        max(0.0, median(after - before for before, after in zip(times, times[1:], strict=False)))
        if len(times) > 1
        else 0.0
    )


def _times(steps: int, interval: int) -> int:
    """How often something happens that happens every `interval` steps and at the end."""
    return -(-steps // interval)


def _set_aside(labeled: int, wanted: Optional[int]) -> int:
    """Labeled cases that the engine sets aside for validation where the list names none."""
    return (round(labeled / 5) if labeled >= 5 else 0) if wanted is None else wanted


def _remove_job(handle: JobHandle) -> None:
    remove_folder(handle.folder)
    with suppress(OSError):
        handle.folder.parent.rmdir()


def _remove_left_over(parent: Path) -> None:
    """Remove what an application that ended while it measured has left behind."""
    for folder in parent.iterdir() if parent.is_dir() else ():
        try:
            is_used = Job.exists(folder) and Job.open(folder).status() is JobStatus.RUNNING
        except CoraNetError:
            is_used = False
        if not is_used:
            remove_folder(folder)
