"""Events in words, for the log and the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .contract import events
from .contract.events import duration


def describe(event: events.Event) -> str:
    """One line for a person."""
    return _WORDS[type(event)](event)


def _validation(event: events.Validation) -> str:
    scores = ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in event.dice.items())
    return f"step {event.step}: validation Dice {scores}" + (" (best so far)" if event.is_best else "")


def _progress(event: events.Progress) -> str:
    left = "" if event.seconds_left is None else f", {duration(event.seconds_left)} left"
    return f"{event.phase} {event.step} of {event.total_steps}{left}"


def _pace(event: events.PaceMeasured) -> str:
    steps = f"{event.pretraining:.2g} s a step of pretraining, {event.self_training:.2g} s of self-training"
    return f"on {event.device}: {steps}, {event.case:.2g} s to prepare a case, {event.whole_scan:.2g} s a whole scan"


def _losses(event: events.Losses) -> str:
    return (
        f"step {event.step}: loss {event.total:.3f} (supervised {event.supervised:.3f}, certain {event.certain:.3f}, "
        f"uncertain {event.uncertain:.4f}), {100 * event.uncertain_share:.1f} % uncertain"
    )


_WORDS: dict[type[events.Event], Callable[[Any], str]] = {
    events.Started: lambda event: (
        f"CoraNet {event.version} on {event.device}, step {event.step} of {event.total_steps}"
    ),
    events.Progress: _progress,
    events.Losses: _losses,
    events.PaceMeasured: _pace,
    events.Validation: _validation,
    events.Noted: lambda event: event.message,
    events.Warned: lambda event: f"warning: {event.message}",
    events.CheckpointSaved: lambda event: f"step {event.step} is saved",
    events.SnapshotSaved: lambda event: f"step {event.step}: a snapshot of '{event.case}' is kept",
    events.CaseDone: lambda event: (
        f"'{event.case}' is segmented ({event.number} of {event.total}, {event.seconds:.1f} s)"
    ),
    events.CaseFailed: lambda event: f"'{event.case}' could not be segmented: {event.message}",
    events.CaseSkipped: lambda event: f"'{event.case}' was skipped on request",
    events.Finished: lambda event: (
        f"finished after {duration(event.seconds)}: {event.message}"
        + (f" See '{event.output}'." if event.output else "")
    ),
    events.Failed: lambda event: f"error: {event.message}",
    events.Cancelled: lambda event: f"stopped on request at step {event.step}; run again with --resume to continue",
}
