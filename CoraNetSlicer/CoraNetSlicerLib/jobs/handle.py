"""A job that a caller follows: its progress and messages; it can be awaited, stopped and resumed.

No threads: in Slicer a Python thread hardly ever runs. `poll` does the work, called by a ticker or by `wait`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional, Protocol

from coranet.contract import Job, JobKind, JobStatus
from coranet.contract.config import TrainConfig
from coranet.contract.errors import CoraNetError, JobError
from coranet.contract.events import (
    Event,
    EventReader,
    Failed,
    Finished,
    Progress,
    Started,
    duration,
    without_superseded,
)  # fmt: skip

from ..core.translation import _
from ..environment.interpreter import read_end
from .runner import GRACE_S, JobProcess, JobRunner

_LOG = logging.getLogger(__name__)
_POLL_INTERVAL_S = 0.2
# So many polls in a row may fail before an error is raised.
_TOLERATED = 25
# Phases of a training before its steps; what they count and the time that is left of them say nothing of the whole.
BEFORE_STEPS = ("checking", "preparing", "finding")


class Ticker(Protocol):
    """Calls a function again and again, on the caller's own thread."""

    def start(self, callback: Callable[[], None]) -> None:
        """Begin to call `callback`."""

    def stop(self) -> None:
        """Do not call it any more; stopping twice is no error."""


class JobHandle:
    """One job. Properties and methods are in Slicer's camelCase: this is what the Python console sees.

    Attributes:
        job: the job directory with the names of its files.
        trouble: why the job cannot be watched at present, in a sentence; "" if it can. It is tried on and on.
    """

    def __init__(
        self,
        job: Job,
        runner: JobRunner,
        process: Optional[JobProcess] = None,
        ticker: Optional[Ticker] = None,
        processEvents: Optional[Callable[[], None]] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Watch a job.

        Args:
            job: the job.
            runner: resumes it.
            process: its process; None: it is found from the job's files.
            ticker: a timer that polls while the job runs; None: only `wait` and `poll` do.
            processEvents: called by `wait` between two polls, so that the application stays responsive.
            clock: seconds since 1970.
        """
        self.job = job
        self._runner = runner
        self._process = process or JobProcess(job)
        self._ticker = ticker
        self._process_events = processEvents
        self._clock = clock
        self._reader = EventReader(job.events_path)
        self._events: list[Event] = []
        self._stop_requested = False
        self._on_events: list[Callable[[list[Event]], None]] = []
        self._on_finished: list[Callable[[JobHandle], None]] = []
        self._ended: Optional[JobStatus] = None
        self._time_budget: Optional[str] = None
        self.trouble = self._reported_trouble = ""
        self._failures = self._missed = 0
        self._last_status = JobStatus.CREATED
        # The time of the last news, by the clock that never jumps and by the one that events are stamped with.
        self._news_at = time.monotonic(), clock()
        self._read()
        self._watch()

    def __repr__(self) -> str:
        return f"<JobHandle {self.kind.value} '{self.folder}' {self.status.value} {self.progress:.0%}>"

    @property
    def folder(self) -> Path:
        """The job's folder, which `attach` takes, also on another day."""
        return self.job.folder

    @property
    def kind(self) -> JobKind:
        """Training or segmentation."""
        return self.job.kind

    @property
    def status(self) -> JobStatus:
        """The current status; the last known one while its files cannot be read."""
        if self._ended:
            return self._ended
        try:
            self._last_status = self._process.status()
        except (CoraNetError, OSError) as error:
            self._note_trouble(error)
        return self._last_status

    @property
    def isStopping(self) -> bool:
        """Whether it was asked to stop and is still running."""
        # The engine forgets the request before its process has ended.
        self._stop_requested = self._stop_requested or self.job.cancel_requested()
        return self._stop_requested and self.status is JobStatus.RUNNING

    @property
    def events(self) -> list[Event]:
        """The events of the job up to the last poll, without those that a resumed job repeats."""
        return without_superseded(self._events)

    @property
    def phase(self) -> str:
        """The current phase, in a word; "" before the first progress."""
        return next((event.phase for event in reversed(self.events) if isinstance(event, Progress)), "")

    @property
    def progress(self) -> float:
        """The share of the counted steps that is done, 0 to 1; what was done before a resume counts as done."""
        if self.status is JobStatus.FINISHED:
            return 1.0
        latest = self._latest_progress()
        if latest is not None:
            return latest.share or 0.0
        started = next((event for event in reversed(self.events) if isinstance(event, Started)), None)
        return started.step / started.total_steps if started is not None and started.total_steps else 0.0

    @property
    def partProgress(self) -> float:
        """The share of the current case that is segmented, 0 to 1."""
        latest = self._latest_progress()
        return latest.part if latest is not None and self.status is JobStatus.RUNNING else 0.0

    @property
    def secondsLeft(self) -> Optional[float]:
        """Estimated seconds left; None while that is unknown, and when nothing runs."""
        latest = self._latest_progress()
        if latest is None or latest.seconds_left is None or self.status is not JobStatus.RUNNING:
            return None
        news_at, news_clock = self._news_at
        age = max(0.0, news_clock - latest.time) + time.monotonic() - news_at
        return max(0.0, latest.seconds_left - age)

    @property
    def timeAsked(self) -> str:
        """The time that was set for the whole training, such as "1 h"; "": its steps were set."""
        if self._time_budget is None:
            self._time_budget = time_budget(self.job)
        return self._time_budget

    @property
    def message(self) -> str:
        """How it ended, in a sentence: the outcome, or what went wrong and where to look; "" while it runs."""
        status = self.status
        if status in (JobStatus.FINISHED, JobStatus.FAILED):
            endings = [event for event in self._events if isinstance(event, (Finished, Failed))]
            return endings[-1].message if endings else ""
        if status is JobStatus.CRASHED and self._missed >= _TOLERATED:
            return f"the folder '{self.folder}' of the job is gone; put it back, or start a new job."
        if status is JobStatus.CRASHED:
            last = [line for line in self.logTail().splitlines() if line.strip()][-1:]
            return f"{self.crash}; its log ends with: {last[0] if last else '(nothing)'}"
        return "it was stopped; it can be resumed." if status is JobStatus.CANCELLED else ""

    @property
    def crash(self) -> str:
        """How a process ended that left no reason, without a full stop."""
        if self._process.was_killed:
            return "the process was killed, probably because memory ran out"
        return "the process ended unexpectedly"

    def onEvents(self, callback: Callable[[list[Event]], None]) -> None:
        """Call `callback(newEvents)` when there are new events, and at once with those that exist.

        The list is empty if `trouble` has appeared or gone.
        """
        self._on_events.append(callback)
        if self._events:
            _call(callback, list(self._events))

    def onFinished(self, callback: Callable[[JobHandle], None]) -> None:
        """Call `callback(handle)` once when the job ends, however it ends; at once if it has ended."""
        self._on_finished.append(callback)
        if self._ended:
            _call(callback, self)

    def poll(self) -> JobStatus:
        """Read new events, call callbacks, and kill a process that did not stop in time. Never waits.

        Files that cannot be read now, because they are being replaced or a network folder is unavailable, are read at
        the next poll; until then, `trouble` has the reason.

        Raises:
            JobError: it could not be read at many polls in a row.
        """
        if self._ended:
            return self._ended
        try:
            status, new = self._look()
        except (CoraNetError, OSError) as error:
            self._note_trouble(error)
            self._report([])
            if self._failures > _TOLERATED:
                raise JobError(self.trouble) from error
            return self._last_status
        self.trouble, self._failures = "", 0
        self._report(new)
        if status.is_over:
            self._end(status)
        return status

    def _look(self) -> tuple[JobStatus, list[Event]]:
        # A process that writes on makes a folder again that was deleted, but not the file that describes the job.
        is_there = Job.exists(self.folder)
        self._missed = self._missed + 1 if not is_there and self.folder.parent.is_dir() else 0
        if self._missed >= _TOLERATED:
            self._process.end()
            return JobStatus.CRASHED, []
        if not is_there:
            raise JobError(
                f"the folder '{self.folder}' of the job cannot be reached; connect its drive, or put it back."
            )
        self._last_status = self._process.poll()
        return self._last_status, self._read()  # after the status: a process that is over writes no more events

    def _report(self, new: list[Event]) -> None:
        if not new and self._reported_trouble == self.trouble:
            return
        self._reported_trouble = self.trouble
        for callback in list(self._on_events):
            _call(callback, new)

    def _note_trouble(self, error: Exception) -> None:
        text = str(error) if isinstance(error, CoraNetError) else f"a file of '{self.folder}' cannot be read ({error})."
        if text != self.trouble:
            _LOG.warning("the job in '%s' cannot be watched at the moment: %s", self.folder, text)
        self.trouble = text
        self._failures += 1

    def wait(self, timeout: Optional[float] = None) -> JobStatus:
        """Block until the job has ended or `timeout` seconds have passed.

        Returns:
            The status; `JobStatus.RUNNING` if time ran out.

        Raises:
            JobError: the job was never started.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.poll()
            if status is JobStatus.CREATED:
                raise JobError(f"'{self.folder}' has not been started; start it with resume().")
            if status.is_over or (until is not None and time.monotonic() >= until):
                return status
            if self._process_events is not None:
                self._process_events()
            time.sleep(_POLL_INTERVAL_S)

    def cancel(self, graceSeconds: float = GRACE_S) -> None:
        """Ask the job to stop at its next safe point; returns at once.

        If it does not stop within `graceSeconds`, the next `poll` (by the timer or by `wait`) kills it.
        """
        self._process.request_stop(graceSeconds)

    def resume(self) -> None:
        """Continue the job from its last checkpoint, or start it if it never ran.

        Raises:
            JobError: it is running or finished.
        """
        status = self.status
        if status in (JobStatus.FINISHED, JobStatus.RUNNING):
            raise JobError(f"'{self.folder}' is {status.value}; only a job that stopped early can be resumed.")
        self._process = self._runner.start(self.job, resume=status is not JobStatus.CREATED)
        self._ended, self._stop_requested = None, False
        self._watch()

    def logTail(self, lines: int = 20) -> str:
        """The last lines of the log; "" if there is none."""
        return log_tail(self.job.log_path, lines)

    def close(self) -> None:
        """Stop watching; the job continues."""
        if self._ticker is not None:
            self._ticker.stop()

    def _read(self) -> list[Event]:
        new = self._reader.read_new()
        if new:
            self._news_at = time.monotonic(), self._clock()
        if any(isinstance(event, Started) for event in new):
            # A new start of the job takes the request back.
            self._stop_requested = False
        self._events += new
        return new

    def _watch(self) -> None:
        self._last_status = status = self._process.status()
        if status.is_over:
            self._ended = status
        elif status is JobStatus.RUNNING and self._ticker is not None:
            self._ticker.start(self._tick)

    def _tick(self) -> None:
        # The next tick looks again; what is the matter was noted.
        with suppress(JobError):
            self.poll()

    def _end(self, status: JobStatus) -> None:
        self._ended = status
        self.close()
        for callback in list(self._on_finished):
            _call(callback, self)

    def _latest_progress(self) -> Optional[Progress]:
        # Phases before the counted steps (preparing the data) and after them (learning where the model errs) count by
        # themselves; they say nothing of the whole.
        total = None
        latest = None
        for event in self.events:
            if isinstance(event, Started):
                total, latest = event.total_steps, None
            elif isinstance(event, Progress) and event.total_steps == total and event.phase not in BEFORE_STEPS:
                latest = event
        return latest


def time_budget(job: Job) -> str:
    """How long a training may take, as its settings say; "": as long as its steps take, or it is no training."""
    try:
        config = job.read_config()
    except CoraNetError:
        return ""
    return config.time if isinstance(config, TrainConfig) else ""


def time_left(seconds: float, in_all: str = "") -> str:
    """How long it will take until the end of everything: "12 min left of 1 h"."""
    text = _("{time} left").format(time=duration(seconds))
    return _("{text} of {time}").format(text=text, time=in_all) if in_all else text


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; "" if there is none."""
    return "\n".join(read_end(path).splitlines()[-lines:])


def _call(callback: Callable[[Any], None], argument: Any) -> None:
    try:
        callback(argument)
    except Exception:  # noqa: BLE001 - one caller's mistake must not silence the others
        _LOG.exception("a callback of a job failed")
