"""The one process that works on a job: claims it, keeps its heart beating, tells events, catches every error once."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from .errors import CoraNetError, JobCancelled, StorageError, storage_error
from .evaluation import describe as describe_metrics
from .evaluation import evaluate_job
from .events import (
    Cancelled,
    CaseDone,
    CheckpointSaved,
    Event,
    EventWriter,
    Failed,
    Finished,
    Losses,
    Progress,
    Started,
)
from .job import Job, JobKind, ProcessIdentity, Role
from .job.directory import HEARTBEAT_INTERVAL_S
from .job.files import remove_partial_files
from .narration import describe
from .reporting import Reporter
from .segmentation import run_segmentation_job
from .training.distributed import Team
from .training.job import run_training_job

UNEXPECTED = 70

_log = logging.getLogger("coranet")

Listener = Callable[[Event], object]


def work_on(job: Job, resume: bool, listener: Listener = lambda event: None) -> int:
    """Do a job in this process.

    In a team of processes the leader claims the job and speaks for all; the others help it.

    Args:
        job: its directory.
        resume: go on where it was left.
        listener: is told every event as well.

    Returns:
        Exit code: 0 if the job is finished.

    Raises:
        JobError: another process works on the job.
    """
    team = Team.of_environment()
    if not team.is_leader:
        return _help(job, resume, team)
    me = job.claim()
    remove_partial_files(job.folder)
    with _log_to(job), _heartbeat(job, me), _events_of(job) as writer:
        telling = _Telling(writer, listener, _last_safe_step(job) if resume else 0)
        with _stop_on_signal() as signalled:
            reporter = Reporter(telling, lambda: signalled.is_set() or job.cancel_requested())
            return _work(job, resume, (reporter, team), telling)


def _help(job: Job, resume: bool, team: Team) -> int:
    with _stop_on_signal() as signalled:
        try:
            _do(job, resume, Reporter(lambda event: None, signalled.is_set), team)
        except JobCancelled as cancelled:
            return cancelled.exit_code
    return 0


class _Telling:
    """Takes an event to the file, the log and the listener, and remembers the last step that is safe on disk."""

    def __init__(self, writer: EventWriter, listener: Listener, last_step: int) -> None:
        self._writer = writer
        self._listener = listener
        self.last_step = last_step

    def __call__(self, event: Event) -> None:
        if isinstance(event, (Started, CheckpointSaved)):
            self.last_step = event.step
        elif isinstance(event, CaseDone):
            self.last_step = event.number
        self._writer.write(event)
        self.people(event)

    def people(self, event: Event) -> None:
        """Tell people alone: the log and the listener."""
        if not isinstance(event, (Progress, Losses)):
            _log.info("%s", describe(event))
        self._listener(event)


def _last_safe_step(job: Job) -> int:
    return max((event.step for event in job.read_events() if isinstance(event, CheckpointSaved)), default=0)


def _work(job: Job, resume: bool, with_whom: tuple[Reporter, Team], tell: _Telling) -> int:
    """The outer catch: every error becomes a final event, a line in the log and an exit code."""
    started = time.monotonic()
    try:
        message = _do(job, resume, *with_whom)
        tell(Finished(message, round(time.monotonic() - started, 1)))
        return 0
    except JobCancelled as cancelled:
        job.withdraw_cancel()
        tell(Cancelled(tell.last_step))
        return cancelled.exit_code
    except CoraNetError as error:
        return _fail(tell, error, error.exit_code)
    except OSError as error:
        return _fail(tell, storage_error(error.filename or job.folder, error), StorageError.exit_code)
    except MemoryError as error:
        message = "the memory of this machine does not suffice; lower data.patch_voxels or close other programs."
        return _fail(tell, CoraNetError(f"{message} {error}".strip()), CoraNetError.exit_code)
    except Exception as error:  # the one place that may catch everything
        message = (
            f"an unexpected error ended the job ({type(error).__name__}: {error}); details are in '{job.log_path}'."
        )
        return _fail(tell, CoraNetError(message), UNEXPECTED)


def _fail(tell: _Telling, error: CoraNetError, exit_code: int) -> int:
    _log.debug("details of the error below", exc_info=True)
    try:
        tell(Failed(str(error)))
    except StorageError:
        # The disk is full: the event is lost, the exit code and the terminal still say it.
        tell.people(Failed(str(error)))
    return exit_code


def _do(job: Job, resume: bool, reporter: Reporter, team: Team) -> str:
    if job.kind is JobKind.TRAIN:
        return run_training_job(job, resume, reporter, team)
    message = run_segmentation_job(job, resume, reporter)
    if team.is_leader and job.read_datalist().with_role(Role.TEST):
        return describe_metrics(evaluate_job(job))
    return message


class _LogFile(logging.FileHandler):
    """A log that finds no room does not write about it on the terminal: the work itself tells of a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def _log_to(job: Job) -> Iterator[None]:
    try:
        handler = _LogFile(job.log_path, encoding="utf-8")
    except OSError as error:
        raise storage_error(job.log_path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        _log.removeHandler(handler)
        handler.close()


@contextmanager
def _events_of(job: Job) -> Iterator[EventWriter]:
    writer = job.open_events()
    try:
        yield writer
    finally:
        try:
            writer.close()
        except StorageError as error:
            _log.warning("%s", error)


@contextmanager
def _heartbeat(job: Job, me: ProcessIdentity) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_INTERVAL_S):
            try:
                job.beat(me)
            except StorageError as error:
                # A missed beat does no harm on this machine; a full disk will be told by the work itself.
                _log.debug("heartbeat: %s", error)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Ctrl-C and a polite kill ask for a stop at the next safe point; a second Ctrl-C interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before: dict[Any, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
