"""Starts the process of a job so that it outlives the application, watches it through its files, and stops it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Optional, Union

from coranet.contract import Job, JobStatus, is_alive, terminate_tree
from coranet.contract.errors import CoraNetError, JobError, storage_error
from coranet.contract.process import ENGINE, DetachedProcess, start_in_own_group

from ..core.export import SegmentExport, TrainingExport
from ..environment.interpreter import Interpreter, not_started

GRACE_S = 30.0
# From launch to the first sign of life: importing PyTorch from a slow disk takes this long at worst.
STARTING_S = 180.0
# What a process returns that was ended by SIGKILL, itself and through a launcher.
_KILLED = (-9, 137)


class JobProcess:
    """The process that works on one job: started here, or another one that is known by the job's files.

    `claimed_before` is who had claimed the job before the child was started.
    """

    def __init__(self, job: Job, child: Any = None, claimed_before: Any = None) -> None:
        self.job = job
        self._child = child
        self._claimed_before = claimed_before
        self._kill_at: Optional[float] = None  # by the clock that never jumps

    def status(self) -> JobStatus:
        """The status; unlike `Job.status`, it knows of a process that has not claimed the job (yet, or ever)."""
        status = self._status_of_process()
        # It was stopped on request, but so hard that it could not say so.
        if status is JobStatus.CRASHED and self.job.cancel_requested():
            return JobStatus.CANCELLED
        return status

    @property
    def was_killed(self) -> bool:
        """Whether the process was started here and ended by force, as a system does whose memory is used up."""
        return self._child is not None and self._child.poll() in _KILLED

    def request_stop(self, grace_s: float = GRACE_S) -> None:
        """Ask the process to stop; `poll` ends it when it has not done so after `grace_s` seconds."""
        if self.status() is JobStatus.RUNNING:
            self.job.request_cancel()
            self._kill_at = time.monotonic() + grace_s

    def poll(self) -> JobStatus:
        """Do what is due: end a process whose grace time is over. Returns the status; never waits."""
        status = self.status()
        if self._kill_at is not None and (status.is_over or time.monotonic() >= self._kill_at):
            self._kill_at = None
            if not status.is_over:
                self._kill()
        return status

    def end(self) -> None:
        """End the process at once, if there is one: what it works for is gone."""
        with suppress(CoraNetError, OSError):
            self._kill()

    def _status_of_process(self) -> JobStatus:
        if self._child is not None:
            if self._child.poll() is None:
                return JobStatus.RUNNING
            if self.job.worker() == self._claimed_before:
                return JobStatus.CRASHED  # it ended before it could claim the job
            return self.job.status()
        status = self.job.status()
        if status is JobStatus.CREATED and self.job.log_path.exists():
            # The log exists once the process is started; the process has not claimed the job yet, or never will.
            return JobStatus.RUNNING if self._is_starting() else JobStatus.CRASHED
        return status

    def _is_starting(self) -> bool:
        try:
            age = time.time() - self.job.log_path.stat().st_mtime
        except OSError:
            return False
        # A log that is from the future by more than that is not a new one either: a clock was set.
        return abs(age) < STARTING_S

    def _kill(self) -> None:
        # PythonSlicer and the python.exe of a virtual environment are launchers: the worker is another process.
        worker = self.job.worker()
        if worker is not None and worker.is_local and is_alive(worker):
            terminate_tree(worker.pid)
        if self._child is not None and self._child.poll() is None:
            terminate_tree(self._child.pid)


class JobRunner:
    """Starts jobs with one interpreter.

    The engine's entry file is called by its path, because a launcher may replace PYTHONPATH; `launch` starts a process,
    like subprocess.Popen.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        engine: Path = ENGINE,
        launch: Callable[..., Any] = DetachedProcess,
        platform: str = sys.platform,
    ) -> None:
        self.interpreter = interpreter
        self._engine = engine
        self._launch = launch
        self._platform = platform

    def start(self, job: Job, resume: bool = False, dry_run: bool = False) -> JobProcess:
        """Start the process of a job and return at once; a dry run only plans a training, and times its parts.

        Raises:
            JobError: the job is being worked on already, or the interpreter cannot be started.
            StorageError: the log cannot be written.
        """
        if job.status() is JobStatus.RUNNING:
            raise JobError(f"'{job.folder}' is already running; stop it first, or wait for it.")
        claimed_before = job.worker()
        job.withdraw_cancel()
        options = [*["--resume"] * resume, *["--dry-run"] * dry_run]
        command = [self.interpreter.executable, str(self._engine), "run", str(job.folder), *options]
        with _opened_log(job) as log:
            # Before the process is there: what it says comes after that, also if it dies at once.
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} $ {subprocess.list2cmdline(command)}\n")
            log.flush()
            try:
                child = start_in_own_group(
                    command, self._launch, outlives=True, platform=self._platform,
                    stdout=log, stderr=subprocess.STDOUT, env=dict(self.interpreter.environment), cwd=str(job.folder),
                )  # fmt: skip
            except OSError as error:
                raise not_started(self.interpreter, error) from error
        return JobProcess(job, child, claimed_before)

    def write_and_start(
        self, files: Union[TrainingExport, SegmentExport], dry_run: bool = False
    ) -> Generator[Optional[str], None, JobProcess]:
        """Write the files of a job and start it, in steps between which the application can answer.

        Yields what is being written.
        """
        job = yield from files.steps()
        return self.start(job, dry_run=dry_run)


@contextmanager
def _opened_log(job: Job) -> Iterator[IO[str]]:
    """The log of a job, to be appended to; one that was not there goes again where nothing could be started."""
    begun_before = job.log_path.exists()
    try:
        log = open(job.log_path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - two kinds of failure have two messages
    except OSError as error:
        raise storage_error(job.log_path, error) from error
    try:
        with log:
            yield log
    except JobError:
        if not begun_before:
            job.log_path.unlink()  # its presence would say that a process was started
        raise
