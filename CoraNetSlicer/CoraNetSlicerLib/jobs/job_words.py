"""What a list says of a job, in words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from coranet.contract import JobKind, JobStatus

from ..core.translation import _
from ..train.training_words import sentence, time_left
from .listing import JobSummary


@dataclass(frozen=True)
class JobRow:
    """A line of the list.

    Attributes:
        folder: of the job.
        name: of its folder.
        kind: what it does.
        state: where it stands.
        when: when something happened last, or how long it will take.
    """

    folder: Path
    name: str
    kind: str
    state: str
    when: str


def row_of(summary: JobSummary, now: float) -> JobRow:
    """The line of a job.

    Args:
        summary: of the job.
        now: seconds since 1970.
    """
    kinds = {JobKind.TRAIN: _("Training"), JobKind.SEGMENT: _("Segmentation")}
    kind = kinds[summary.kind] if summary.kind else ""
    return JobRow(summary.folder, summary.folder.name, kind, _state(summary), _when(summary, now))


def last_word(summary: JobSummary, log: str) -> str:
    """A sentence on where a job stands.

    Args:
        summary: of the job.
        log: the end of its log.
    """
    if summary.problem:
        return _("This job cannot be read: {problem}").format(problem=summary.problem)
    if summary.status is JobStatus.CRASHED:
        last = next((line for line in reversed(log.splitlines()) if line.strip()), _("(nothing)"))
        return _("It ended without a word. The last line of its log: {line}").format(line=last)
    rest = _("It was stopped; Resume goes on where it was left")
    if summary.seconds_left:
        rest += f", {time_left(summary.seconds_left, summary.time_asked)}"
    words = {
        JobStatus.CREATED: _("It was never started; Resume starts it."),
        JobStatus.RUNNING: _("It is running; it goes on when Slicer is closed."),
        JobStatus.CANCELLED: f"{rest}.",
    }
    return sentence(summary.message) or words.get(summary.status, "")


def size_in_words(size: int) -> str:
    """A number of bytes, such as "1.3 GiB"."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def _state(summary: JobSummary) -> str:
    if summary.status is JobStatus.RUNNING:
        if summary.is_stopping:
            return _("stopping")
        if summary.share_done is None:
            return _("running")
        return _("running, {percent:.0f} %").format(percent=100 * summary.share_done)
    words = {
        JobStatus.CREATED: _("not started"),
        JobStatus.FINISHED: _("finished"),
        JobStatus.FAILED: _("failed"),
        JobStatus.CANCELLED: _("stopped"),
        JobStatus.CRASHED: _("crashed"),
    }
    return words.get(summary.status, _("cannot be read"))


def _when(summary: JobSummary, now: float) -> str:
    if summary.status is JobStatus.RUNNING and summary.seconds_left is not None:
        left = max(0.0, summary.seconds_left - max(0.0, now - summary.changed))
        return time_left(left, summary.time_asked)
    then, today = time.localtime(summary.changed), time.localtime(now)
    is_today = then[:3] == today[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", then)
