"""The process that works on a job: claims it, keeps its heartbeat, writes events, catches every error once.

In a team of processes the leader does all this; the others help it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from ..contract import Job, JobKind, ProcessIdentity, Role
from ..contract.directory import HEARTBEAT_INTERVAL_S
from ..contract.errors import (
    UNEXPECTED,
    CoraNetError,
    JobCancelled,
    JobTakenError,
    PackageError,
    StorageError,
    file_error,
    missing_package,
    storage_error,
)
from ..contract.events import (
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
    Warned,
)
from ..contract.files import not_recreated, remove_partial_files
from ..event_messages import describe
from ..machine.devices import is_out_of_memory
from ..machine.distributed import Team, is_lost_member
from ..reporting import Reporter
from ..volume import noted_by
from .signals import stop_on_signal
from .team_member import bound_to_launcher, claim, leave_exit_code

# A network folder may vanish for a while; one whose parent is there has been removed.
_BEATS_UNTIL_GONE = 6

_log = logging.getLogger("coranet")

Listener = Callable[[Event], object]
Work = Callable[[Job, bool, Reporter, Team], str]


def work_on(job: Job, resume: bool, listener: Listener = lambda event: None) -> int:
    """Do a job in this process.

    In a team of processes the leader claims the job and writes the events; the others help it.

    Args:
        job: its directory.
        resume: go on where it was left.
        listener: gets every event as well.

    Returns:
        Exit code: 0 if the job is finished.

    Raises:
        JobError: another process works on the job.
    """
    # Before the job is claimed, so that a missing package is reported as by any other command.
    team, work = Team.of_environment(), _work_of(job)
    with bound_to_launcher() if team.count > 1 else nullcontext():
        if not team.is_leader:
            return _help(job, resume, team, work)
        with _leading(job, resume, listener, team) as (reporter, outcome):
            _warn_of_settings(job, resume, reporter)
            outcome.message = work(job, resume, reporter, team)
            output = job.model_folder if job.kind is JobKind.TRAIN else job.prediction_folder("")
            if job.kind is JobKind.SEGMENT and job.read_datalist().with_role(Role.TEST):
                from ..evaluation import describe as describe_metrics
                from ..evaluation import evaluate_job

                outcome.message, output = describe_metrics(evaluate_job(job, reporter)), job.folder
            outcome.output = str(output.resolve())
        return outcome.exit_code


def plan(job: Job, listener: Listener = lambda event: None) -> int:
    """Plan a training and time its parts, in this process; as `work_on`, but nothing is trained."""
    from ..training.dry_run import describe_plan, plan_training_job

    with _leading(job, False, listener, Team()) as (reporter, outcome):
        _warn_of_settings(job, False, reporter)
        outcome.message = describe_plan(plan_training_job(job, reporter))
    return outcome.exit_code


@dataclass
class _Outcome:
    """How the work ended.

    Attributes:
        message: what came out.
        output: the folder where it is; "" without one.
        exit_code: 0 if the job is finished.
    """

    message: str = ""
    output: str = ""
    exit_code: int = 0


@contextmanager
def _leading(job: Job, resume: bool, listener: Listener, team: Team) -> Iterator[tuple[Reporter, _Outcome]]:
    """Inside, the job is this process's; an error of the work becomes its final event and its exit code."""
    me = claim(job) or job.claim()
    remove_partial_files(job.folder)
    with _in_folder(job), _heartbeat(job, me) as holding, _events_of(job) as writer:
        sink = _EventSink(writer, listener, _last_safe_step(job) if resume else 0)
        with stop_on_signal() as signalled:

            def should_stop() -> bool:
                holding.require()
                return signalled.is_set() or job.cancel_requested()

            reporter = Reporter(sink, should_stop)
            noted = noted_by(lambda sentence: reporter.emit(Warned("input", sentence)))
            with noted, _caught(job, team, sink) as outcome:
                yield reporter, outcome
            leave_exit_code(outcome.exit_code)


def _help(job: Job, resume: bool, team: Team, work: Work) -> int:
    """Take part in the leader's work; errors here are in the log, and the leader reports that there were any."""
    with _in_folder(job), stop_on_signal() as signalled:
        reporter = Reporter(lambda event: None, lambda: signalled.is_set() or job.cancel_requested())
        try:
            _warn_of_settings(job, resume, reporter)
            work(job, resume, reporter, team)
        except JobCancelled:
            # torchrun ends the leader as soon as one of the others has failed, before it can report that.
            return 0
        except Exception as error:  # the outer catch of this process
            if not is_lost_member(error, team):
                _log.error("process %d of %d: %s", team.rank + 1, team.count, error)
            _log.debug("details of process %d of %d", team.rank + 1, team.count, exc_info=True)
            return UNEXPECTED
    return 0


def _work_of(job: Job) -> Work:
    """What does a job. A segmentation does not load what a training needs, which takes more than a second."""
    if job.kind is JobKind.TRAIN:
        from ..training.job import run_training_job

        return run_training_job
    from ..segmentation import run_segmentation_job

    return run_segmentation_job


class _EventSink:
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
        self.show(event)

    def show(self, event: Event) -> None:
        """Show the event in the log and to the listener alone."""
        if not isinstance(event, (Progress, Losses)):
            _log.info("%s", describe(event))
        self._listener(event)


def _last_safe_step(job: Job) -> int:
    return max((event.step for event in job.read_events() if isinstance(event, CheckpointSaved)), default=0)


@contextmanager
def _caught(job: Job, team: Team, emit: _EventSink) -> Iterator[_Outcome]:
    """The outer catch: every error becomes a final event, a line in the log and an exit code."""
    started, outcome = time.monotonic(), _Outcome()
    try:
        yield outcome
        emit(Finished(outcome.message, round(time.monotonic() - started, 1), outcome.output))
    except JobTakenError as error:
        # Events and checkpoints belong to the other process now.
        _log.error("%s", error)
        emit.show(Failed(str(error)))
        outcome.exit_code = error.exit_code
    except JobCancelled as cancelled:
        # In this order: an observer never sees a job without a request to stop that has not stopped either.
        emit(Cancelled(emit.last_step))
        job.withdraw_cancel()
        outcome.exit_code = cancelled.exit_code
    except CoraNetError as error:
        outcome.exit_code = _fail(emit, error, error.exit_code)
    except OSError as error:
        file = file_error(error.filename or job.folder, error)
        outcome.exit_code = _fail(emit, file, StorageError.exit_code)
    except Exception as error:  # the one place that may catch everything
        outcome.exit_code = _fail(emit, *_in_words(error, job, team))


_MORE_MEMORY = {
    JobKind.TRAIN: "lower data.patch_voxels, or close other programs",
    JobKind.SEGMENT: "close other programs, segment smaller scans, or use a machine with more memory",
}


def _in_words(error: Exception, job: Job, team: Team) -> tuple[CoraNetError, int]:
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error), PackageError.exit_code
    if is_out_of_memory(error):
        reason = f" ({' '.join(str(error).split())})" if str(error) else ""
        message = f"this machine does not have enough memory; {_MORE_MEMORY[job.kind]}{reason}."
        return CoraNetError(message), CoraNetError.exit_code
    if is_lost_member(error, team):
        message = f"another process of the job has ended; '{job.log_path}' says why; continue with --resume."
        return CoraNetError(message), CoraNetError.exit_code
    message = f"an unexpected error ended the job ({type(error).__name__}: {error}); details are in '{job.log_path}'."
    return CoraNetError(message), UNEXPECTED


def _fail(emit: _EventSink, error: CoraNetError, exit_code: int) -> int:
    _log.debug("details of the error below", exc_info=True)
    try:
        emit(Failed(str(error)))
    except StorageError:
        # The disk is full: the event is lost, the exit code and the terminal still say it.
        emit.show(Failed(str(error)))
    return exit_code


def _warn_of_settings(job: Job, resume: bool, reporter: Reporter) -> None:
    """Report which cases were left out, and which settings have no effect."""
    for sentence in () if resume else job.read_datalist().left_out:
        reporter.emit(Warned("left_out", sentence))
    unknown = job.unknown_settings()
    if unknown:
        names = ", ".join(unknown)
        message = f"settings of another version have no effect here: {names}; use that version if they matter."
        reporter.emit(Warned("unknown_settings", message))


class _LogFile(logging.FileHandler):
    """A log file that stays silent when the disk is full: the work itself reports that."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def _log_to(job: Job) -> Iterator[None]:
    try:
        handler = _LogFile(job.log_path, encoding="utf-8", errors="backslashreplace")
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
def _in_folder(job: Job) -> Iterator[None]:
    """Inside, the log is written, and nothing makes the folder again if it is deleted or moved."""
    with not_recreated(job.folder, job.require_same), _log_to(job):
        yield


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


class _Holding:
    """What shows that this process holds the job, and learns that it does no more."""

    def __init__(self, job: Job, me: ProcessIdentity) -> None:
        self._job, self._me = job, me
        self._beats_without_folder = 0
        self._error: CoraNetError | None = None

    def beat(self) -> bool:
        """Show that this process lives; whether it still holds the job."""
        try:
            self._job.require_same()
            self._job.renew(self._me)
            self._beats_without_folder = 0
        except JobTakenError as error:
            self._error = error
        except (CoraNetError, OSError) as error:
            # A missed beat does no harm on this machine; the work itself will report a full disk.
            _log.debug("heartbeat: %s", error)
            self._count_missing(error)
        return self._error is None

    def require(self) -> None:
        """Raise once another process has the job, or its folder is gone."""
        if self._error is not None:
            raise self._error

    def _count_missing(self, error: CoraNetError | OSError) -> None:
        is_gone = not Job.exists(self._job.folder) and self._job.folder.parent.is_dir()
        self._beats_without_folder = self._beats_without_folder + 1 if is_gone else 0
        if self._beats_without_folder >= _BEATS_UNTIL_GONE and isinstance(error, CoraNetError):
            self._error = error


@contextmanager
def _heartbeat(job: Job, me: ProcessIdentity) -> Iterator[_Holding]:
    stop, holding = threading.Event(), _Holding(job, me)

    def keep_beating() -> None:
        while not stop.wait(HEARTBEAT_INTERVAL_S) and holding.beat():
            pass

    thread = threading.Thread(target=keep_beating, daemon=True)
    thread.start()
    try:
        yield holding
    finally:
        stop.set()
        thread.join()
