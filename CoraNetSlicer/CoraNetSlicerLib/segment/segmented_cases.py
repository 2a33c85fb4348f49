"""What became of each case of a segmentation, in rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from coranet.contract import JobStatus
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Event, Started, duration

from ..core.translation import _
from ..jobs.handle import JobHandle


class CaseState(str, Enum):
    """Where a case stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SKIPPING = "skipping"
    DONE = "done"
    LOADING = "loading"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"


@dataclass(frozen=True)
class CaseRow:
    """A line of the table.

    Attributes:
        case: its name.
        state: where it stands.
        text: the same in words.
        action: what its button does: "skip", "load", or "" for no button.
    """

    case: str
    state: CaseState
    text: str
    action: str = ""


@dataclass(frozen=True)
class CaseProgress:
    """What is known of the cases besides the events.

    Attributes:
        status: where the job stands.
        skipping: cases that somebody asked to leave out.
        loading: cases whose result is on its way into the scene.
        problems: case -> why its result could not be loaded.
        part: share of the running case that is done, 0 to 1; 0 as long as nobody knows.
    """

    status: JobStatus
    skipping: Collection[str] = ()
    loading: Collection[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    part: float = 0.0


def case_rows(cases: Collection[str], events: Collection[Event], progress: CaseProgress) -> list[CaseRow]:
    """The lines of a job.

    Args:
        cases: their names, in the order in which they are segmented.
        events: what the job has told.
        progress: what else is known.
    """
    outcomes = {one.case: one for one in events if isinstance(one, (CaseDone, CaseFailed, CaseSkipped))}
    has_begun = any(isinstance(one, Started) for one in events)
    rows = []
    is_first = True
    for case in cases:
        if case in outcomes:
            rows.append(_row_of_outcome(case, outcomes[case], progress))
        else:
            rows.append(_row_without_outcome(case, has_begun and is_first, progress))
            is_first = False
    return rows


def sentence(handle: JobHandle, done: int, total: int) -> str:
    """Where a segmentation stands.

    Args:
        handle: the job.
        done: cases that are segmented, failed or skipped.
        total: all of its cases.
    """
    if handle.status is not JobStatus.RUNNING:
        text = handle.message or _("never started.")
        return _("{name}: {text}").format(name=handle.folder.name, text=text)
    if handle.job.cancel_requested():
        return _("Stopping...")
    text = _("Segmenting {number} of {total}").format(number=min(done + 1, total), total=total)
    left = handle.secondsLeft
    return text + (_("; about {time} left").format(time=duration(left)) if left else "") + "."


def _row_of_outcome(case: str, outcome: Event, progress: CaseProgress) -> CaseRow:
    if isinstance(outcome, CaseFailed):
        return CaseRow(case, CaseState.FAILED, _("failed: {reason}").format(reason=outcome.message))
    if not isinstance(outcome, CaseDone):
        return CaseRow(case, CaseState.SKIPPED, _("skipped"))
    if case in progress.loading:
        return CaseRow(case, CaseState.LOADING, _("loading"))
    if case in progress.problems:
        text = _("done, not loaded: {reason}").format(reason=progress.problems[case])
        return CaseRow(case, CaseState.DONE, text, "load")
    return CaseRow(case, CaseState.DONE, _("done in {time}").format(time=duration(outcome.seconds)), "load")


def _row_without_outcome(case: str, is_next: bool, progress: CaseProgress) -> CaseRow:
    if progress.status.is_over:
        return CaseRow(case, CaseState.LEFT, _("not segmented"))
    if case in progress.skipping:
        return CaseRow(case, CaseState.SKIPPING, _("is being skipped"))
    if is_next and progress.status is JobStatus.RUNNING:
        text = _("running, {percent:.0f} %").format(percent=100 * progress.part) if progress.part else _("running")
        return CaseRow(case, CaseState.RUNNING, text, "skip")
    return CaseRow(case, CaseState.WAITING, _("waiting"), "skip")
