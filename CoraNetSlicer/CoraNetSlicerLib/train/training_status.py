"""The status of a training in words: what it does, its plan, its messages, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Optional

from coranet.contract import JobStatus
from coranet.contract.events import Cancelled, Event, Noted, Progress, Started, Warned

from ..core.translation import _, sentence
from ..jobs.handle import BEFORE_STEPS, JobHandle, time_left

PLAN = "plan"  # code of the notes that say it
_LOG_LINES = 5


@dataclass(frozen=True)
class Message:
    """A message of the engine: a warning, or a decision."""

    text: str
    is_warning: bool


@dataclass(frozen=True)
class TrainingStanding:
    """The status of a training; warnings come before notes, the newest first.

    The plan is what is trained in the time there is, and why, in sentences; () where the steps were set.
    """

    text: str
    messages: tuple[Message, ...]
    plan: tuple[str, ...] = ()


def standing_of(handle: JobHandle, status: JobStatus) -> TrainingStanding:
    """What is known of a training in a status; reads files, so call it when there is news."""
    events = handle.events
    progress = _latest_progress(events)
    text = _running(handle, progress) if status is JobStatus.RUNNING else _over(handle, status, events, progress)
    trouble = (Message(sentence(handle.trouble), True),) if handle.trouble else ()
    return TrainingStanding(text, (*trouble, *messages_of(events)), plan_of(events))


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
