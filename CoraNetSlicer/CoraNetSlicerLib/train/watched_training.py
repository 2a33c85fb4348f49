"""The training that is watched: its status in a sentence, its curves and snapshots, and its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Optional

from coranet.contract import JobStatus
from coranet.contract.events import (
    Cancelled,
    Event,
    Losses,
    Noted,
    Progress,
    SnapshotSaved,
    Started,
    Validation,
    Warned,
)  # fmt: skip

from ..core.context import SceneContext
from ..core.notification import Signal
from ..core.protocols import Host
from ..core.stepwise import Steps, StepwiseWork
from ..core.translation import _, sentence
from ..jobs.handle import BEFORE_STEPS, JobHandle, time_left
from .scene import SnapshotSequence, TrainingPlot

PLAN = "plan"  # code of the notes that say it
_LOG_LINES = 5


@dataclass(frozen=True)
class Message:
    """A message of the engine: a warning, or a decision."""

    text: str
    is_warning: bool


@dataclass(frozen=True)
class TrainingStanding:
    """The status of a training.

    Attributes:
        status: of its job.
        share_done: 0 to 1.
        text: for people.
        messages: warnings, then notes, the newest first.
        plan: what is trained in the time there is, and why, in sentences; () where the steps were set.
    """

    status: JobStatus
    share_done: float
    text: str
    messages: tuple[Message, ...]
    plan: tuple[str, ...] = ()


class WatchedTraining:
    """Follows one training, until another one takes its place.

    Attributes:
        changed: sent when there is news.
        ended: sent with the JobHandle when the training ended while it was watched.
        failed: sent with a sentence when a snapshot cannot be shown.
        handle: the training; None: there is none.
        standing: its last known status.
        has_curves, has_snapshots: whether there are some to be shown.
    """

    def __init__(self, context: SceneContext, application: Host) -> None:
        """Watch nothing yet.

        Args:
            context: the scene.
            application: for what only an application has.
        """
        self.changed = Signal()
        self.ended = Signal()
        self.failed = Signal()
        self.handle: Optional[JobHandle] = None
        self.standing: Optional[TrainingStanding] = None
        self.has_curves = self.has_snapshots = False
        self._context = context
        self._application = application
        self._shows_losses = False
        self._follows_snapshots = self._is_to_be_shown = False
        self._loading = StepwiseWork(application, self._on_loaded)

    @property
    def is_running(self) -> bool:
        """Whether its process works, by its last known status."""
        return self.standing is not None and self.standing.status is JobStatus.RUNNING

    def watch(self, handle: Optional[JobHandle]) -> None:
        """Follow a training in place of the one before, or none; that one goes on."""
        self._loading.stop()
        self.handle, self.standing = handle, None
        self.has_curves = self.has_snapshots = False
        self._shows_losses = self._follows_snapshots = False
        if handle is None:
            return
        is_over = handle.status.is_over
        handle.onEvents(lambda new: self._on_events(handle, new))
        if not is_over:
            handle.onFinished(self._on_ended)
        self.look()

    def look(self) -> None:
        """Update its status."""
        if self.handle is not None:
            self.standing = standing_of(self.handle)
        self.changed.send()

    def show_curves(self) -> None:
        """Show the validation Dice, if there is any; the next time, the losses."""
        if self.handle is None:
            return
        plot = self._plot(self.handle)
        plot.update(self.handle.events)
        charts = [chart for chart in (plot.dice_chart, plot.losses_chart) if chart is not None]
        if charts:
            self._application.show_chart(charts[-1] if self._shows_losses else charts[0])
            self._shows_losses = not self._shows_losses

    def show_snapshots(self) -> None:
        """Show the snapshots over their volume, to be scrolled through; those to come are added.

        Raises:
            DataError: the volume cannot be read.
        """
        if self.handle is None or not self.has_snapshots:
            return
        self._application.show_volume(_volume_of_snapshots(self._context, self.handle))
        self._follows_snapshots = self._is_to_be_shown = True
        if not self._load_missing(self.handle) and not self._loading.is_busy:
            self._lay_over_volume(self.handle)

    def _on_events(self, handle: JobHandle, new: Iterable[Event]) -> None:
        if handle is not self.handle:
            return
        kinds = {type(event) for event in new}
        if kinds & {Losses, Validation}:
            self.has_curves = True
            self._plot(handle).update(handle.events)
        if SnapshotSaved in kinds:
            self.has_snapshots = True
            self._load_missing(handle)
        self.look()

    def _on_ended(self, handle: JobHandle) -> None:
        if handle is self.handle:
            self.look()
            self.ended.send(handle)

    def _plot(self, handle: JobHandle) -> TrainingPlot:
        # Found anew each time: the scene may have been closed, or a person has deleted its nodes.
        return TrainingPlot(self._context, handle.folder.name, handle.job.identifier)

    def _load_missing(self, handle: JobHandle) -> bool:
        """Begin to load the snapshots that are not in the scene yet. Returns whether there are any."""
        if not self._follows_snapshots or self._loading.is_busy:
            return False
        is_needed = bool(SnapshotSequence(self._context, handle.job).missing(handle.events))
        if is_needed:
            self._loading.begin(self._load(handle))
        return is_needed

    def _load(self, handle: JobHandle) -> Steps:
        """Load one snapshot after the other, those too that come meanwhile."""
        snapshots = SnapshotSequence(self._context, handle.job)
        while missing := snapshots.missing(handle.events):
            snapshots.add(missing[0])
            self._lay_over_volume(handle)
            yield

    def _on_loaded(self, problem: str) -> None:
        if problem:
            self._follows_snapshots = False
            self.failed.send(problem)

    def _lay_over_volume(self, handle: JobHandle) -> None:
        """Once for each request: later a person may have chosen to see something else."""
        if not self._is_to_be_shown:
            return
        self._is_to_be_shown = False
        snapshots = SnapshotSequence(self._context, handle.job)
        snapshots.show(_volume_of_snapshots(self._context, handle), self._application.slice_composite_nodes())
        self._application.show_sequence(snapshots.browser)


def _volume_of_snapshots(context: SceneContext, handle: JobHandle) -> Any:
    latest = [event for event in handle.events if isinstance(event, SnapshotSaved)][-1]
    return SnapshotSequence(context, handle.job).volume(latest.case)


def standing_of(handle: JobHandle) -> TrainingStanding:
    """The status of a training now; reads files, so call it when there is news."""
    status, events = handle.status, handle.events
    progress = _latest_progress(events)
    share = 1.0 if status is JobStatus.FINISHED else _share_done(progress, events)
    text = _running(handle, progress) if status is JobStatus.RUNNING else _over(handle, status, events, progress)
    trouble = (Message(sentence(handle.trouble), True),) if handle.trouble else ()
    return TrainingStanding(status, share, text, (*trouble, *messages_of(events)), plan_of(events))


def messages_of(events: Iterable[Event]) -> tuple[Message, ...]:
    """What the engine warned of, then what it noted, the newest first, each sentence once."""
    shown = [event for event in events if isinstance(event, (Warned, Noted)) and not _is_plan(event)]
    texts = {sentence(event.message): isinstance(event, Warned) for event in shown}
    messages = [Message(text, is_warning) for text, is_warning in reversed(list(texts.items()))]
    return tuple(sorted(messages, key=lambda message: not message.is_warning))


def plan_of(events: Iterable[Event]) -> tuple[str, ...]:
    """What is trained in the time there is, and why: the sentences of the latest plan.

    They come one after the other. A single one that comes later takes the place of the last: how many steps there are
    is known exactly when all cases are prepared.
    """
    plan: list[str] = []
    for is_plan, notes in groupby(events, _is_plan):
        if is_plan:
            sentences = [sentence(note.message) for note in notes if isinstance(note, Noted)]
            plan = [*plan[:-1], *sentences] if len(sentences) == 1 else sentences
    return tuple(plan)


def _is_plan(event: Event) -> bool:
    return isinstance(event, Noted) and event.code == PLAN


def progress_text(progress: Optional[Progress], seconds_left: Optional[float], in_all: str = "") -> str:
    """What is being done: "Self-training, step 340 of 1000, 12 min left of 1 h".

    Args:
        progress: the last one; None: there is none yet.
        seconds_left: until the end of everything; None: unknown.
        in_all: how long it may take in all; "": not set.
    """
    if progress is None:
        return _("Starting: loading PyTorch and checking the data")
    templates = {
        "checking": _("Checking case {step} of {total}"),
        "preparing": _("Preparing case {step} of {total}"),
        "finding": _("Learning to find the structures, step {step} of {total}"),
    }
    if progress.phase in templates:
        return templates[progress.phase].format(step=progress.step, total=progress.total_steps)
    phases = {
        "pretraining": _("Pretraining"),
        "self-training": _("Self-training"),
        "error_model": _("Learning where the model errs"),
    }
    phase = phases.get(progress.phase, progress.phase)
    if progress.step >= progress.total_steps:
        return _("{phase} is done; the model is being written").format(phase=phase)
    text = _("{phase}, step {step} of {total}").format(phase=phase, step=progress.step, total=progress.total_steps)
    return text if seconds_left is None else f"{text}, {time_left(seconds_left, in_all)}"


def _running(handle: JobHandle, progress: Optional[Progress]) -> str:
    if handle.isStopping:
        return _("Stopping: what was learned is being saved.")
    return progress_text(progress, handle.secondsLeft, handle.timeAsked) + "."


def _over(handle: JobHandle, status: JobStatus, events: Iterable[Event], progress: Optional[Progress]) -> str:
    if status is JobStatus.FINISHED:
        return _("Finished: {message} The model can be chosen under Segment.").format(message=handle.message)
    if status is JobStatus.CANCELLED:
        return _stopped(handle, events, progress)
    if status is JobStatus.FAILED:
        return _("Failed: {message}").format(message=sentence(handle.message))
    if status is JobStatus.CRASHED and not handle.folder.is_dir():
        return sentence(handle.message)
    if status is JobStatus.CRASHED:
        text = _("{how}. Resume continues from the last checkpoint. Its log ends with:").format(
            how=sentence(handle.crash)
        )
        return "\n".join([text, handle.logTail(_LOG_LINES)])
    return _("Not started yet. Resume starts it.")


def _stopped(handle: JobHandle, events: Iterable[Event], progress: Optional[Progress]) -> str:
    steps = [event.step for event in events if isinstance(event, Cancelled)]
    if not steps:
        return _("Stopped. Resume continues from the last checkpoint.")
    text = _("Stopped after step {step}. Resume continues from there").format(step=steps[-1])
    left = progress.seconds_left if progress is not None and progress.phase not in BEFORE_STEPS else None
    return f"{text}, {time_left(left, handle.timeAsked)}." if left else f"{text}."


def _latest_progress(events: Iterable[Event]) -> Optional[Progress]:
    latest = None
    for event in events:
        if isinstance(event, Started):
            latest = None
        elif isinstance(event, Progress):
            latest = event
    return latest


def _share_done(progress: Optional[Progress], events: Iterable[Event]) -> float:
    """Of the training steps; what comes before them counts as none, and what was done before a resume as done."""
    if progress is not None and progress.phase not in BEFORE_STEPS and progress.total_steps:
        return min(1.0, progress.step / progress.total_steps)
    started = [event for event in events if isinstance(event, Started)]
    return started[-1].step / started[-1].total_steps if started and started[-1].total_steps else 0.0
