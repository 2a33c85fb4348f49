"""The jobs of a folder at a glance, cheap to read again, and the names that new ones get."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from coranet.contract import Job, JobKind, JobStatus, read_last_event, read_last_events
from coranet.contract.case_names import case_name
from coranet.contract.errors import CoraNetError
from coranet.contract.events import Event, Failed, Finished, Progress
from coranet.contract.known_time import known_time

from ..core.parameters import Parameters
from ..core.translation import _
from .handle import BEFORE_STEPS, time_budget
from .runner import JobProcess

_LONGEST = 80
_FORBIDDEN = '<>:"/\\|?*'


@dataclass(frozen=True)
class JobSummary:
    """A job of a list; kind and status are None where it cannot be read, and `problem` is the reason.

    Attributes:
        changed: when something happened last, seconds since 1970.
        share_done: of what it does or did when it was stopped, 0 to 1; None while unknown.
        seconds_left: until the end of everything, estimated at `changed`; None while unknown.
        time_budget: how long a training that is not over may take in all; "": as long as its steps take.
        is_stopping: whether it was asked to stop and still runs.
        message: the last word of a job that finished or failed.
    """

    folder: Path
    kind: Optional[JobKind] = None
    status: Optional[JobStatus] = None
    changed: float = 0.0
    share_done: Optional[float] = None
    seconds_left: Optional[float] = None
    time_budget: str = ""
    is_stopping: bool = False
    message: str = ""
    problem: str = ""


_Stamp = tuple[float, ...]
_UNFINISHED = (JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.CRASHED)


class JobListing:
    """Summaries of all jobs of a folder; what is over and unchanged is not read again."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Stamp, JobSummary]] = {}

    def look(self, root: Path) -> list[JobSummary]:
        """Summaries of the jobs in `root`, running ones first, then the latest; none if there is no such folder."""
        try:
            folders = [Path(entry.path) for entry in os.scandir(root) if entry.is_dir() and Job.exists(entry.path)]
        except OSError:
            folders = []
        self._known = {folder: self._entry(folder) for folder in folders}
        summaries = (summary for _, summary in self._known.values())
        return sorted(summaries, key=lambda job: (job.status is not JobStatus.RUNNING, -job.changed, job.folder.name))

    def _entry(self, folder: Path) -> tuple[_Stamp, JobSummary]:
        stamp = _stamp(folder)
        known = self._known.get(folder)
        if known is not None and known[0] == stamp and known[1].status is not JobStatus.RUNNING:
            return known
        return stamp, self._summary(folder, stamp)

    def _summary(self, folder: Path, stamp: _Stamp) -> JobSummary:
        try:
            job = Job.open(folder)
            status = JobProcess(job).status()
            last = read_last_event(job.events_path)
            events = read_last_events(job.events_path) if status in _UNFINISHED else []
        except (CoraNetError, OSError) as error:
            return JobSummary(folder, changed=max(stamp[:2]), problem=str(error))
        changed = known_time(last.time) if last else 0.0
        summary = JobSummary(folder, job.kind, status, changed or max(stamp[:2]))
        if status in _UNFINISHED:
            is_stopping = status is JobStatus.RUNNING and job.cancel_requested()
            return _with_progress(replace(summary, is_stopping=is_stopping, time_budget=time_budget(job)), events)
        return replace(summary, message=last.message if isinstance(last, (Finished, Failed)) else "")


def _with_progress(summary: JobSummary, events: list[Event]) -> JobSummary:
    latest = next((event for event in reversed(events) if isinstance(event, Progress)), None)
    if latest is None:
        return summary
    seconds = None if latest.phase in BEFORE_STEPS else latest.seconds_left
    return replace(summary, share_done=latest.share, seconds_left=seconds)


def _stamp(folder: Path) -> _Stamp:
    # A file that is made or replaced changes its folder; the events are appended to.
    (of_folder, _), of_events = (_time_and_size(path) for path in (folder, Job(folder, JobKind.TRAIN).events_path))
    return (of_folder, *of_events)


def _time_and_size(path: Path) -> tuple[float, float]:
    try:
        status = path.stat()
    except OSError:
        return 0.0, 0.0
    return status.st_mtime, float(status.st_size)


class RememberedJob:
    """A job that the scene remembers, such as its "Training"."""

    def __init__(self, parameters: Parameters, name: str) -> None:
        self._parameters = parameters
        self._folder, self._identifier = f"{name}Folder", f"{name}Job"

    @property
    def folder(self) -> str:
        """Where it was; "" if there is none."""
        return self._parameters.text(self._folder)

    def write(self, job: Optional[Job]) -> None:
        """Remember another job; None: none."""
        self._parameters.set_text(self._folder, str(job.folder) if job is not None else "")
        self._parameters.set_text(self._identifier, job.identifier if job is not None else "")

    def find(self, jobs_folder: Path) -> Optional[Path]:
        """Where it lies now, see `find_again`."""
        return find_again(self.folder, self._parameters.text(self._identifier), jobs_folder)


def find_again(folder: str, identifier: str, jobs_folder: Path) -> Optional[Path]:
    """Where a job lies that a scene remembers: in the folder in which it was, else among the jobs of another folder.

    None if it is gone, or another job lies in its folder. A job there that cannot be read is taken for it.
    """
    remembered = Path(folder)
    if folder and Job.exists(remembered) and _identifier(remembered) in ("", identifier):
        return remembered
    others = Job.folders_in(jobs_folder) if identifier else []
    return next((other for other in others if _identifier(other) == identifier), None)


def _identifier(folder: Path) -> str:
    """Of a job; "" if it cannot be read."""
    try:
        return Job.open(folder).identifier
    except CoraNetError:
        return ""


def training_name(segments: Sequence[str]) -> str:
    """The name of a training, after what it learns: "Left atrium", "Liver and Tumor", "Liver and 3 more"."""
    if not segments:
        return _("Training")
    if len(segments) == 1:
        return segments[0]
    if len(segments) == 2:
        return _("{first} and {second}").format(first=segments[0], second=segments[1])
    return _("{first} and {count} more").format(first=segments[0], count=len(segments) - 1)


def segmentation_name(volumes: Sequence[str]) -> str:
    """The name of a segmentation, after what it segments: "Segmentation of Patient 7", "Segmentation of 3 volumes"."""
    if len(volumes) == 1:
        return _("Segmentation of {volume}").format(volume=volumes[0])
    return _("Segmentation of {count} volumes").format(count=len(volumes))


def free_name(folder: Path, name: str) -> str:
    """A name that no job of a folder has: the given one without forbidden characters, or with a number behind it."""
    base = _usable(name)
    candidate, number = base, 2
    while (folder / candidate).exists():
        candidate, number = f"{base} {number}", number + 1
    return candidate


def improved_name(folder: Path, before: str) -> str:
    """A name that no job has for a training that goes on: "Left atrium, improved 1" after "Left atrium"."""
    match = re.fullmatch(r"(.*), improved (\d+)", before)
    base, number = (match[1], int(match[2]) + 1) if match else (_usable(before), 1)
    while (folder / f"{base}, improved {number}").exists():
        number += 1
    return f"{base}, improved {number}"


def name_error(folder: Path, name: str) -> str:
    """What is wrong with the name of a new training in the folder of all jobs, in a sentence; "" if nothing."""
    forbidden = sorted({letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()})
    if not name.strip():
        return _("Give the training a name.")
    if forbidden:
        return _("A name cannot have {letters}; leave them out.").format(letters=" ".join(map(_shown, forbidden)))
    if name != name.strip() or name.endswith("."):
        return _("A name cannot begin or end with a space, or end with a dot.")
    if len(name) > _LONGEST:
        return _("A name has at most {most} characters, this one has {count}.").format(most=_LONGEST, count=len(name))
    if _is_reserved(name):
        return _("Windows reserves the name '{name}'; choose another one.").format(name=name)
    if (folder / name).exists():
        return _("There is a job '{name}' already; choose another name.").format(name=name)
    return ""


def _usable(text: str) -> str:
    """A name as near to the wanted one as every system takes."""
    allowed = "".join(letter for letter in text if letter.isprintable() and letter not in _FORBIDDEN)
    name = allowed[: _LONGEST - len(" 999")].strip(" .") or _("Training")
    return f"{name} job" if _is_reserved(name) else name


def _is_reserved(name: str) -> bool:
    stem = name.split(".")[0].strip()
    return case_name(stem) == f"case_{stem}"


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else repr(letter)
