"""Long work in steps: in order, one at a time, with an end that is heard of whatever happens."""

from __future__ import annotations

import pytest
from queued_application import QueuedApplication

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.stepwise import StepwiseWork


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


def test_other_work_takes_the_place_of_what_is_not_done(worker, application):
    worker.work.begin(worker.steps("a"))
    application.run(milliseconds=-1)
    worker.work.begin(worker.steps("b", 1))
    application.run()
    assert worker.told == [""]
    assert [one for one in worker.done if one.startswith("b")] == ["b0", "b closed"]
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
