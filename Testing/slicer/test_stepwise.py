"""Long work in steps: in order, one at a time, with an end that is heard of whatever happens; many requests at once."""

from __future__ import annotations

import pytest
from queued_application import QueuedApplication

from coranet.contract.errors import DataError, JobError, StorageError
from CoraNetSlicerLib.core.stepwise import Deferred, StepwiseWork, run_to_end

ERRORS = {
    "data": DataError("a wrong image; check it."),
    "storage": StorageError("the disk is full; make room."),
    "permission": PermissionError(13, "denied"),
    "memory": MemoryError(),
    "vtk": RuntimeError("a filter failed"),
    "type": TypeError("None"),
    "key": KeyError("Liver"),
    "index": IndexError("list index out of range"),
    "attribute": AttributeError("'NoneType' object has no attribute 'GetName'"),
    "text": UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"),
    "recursion": RecursionError(),
}


@pytest.fixture
def application(context):
    return QueuedApplication(context.scene)


class Worker:
    """Work whose steps, and what was heard of them, are written down."""

    def __init__(self, application) -> None:
        self.told: list[str] = []
        self.done: list[str] = []
        self.work = StepwiseWork(application, self.told.append, lambda: self.done.append(f"said {self.work.latest}"))

    def steps(self, name="a", count=3, error=None):
        try:
            for number in range(count):
                self.done.append(f"{name}{number}")
                yield f"{name}{number}"
            if error is not None:
                raise error
        finally:
            self.done.append(f"{name} closed")


@pytest.fixture
def worker(application):
    return Worker(application)


def test_steps_are_done_one_by_one_when_the_application_has_time(worker, application):
    worker.work.begin(worker.steps())
    assert worker.work.is_busy and worker.done == [] and worker.work.latest is None
    application.run()
    assert worker.done == ["a0", "said a0", "a1", "said a1", "a2", "said a2", "a closed"]
    assert worker.told == [""] and not worker.work.is_busy and worker.work.latest is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(DataError("the file is gone."), "the file is gone."), (ZeroDivisionError("x"), "unexpected error (x)")],
    ids=["said", "unexpected"],
)
def test_whoever_waits_hears_why_it_ended(worker, application, error, sentence, caplog):
    worker.work.begin(worker.steps(count=1, error=error))
    application.run()
    assert worker.told == [sentence] and not worker.work.is_busy
    assert bool(caplog.records) == sentence.startswith("unexpected")


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
def test_after_any_error_at_any_step_the_next_work_can_begin(worker, application, error, at):
    worker.work.begin(worker.steps(count=at, error=error))
    application.run()
    assert len(worker.told) == 1 and worker.told[0] and not worker.work.is_busy
    assert worker.done[-1] == "a closed"
    worker.work.begin(worker.steps(count=1))
    application.run()
    assert worker.told[1:] == [""]


def test_what_the_steps_return_is_there_at_the_end(application):
    def steps():
        yield
        return "a job"

    ends = []
    work = StepwiseWork(application, lambda problem: ends.append((problem, work.result)))
    work.begin(steps())
    assert work.result is None
    application.run()
    assert ends == [("", "a job")] and run_to_end(steps()) == "a job"


def test_an_error_of_who_waits_for_the_end_is_heard_too(application):
    def on_end(problem: str) -> None:
        ends.append(problem)
        if not problem:
            raise JobError("its files cannot be read.")

    ends = []
    work = StepwiseWork(application, on_end)
    work.begin(iter_of_nothing())
    application.run()
    assert ends == ["", "its files cannot be read."] and not work.is_busy


def iter_of_nothing():
    yield


def test_other_work_takes_the_place_of_what_is_not_done(worker, application):
    worker.work.begin(worker.steps("a"))
    application.run(milliseconds=-1)
    worker.work.begin(worker.steps("b", 1))
    application.run()
    assert worker.told == [""]
    assert [step for step in worker.done if step.startswith("b")] == ["b0", "b closed"]
    assert "a2" not in worker.done


def test_stopped_it_says_nothing_more(worker, application):
    steps = worker.steps()
    worker.work.begin(steps)
    next(steps)
    worker.work.stop()
    application.run()
    assert worker.done == ["a0", "a closed"] and worker.told == [] and not worker.work.is_busy


def test_at_its_end_the_next_work_can_be_begun(application):
    order = []

    def on_end(problem: str) -> None:
        order.append(f"end {len(order)}")
        if len(order) == 1:
            work.begin(iter_once())

    def iter_once():
        yield

    work = StepwiseWork(application, on_end)
    work.begin(iter_once())
    application.run()
    assert order == ["end 0", "end 1"]


@pytest.fixture
def done() -> list[int]:
    return []


@pytest.fixture
def deferred(application, done):
    return Deferred(application, lambda: done.append(1))


def test_many_requests_are_one_action_when_the_application_is_idle(deferred, application, done):
    for _ in range(5):
        deferred.request()
    assert done == []
    application.run(0)
    assert done == [1]
    deferred.request()
    application.run(0)
    assert done == [1, 1]


def test_at_rest_is_after_the_last_request(deferred, application, done):
    for _ in range(10):
        deferred.request_at_rest(500)
        application.run(200)
        assert done == []
    application.run(1000)
    assert done == [1]


def test_moving_all_the_time_keeps_one_timer_waiting(deferred, application):
    for _ in range(100):
        deferred.request_at_rest(500)
    assert application.run(3000) == 2


def test_after_close_nothing_is_done(deferred, application, done):
    deferred.request()
    deferred.request_at_rest(100)
    deferred.close()
    deferred.request()
    deferred.request_at_rest(100)
    application.run()
    assert done == []
