"""Works through many jobs, several at once: each is a process of its own, as if started by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from coranet.contract import Job, JobStatus, is_alive, terminate_tree
from coranet.contract.errors import JobCancelled
from coranet.contract.events import Failed, Finished, duration
from coranet.job_process.signals import interrupt_on_signal

POLL_INTERVAL_S = 0.5


class Process(Protocol):
    """The interface of a started process; subprocess.Popen has it."""

    @property
    def pid(self) -> int:
        """Process number."""

    def poll(self) -> int | None:
        """Exit code, or None while it runs."""


@dataclass(frozen=True)
class Task:
    """One job of an experiment.

    Attributes:
        name: for people.
        job: its directory.
        planned_by: the training whose plan it takes over, so it cannot start before that one is planned; None: none.
    """

    name: str
    job: Job
    planned_by: Job | None = None

    def can_begin(self) -> bool:
        """Whether the plan that it needs is there for good: steps are fixed when the first are done."""
        return self.planned_by is None or self.planned_by.last_checkpoint_path.exists()


@dataclass(frozen=True)
class Failure:
    """A job that did not finish, and the reason in a sentence."""

    name: str
    message: str


@dataclass(frozen=True)
class RunnerContext:
    """What differs between a terminal and a test.

    Attributes:
        start: starts the process of a job; the second argument: whether to resume it.
        report: is given each line for people.
        wait: lets some time pass between two looks at the processes.
    """

    start: Callable[[Job, bool], Process]
    report: Callable[[str], object]
    wait: Callable[[], object] = lambda: time.sleep(POLL_INTERVAL_S)


def run_tasks(tasks: Sequence[Task], at_once: int, context: RunnerContext) -> list[Failure]:
    """Bring jobs to their end; finished ones are left alone, started ones are resumed.

    Args:
        tasks: in the order in which they start.
        at_once: how many processes run at the same time.
        context: how processes are started, where lines for people go.

    Returns:
        What failed; one failure does not stop the others.

    Raises:
        JobCancelled: Ctrl-C, or a polite kill; all processes have ended, and can be resumed.
    """
    crew = _Crew(tasks, context)
    try:
        # Without it the started processes would go on alone.
        with interrupt_on_signal():
            while crew.has_work(at_once):
                context.wait()
    except KeyboardInterrupt:
        crew.stop()
        raise JobCancelled("interrupted; run the same command again to continue.") from None
    except BaseException:
        crew.stop()
        raise
    return crew.failures


@dataclass
class _Work:
    name: str
    job: Job
    child: Process | None
    number: int
    since: float


class _Crew:
    """The jobs that wait, the ones that are worked on, and what failed."""

    def __init__(self, tasks: Sequence[Task], context: RunnerContext) -> None:
        self.failures: list[Failure] = []
        self._waiting = list(enumerate(tasks, start=1))
        self._working: list[_Work] = []
        self._total = len(tasks)
        self._around = context

    def has_work(self, at_once: int) -> bool:
        """Look after the processes, begin what can begin; whether something is still going on."""
        for work in [work for work in self._working if not _is_going_on(work)]:
            self._working.remove(work)
            self._end(work)
        while len(self._working) < at_once and (ready := self._next()):
            self._begin(*ready)
        if not self._working:
            self._give_up()
        return bool(self._working)

    def stop(self) -> None:
        """Ask all processes to stop, and wait for them; a second Ctrl-C ends them."""
        self._waiting.clear()
        if not self._working:
            return
        self._around.report(f"stopping {len(self._working)} runs; Ctrl-C again ends them at once ...")
        try:
            for work in self._working:
                work.job.request_cancel()
            while any(_is_going_on(work) for work in self._working):
                self._around.wait()
        except KeyboardInterrupt:
            for work in self._working:
                _kill(work)

    def _next(self) -> tuple[int, Task] | None:
        """The first task that can begin, no longer waiting; None: there is none now."""
        for entry in self._waiting:
            if entry[1].can_begin():
                self._waiting.remove(entry)
                return entry
        return None

    def _give_up(self) -> None:
        """Nothing is going on, so what still waits for a plan waits for ever."""
        for number, task in self._waiting:
            folder = task.planned_by.folder if task.planned_by else ""
            self.failures.append(Failure(task.name, f"the training '{folder}', whose plan it takes over, made none."))
            self._report(number, f"{task.name}: not started; {self.failures[-1].message}")
        self._waiting.clear()

    def _begin(self, number: int, task: Task) -> None:
        job = task.job
        status = job.status()
        if status is JobStatus.FINISHED:
            self._report(number, f"{task.name}: finished before")
            return
        child = None
        if status is JobStatus.RUNNING:
            self._report(number, f"{task.name}: another process is at it")
        else:
            job.withdraw_cancel()
            child = self._around.start(job, status is not JobStatus.CREATED)
            self._report(number, f"{task.name}: {'started' if status is JobStatus.CREATED else 'resumed'}")
        self._working.append(_Work(task.name, job, child, number, time.monotonic()))

    def _end(self, work: _Work) -> None:
        elapsed = duration(time.monotonic() - work.since)
        if work.job.status() is JobStatus.FINISHED:
            self._report(work.number, f"{work.name}: finished after {elapsed}; {_last_message(work)}")
            return
        failure = Failure(work.name, _reason(work))
        self.failures.append(failure)
        self._report(work.number, f"{failure.name}: failed after {elapsed}; {failure.message}")

    def _report(self, number: int, text: str) -> None:
        self._around.report(f"[{number}/{self._total}] {text}")


def _is_going_on(work: _Work) -> bool:
    if work.child is not None and work.child.poll() is None:
        return True
    return work.job.status() is JobStatus.RUNNING


def _kill(work: _Work) -> None:
    worker = work.job.worker()
    if worker is not None and worker.is_local and is_alive(worker):
        # The python.exe of a virtual environment on Windows is a launcher: the worker is another process.
        terminate_tree(worker.pid)
    if work.child is not None and work.child.poll() is None:
        terminate_tree(work.child.pid)


def _last_message(work: _Work) -> str:
    messages = [event.message for event in work.job.read_events() if isinstance(event, Finished)]
    return messages[-1] if messages else ""


def _reason(work: _Work) -> str:
    events = work.job.read_events()
    if work.job.status() is JobStatus.FAILED and isinstance(events[-1], Failed):
        return events[-1].message
    if work.job.status() is JobStatus.CANCELLED:
        return "another process stopped it; run the same command again to continue."
    code = "" if work.child is None else f" with exit code {work.child.poll()}"
    return f"its process ended{code} without saying why; see '{work.job.log_path}'."
