"""Where a training stands, in words and as a share, from what it told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Optional

from coranet.contract import JobStatus
from coranet.contract.events import Cancelled, Event, Noted, Progress, Started, Warned, duration

from ..core.translation import _
from ..jobs.handle import BEFORE_STEPS, JobHandle

PLAN = "plan"  # code of the notes that say it
_LOG_LINES = 5


@dataclass(frozen=True)
class Message:
    """Something that the engine said: a warning, or what it decided."""

    text: str
    is_warning: bool


@dataclass(frozen=True)
class TrainingStanding:
    """Where a training stands.

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


def standing_of(handle: JobHandle) -> TrainingStanding:
    """Where a training stands now; reads files, so ask when there is news."""
    status, events = handle.status, handle.events
    progress = _latest_progress(events)
    share = 1.0 if status is JobStatus.FINISHED else _share_done(progress, events)
    text = _running(handle, progress) if status is JobStatus.RUNNING else _over(handle, status, events, progress)
    trouble = (Message(sentence(handle.trouble), True),) if handle.trouble else ()
    return TrainingStanding(status, share, text, (*trouble, *messages_of(events)), plan_of(events))


def messages_of(events: Iterable[Event]) -> tuple[Message, ...]:
    """What the engine warned of, then what it noted, the newest first, each sentence once."""
    told = [one for one in events if isinstance(one, (Warned, Noted)) and not _is_plan(one)]
    said = {sentence(one.message): isinstance(one, Warned) for one in told}
    messages = [Message(text, is_warning) for text, is_warning in reversed(list(said.items()))]
    return tuple(sorted(messages, key=lambda message: not message.is_warning))


def plan_of(events: Iterable[Event]) -> tuple[str, ...]:
    """What is trained in the time there is, and why: the sentences of the latest plan.

    They are told one after the other. A single one that comes later takes the place of the last: how many steps there
    are is known exactly when all cases are prepared.
    """
    plan: list[str] = []
    for is_plan, told in groupby(events, _is_plan):
        if is_plan:
            sentences = [sentence(one.message) for one in told if isinstance(one, Noted)]
            plan = [*plan[:-1], *sentences] if len(sentences) == 1 else sentences
    return tuple(plan)


def is_planned(events: Sequence[Event]) -> bool:
    """Whether a plan was told to its last sentence."""
    return bool(plan_of(events)) and not _is_plan(events[-1])


def _is_plan(event: Event) -> bool:
    return isinstance(event, Noted) and event.code == PLAN


def time_left(seconds: float, asked: str = "") -> str:
    """How long it will take: "12 min left of 1 h".

    Args:
        seconds: until the end of everything.
        asked: how long it may take in all; "": nobody said.
    """
    text = _("{time} left").format(time=duration(seconds))
    return _("{text} of {time}").format(text=text, time=asked) if asked else text


def sentence(message: str) -> str:
    """A message of the engine, beginning with a capital."""
    return message[:1].upper() + message[1:]


def progress_text(progress: Optional[Progress], seconds_left: Optional[float], asked: str = "") -> str:
    """What is being done: "Self-training, step 340 of 1000, 12 min left of 1 h".

    Args:
        progress: the last one; None: there is none yet.
        seconds_left: until the end of everything; None: unknown.
        asked: how long it may take in all; "": nobody said.
    """
    if progress is None:
        return _("Starting: loading PyTorch and looking at the data")
    if progress.phase == "checking":
        return _("Checking case {step} of {total}").format(step=progress.step, total=progress.total_steps)
    if progress.phase == "preparing":
        return _("Preparing case {step} of {total}").format(step=progress.step, total=progress.total_steps)
    if progress.phase == "finding":
        text = _("Learning to find the structures, step {step} of {total}")
        return text.format(step=progress.step, total=progress.total_steps)
    phases = {"pretraining": _("Pretraining"), "self-training": _("Self-training")}
    phase = phases.get(progress.phase, progress.phase)
    text = _("{phase}, step {step} of {total}").format(phase=phase, step=progress.step, total=progress.total_steps)
    if progress.step >= progress.total_steps:
        return _("{phase} is done; the model is being written").format(phase=phase)
    return text if seconds_left is None else f"{text}, {time_left(seconds_left, asked)}"


def _running(handle: JobHandle, progress: Optional[Progress]) -> str:
    if handle.job.cancel_requested():
        return _("Stopping: what was learned is being saved.")
    return progress_text(progress, handle.secondsLeft, handle.timeAsked) + "."


def _over(handle: JobHandle, status: JobStatus, events: Iterable[Event], progress: Optional[Progress]) -> str:
    if status is JobStatus.FINISHED:
        return _("Finished: {message} Choose it as the model under Segment.").format(message=handle.message)
    if status is JobStatus.CANCELLED:
        steps = [event.step for event in events if isinstance(event, Cancelled)]
        if not steps:
            return _("Stopped; Resume goes on from the last checkpoint.")
        text = _("Stopped after step {step}; Resume goes on from there").format(step=steps[-1])
        left = progress.seconds_left if progress is not None and progress.phase not in BEFORE_STEPS else None
        return f"{text}." if not left else f"{text}, {time_left(left, handle.timeAsked)}."
    if status is JobStatus.FAILED:
        return _("Failed: {message}").format(message=sentence(handle.message))
    if status is JobStatus.CRASHED and not handle.folder.is_dir():
        return sentence(handle.message)
    if status is JobStatus.CRASHED:
        text = _("The process ended without a word; Resume goes on from the last checkpoint. Its log ends with:")
        return "\n".join([text, handle.logTail(_LOG_LINES)])
    return _("Not started yet; Resume starts it.")


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
