"""The section Jobs without its widgets: all jobs of a folder, and what can be done with the chosen one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from coranet.contract import Job, JobKind, JobStatus, job_size
from coranet.contract.errors import CoraNetError, StorageError

from ..core.notification import Signal
from ..core.protocols import Host
from ..core.stepwise import Deferred
from ..core.translation import _, sentence
from ..logic import CoraNetLogic
from .handle import log_tail, time_left
from .listing import JobSummary

FOLDER_SETTING = "JobsFolder"
_LOOK_AGAIN_MS = 2000
_LOG_LINES = 30


@dataclass(frozen=True)
class JobRow:
    """A line of the list; the date is a time if that was today."""

    folder: Path
    name: str
    kind: str
    state: str
    date: str


class JobsPresenter:
    """Lists the jobs of a folder and looks again while one of them runs and the page is open.

    It begins with the folder that was used last; the logic's `jobsFolder` follows it. `chosen` is the folder of the
    chosen job; None: none is.
    """

    def __init__(self, logic: CoraNetLogic, application: Host, clock: Callable[[], float] = time.time) -> None:
        self.changed = Signal()
        self.opened = Signal()  # with the JobHandle of a job to be shown
        self.folder_changed = Signal()  # also when a job of the folder was deleted
        self.rows: tuple[JobRow, ...] = ()
        self.note = ""
        self._logic = logic
        self._application = application
        self._clock = clock
        self._summaries: dict[Path, JobSummary] = {}
        self.chosen: Optional[Path] = None
        self._is_watched = False
        self._look = Deferred(application, self._look_again)
        remembered = application.setting(FOLDER_SETTING)
        if remembered and not _reason_not_usable(Path(remembered)):
            logic.jobsFolder = Path(remembered)
        self.refresh()

    @property
    def folder(self) -> Path:
        """Where new jobs are put, and whose jobs are listed."""
        return self._logic.jobsFolder

    def set_folder(self, path: str) -> None:
        """List the jobs of another folder, and put new ones there; it is made with the first job.

        Raises:
            StorageError: it can neither be used nor made.
        """
        folder = Path(path.strip()).expanduser()
        reason = _reason_not_usable(folder) if path.strip() else _("Choose a folder for the jobs.")
        if reason:
            raise StorageError(reason)
        if folder == self.folder:
            return
        self._logic.jobsFolder = folder
        self._application.set_setting(FOLDER_SETTING, str(folder))
        self.chosen = None
        self.refresh()
        self.folder_changed.send()

    def refresh(self) -> None:
        """Look at the folder again."""
        summaries = self._logic.jobSummaries()
        self._summaries = {summary.folder: summary for summary in summaries}
        if self.chosen not in self._summaries:
            self.chosen = None
        self.rows = tuple(row_of(summary, self._clock()) for summary in summaries)
        self.changed.send()
        self._look_again_later()

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody sees the list; only then is it kept up to date."""
        begins = watched and not self._is_watched
        self._is_watched = watched
        if begins:
            self.refresh()

    def close(self) -> None:
        """Do not look again."""
        self._is_watched = False

    def choose(self, folder: Optional[Path]) -> None:
        """Choose a job of the list, or none."""
        chosen = folder if folder in self._summaries else None
        if chosen != self.chosen:
            self.chosen, self.note = chosen, ""
            self.changed.send()

    @property
    def status(self) -> str:
        """The status of the chosen job, in a sentence."""
        if self.note:
            return self.note
        summary = self._summary
        if summary is not None:
            return status_sentence(summary, self.log)
        return "" if self.rows else _("There is no job in this folder yet.")

    @property
    def log(self) -> str:
        """The last lines of the chosen job's log."""
        summary = self._summary
        if summary is None or summary.kind is None:
            return ""
        return log_tail(Job(summary.folder, summary.kind).log_path, _LOG_LINES)

    @property
    def reason_nothing_chosen(self) -> str:
        """Why the folder of a job cannot be opened."""
        return "" if self._summary is not None else _("Choose a job first.")

    @property
    def reason_not_showable(self) -> str:
        """Why the chosen job cannot be shown."""
        summary = self._summary
        if summary is None:
            return self.reason_nothing_chosen
        return _("This job cannot be read.") if summary.problem else ""

    @property
    def reason_not_resumable(self) -> str:
        """Why the chosen job cannot be resumed."""
        if self.reason_not_showable:
            return self.reason_not_showable
        if self._status is JobStatus.RUNNING:
            return _("This job is running.")
        return _("This job is finished.") if self._status is JobStatus.FINISHED else ""

    @property
    def reason_not_stoppable(self) -> str:
        """Why the chosen job cannot be stopped."""
        if self.reason_not_showable:
            return self.reason_not_showable
        if self._status is not JobStatus.RUNNING:
            return _("This job is not running.")
        return _("It is stopping already.") if self._summary and self._summary.is_stopping else ""

    @property
    def reason_not_deletable(self) -> str:
        """Why the chosen job cannot be deleted."""
        if self.reason_nothing_chosen:
            return self.reason_nothing_chosen
        if self.reason_not_showable:
            return _("This job cannot be read; open its folder and delete it there.")
        return _("This job is running; stop it first.") if self._status is JobStatus.RUNNING else ""

    def show(self) -> None:
        """Have the chosen job shown where it belongs; raises JobError where it cannot be read."""
        self.opened.send(self._logic.attach(self._chosen_folder()))

    def resume(self) -> None:
        """Go on with the chosen job, and show it; raises CoraNetError where it cannot be resumed."""
        handle = self._logic.attach(self._chosen_folder())
        handle.resume()
        self.opened.send(handle)
        self.refresh()
        self._look_again_later(expected=True)

    def stop(self) -> None:
        """Ask the chosen job to stop at its next safe point; raises CoraNetError where that cannot be written."""
        self._logic.attach(self._chosen_folder()).cancel()
        self.refresh()

    def open_folder(self) -> None:
        """Show the files of the chosen job."""
        self._application.open_path(self._chosen_folder())

    def delete(self) -> None:
        """Delete the chosen job, if the user confirms; raises CoraNetError where something could not be deleted."""
        folder = self._chosen_folder()
        size = size_in_words(job_size(Job.open(folder)))
        question = _("Delete the job '{name}' with its model and results ({size})? This cannot be undone.")
        if not self._application.confirm(question.format(name=folder.name, size=size)):
            return
        try:
            is_gone = self._logic.deleteJob(folder)
        finally:
            self.refresh()
            self.folder_changed.send()
        if not is_gone:
            self.note = _("The job is deleted; other files in '{folder}' were left there.").format(folder=folder)
            self.changed.send()

    def _chosen_folder(self) -> Path:
        if self.chosen is None:
            raise CoraNetError(self.reason_nothing_chosen)
        return self.chosen

    @property
    def _summary(self) -> Optional[JobSummary]:
        return self._summaries.get(self.chosen) if self.chosen is not None else None

    @property
    def _status(self) -> Optional[JobStatus]:
        return self._summary.status if self._summary is not None else None

    def _look_again_later(self, expected: bool = False) -> None:
        runs = expected or any(summary.status is JobStatus.RUNNING for summary in self._summaries.values())
        if runs and self._is_watched:
            self._look.request(_LOOK_AGAIN_MS)

    def _look_again(self) -> None:
        if not self._is_watched:
            return
        try:
            self.refresh()
        finally:
            # Also where the folder could not be listed this time.
            self._look_again_later()


def _reason_not_usable(folder: Path) -> str:
    """Why jobs cannot be put into a folder that may not be there yet; "" if they can."""
    if not folder.is_absolute():
        return _("'{folder}' is not an absolute path; choose a folder.").format(folder=folder)
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is None:
        return _("'{folder}' is on a drive that is not there; choose another folder.").format(folder=folder)
    if not existing.is_dir():
        return _("'{path}' is a file, not a folder; choose a folder.").format(path=existing)
    if not os.access(existing, os.W_OK):
        return _("You have no permission to write to '{folder}'; choose another folder.").format(folder=existing)
    return ""


def row_of(summary: JobSummary, now: float) -> JobRow:
    """The line of a job; now is in seconds since 1970."""
    kinds = {JobKind.TRAIN: _("Training"), JobKind.SEGMENT: _("Segmentation")}
    kind = kinds[summary.kind] if summary.kind else ""
    return JobRow(summary.folder, summary.folder.name, kind, _state(summary, now), _date(summary, now))


def status_sentence(summary: JobSummary, log: str) -> str:
    """The status of a job in a sentence; of one that crashed with the end of its log."""
    if summary.problem:
        return _("This job cannot be read: {problem}").format(problem=summary.problem)
    if summary.status is JobStatus.CRASHED:
        last = next((line for line in reversed(log.splitlines()) if line.strip()), _("(nothing)"))
        return _("It ended unexpectedly. The last line of its log: {line}").format(line=last)
    stopped = _("It was stopped. Resume continues where it stopped")
    if summary.seconds_left:
        stopped += f", {time_left(summary.seconds_left, summary.time_budget)}"
    texts: dict[Optional[JobStatus], str] = {
        JobStatus.CREATED: _("It was never started. Resume starts it."),
        JobStatus.RUNNING: _("It is running. It continues when Slicer is closed."),
        JobStatus.CANCELLED: f"{stopped}.",
    }
    return sentence(summary.message) or texts.get(summary.status, "")


def size_in_words(size: int) -> str:
    """A number of bytes, such as "1.3 GiB"."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def _state(summary: JobSummary, now: float) -> str:
    if summary.status is JobStatus.RUNNING:
        return _("stopping") if summary.is_stopping else _running_state(summary, now)
    texts: dict[Optional[JobStatus], str] = {
        JobStatus.CREATED: _("not started"),
        JobStatus.FINISHED: _("finished"),
        JobStatus.FAILED: _("failed"),
        JobStatus.CANCELLED: _("stopped"),
        JobStatus.CRASHED: _("crashed"),
    }
    return texts.get(summary.status, _("cannot be read"))


def _running_state(summary: JobSummary, now: float) -> str:
    parts = [_("running") if summary.share_done is None else f"{100 * summary.share_done:.0f} %"]
    if summary.seconds_left is not None:
        parts.append(time_left(max(0.0, summary.seconds_left - max(0.0, now - summary.changed))))
    return ", ".join(parts)


def _date(summary: JobSummary, now: float) -> str:
    then = time.localtime(summary.changed)
    return time.strftime("%H:%M" if then[:3] == time.localtime(now)[:3] else "%Y-%m-%d", then)
