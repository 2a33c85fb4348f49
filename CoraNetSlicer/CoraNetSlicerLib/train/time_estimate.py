"""How long a training takes, or what is trained in the time there is: the engine plans and times it, and trains not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from coranet.contract import Job, JobStatus
from coranet.contract.config import TrainConfig
from coranet.contract.errors import CoraNetError
from coranet.contract.events import Event, Noted, PaceMeasured, Progress, Warned
from coranet.contract.files import remove_folder
from coranet.contract.training_time import TrainingAmounts, training_time_text

from ..core.export import TrainingExport, TrainingNodes
from ..core.notification import Signal
from ..core.protocols import Scheduler
from ..core.stepwise import StepwiseWork
from ..core.translation import _, sentence
from ..jobs.handle import JobHandle
from ..logic import CoraNetLogic
from .training_status import plan_of, progress_text

# A plan is made for all labels; of unlabeled scans it matters only that there are some.
_MOST_UNLABELED = 2
_GRACE_S = 5.0
# Not the name of a job: its folder lies one level below that of all jobs and is not listed.
_FOLDER = ".estimate"
_SHOWN_CODES = ("patch", "memory", "out_of_memory")


@dataclass(frozen=True)
class _Measured:
    """The measurements of a training, valid as long as its steps and these cases do not change, see `_step_inputs`."""

    valid_for: tuple[object, ...]
    pace: PaceMeasured
    notes: tuple[str, ...]

    def text(self, nodes: TrainingNodes, config: TrainConfig) -> str:
        """What that means for a training with these cases and numbers of steps."""
        amounts = TrainingAmounts.of(
            config, len(nodes.volumes), self.pace.validation_cases, has_unlabeled=bool(nodes.unlabeled)
        )
        return " ".join([training_time_text(self.pace, amounts), *self.notes])


class TimeEstimate:
    """Has the engine plan a training in a folder that is removed afterwards, and explains the result.

    Of a training with numbers of steps, the time of its parts stays true for other numbers of steps.

    Attributes:
        changed: sent when `text` changed.
        text: what it does, what came out, or what went wrong; "" before.
    """

    def __init__(self, logic: CoraNetLogic, scheduler: Scheduler) -> None:
        self.changed = Signal()
        self.text = ""
        self._logic = logic
        self._writing = StepwiseWork(scheduler, self._on_written, lambda: self._show(self._writing.latest))
        self._handle: Optional[JobHandle] = None
        self._measured: Optional[_Measured] = None
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
        """Whether a job is the one that measures; it is temporary and ends with the panel."""
        return handle is self._handle

    def begin(self, nodes: TrainingNodes, config: TrainConfig) -> None:
        """Begin to measure; returns at once. Raises CoraNetError where a node cannot be used."""
        if self.is_running:
            return
        parent = self._logic.jobsFolder / _FOLDER
        _remove_left_over(parent)
        self._nodes, self._config = nodes, config
        smaller = replace(nodes, unlabeled=nodes.unlabeled[:_MOST_UNLABELED])
        folder = parent / f"{os.getpid()}-{int(time.time() * 1000)}"
        files = TrainingExport(self._logic.context, folder, smaller, config)
        self._writing.begin(self._logic.runner.write_and_start(files, dry_run=True))
        self._show(_("Planning"))

    def cancel(self) -> None:
        """End it; returns at once. No error if it does not run."""
        if self.is_running:
            self._writing.stop()
            if self._handle is not None:
                handle, self._handle = self._handle, None
                handle.onFinished(_remove_job)
                handle.cancel(_GRACE_S)
            self._show("")

    def update(self, nodes: TrainingNodes, config: TrainConfig) -> None:
        """Show the measured time after cases or settings changed; nothing where a step now takes another time."""
        if self.is_running:
            return
        self._nodes, self._config = nodes, config
        measured = self._measured
        is_valid = measured is not None and measured.valid_for == _step_inputs(nodes, config)
        self._show(measured.text(nodes, config) if measured is not None and is_valid else "")

    def forget(self) -> None:
        """Say nothing, as long as cases or settings cannot be used."""
        if self.text and not self.is_running:
            self._show("")

    def close(self) -> None:
        """End it without a message."""
        self._writing.stop()
        if self._handle is not None:
            self._handle.cancel(_GRACE_S)
            self._handle.close()
            self._handle = None

    def _on_written(self, problem: str) -> None:
        if problem:
            self._show(self._failure.format(message=problem))
            return
        handle = self._logic.watch(self._writing.result)
        self._handle = handle
        handle.onEvents(lambda new: self._on_events(handle, new))
        handle.onFinished(self._on_finished)
        if self._handle is handle:
            self._show(_("Checking the data, and measuring how fast this computer is"))

    @property
    def _failure(self) -> str:
        return _("No plan: {message}") if self._config.time else _("No estimate: {message}")

    def _show(self, text: str) -> None:
        self.text = _("{text} ...").format(text=text) if text and self.is_running else text
        self.changed.send()

    def _on_events(self, handle: JobHandle, new: Iterable[Event]) -> None:
        progress = [event for event in new if isinstance(event, Progress)]
        if handle is self._handle and progress:
            self._show(progress_text(progress[-1], None))

    def _on_finished(self, handle: JobHandle) -> None:
        if handle is not self._handle:
            return
        self._handle = None
        if handle.status is JobStatus.FINISHED:
            self._show(self._result_text(handle.events))
        elif handle.status is JobStatus.CANCELLED:
            self._show("")
        else:
            self._show(self._failure.format(message=handle.message))
        _remove_job(handle)

    def _result_text(self, events: Iterable[Event]) -> str:
        known = list(events)
        paces = [event for event in known if isinstance(event, PaceMeasured)]
        if not paces or self._nodes is None:
            return "\n".join(plan_of(known))
        shown = [event for event in known if isinstance(event, (Noted, Warned)) and event.code in _SHOWN_CODES]
        notes = tuple(sentence(note.message) for note in shown)
        valid_for = _step_inputs(self._nodes, self._config)
        self._measured = _Measured(valid_for, paces[-1], notes)
        return self._measured.text(self._nodes, self._config)


def _step_inputs(nodes: TrainingNodes, config: TrainConfig) -> tuple[object, ...]:
    """What must stay as it is, so that what was measured holds: all settings but those that only count steps."""
    training = replace(
        config.training, pretraining_steps=1, self_training_steps=1, log_interval=1, validation_interval=1,
        checkpoint_interval=1, snapshot_interval=1, snapshot_case="",
    )  # fmt: skip
    return replace(config, training=training), tuple(nodes.labeled), tuple(nodes.validation)


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
