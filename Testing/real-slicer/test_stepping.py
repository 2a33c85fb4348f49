"""Steps go on when it is time, are timed, and survive errors."""

from __future__ import annotations

import json

import pytest
from stepping import Journal, Run, Stall, StallMeter, Until, clocks


class Hours:
    """A clock that a test turns."""

    def __init__(self):
        self.time = 100.0
        self.thread = self.process = 0.0

    def __call__(self):
        return self.time

    def all(self):
        return Stall(self.time, self.thread, self.process)


@pytest.fixture
def now():
    return Hours()


@pytest.fixture
def meter(now):
    return StallMeter(now.all)


@pytest.fixture
def journal(tmp_path, meter, now):
    return Journal(tmp_path / "steps.json", meter, now)


def test_the_longest_gap_between_beats_is_the_stall(meter, now):
    for gap in (0.01, 0.3, 0.02):
        meter.beat()
        now.time += gap
    meter.beat()
    assert meter.take().wall == pytest.approx(0.3)
    assert meter.take() == Stall()


def test_of_a_stall_it_is_known_who_took_the_processor(meter, now):
    for wall, thread, process in ((0.1, 0.09, 0.09), (0.5, 0.1, 0.3), (0.2, 0.2, 0.2)):
        meter.beat()
        now.time, now.thread, now.process = now.time + wall, now.thread + thread, now.process + process
    meter.beat()
    assert meter.take() == pytest.approx((0.5, 0.1, 0.3))
    # Clocks that run.
    before, after = clocks(), clocks()
    assert all(late >= early for early, late in zip(before, after, strict=True))


def test_the_work_of_the_test_itself_is_no_stall(meter, now):
    meter.beat()
    now.time += 5
    meter.skip()
    now.time += 0.01
    meter.beat()
    assert meter.take().wall == pytest.approx(0.01)


def test_a_script_waits_for_seconds_and_for_conditions(journal, meter, now):
    came, ends = [], []

    def script():
        came.append("start")
        yield 2.0
        came.append("later")
        yield Until(lambda: now.time > 110, "ten seconds")
        came.append("end")

    run = Run(script(), journal, meter, ends.append, now)
    run.tick()
    run.tick()
    assert came == ["start"]
    now.time += 2
    run.tick()
    now.time = 109
    run.tick()
    assert came == ["start", "later"]
    now.time = 111
    run.tick()
    run.tick()
    assert came[-1] == "end" and ends == [""]


def test_what_does_not_come_true_ends_the_run_with_what_was_waited_for(journal, meter, now):
    ends = []

    def script():
        journal.begin("Train")
        yield Until(lambda: False, "the end of the training", 5)

    run = Run(script(), journal, meter, ends.append, now)
    run.tick()
    now.time += 6
    run.tick()
    run.tick()
    assert len(ends) == 1 and "waited 5 s for the end of the training" in ends[0]
    assert json.loads((journal._path).read_text())["error"] == ends[0]


def test_a_step_ends_when_the_next_one_begins(journal, meter, now):
    journal.begin("Add cases")
    journal.step.clicks += 1
    meter.beat()
    now.time += 0.25
    meter.beat()
    now.time += 3
    journal.begin("Train")
    first = json.loads(journal._path.read_text())["steps"][0]
    assert (first["name"], first["clicks"], first["seconds"]) == ("Add cases", 1, 3.25)
    assert first["longest_stall_s"] == pytest.approx(0.25)


def test_a_window_that_waits_for_an_answer_does_not_enter_the_script_twice(journal, meter, now):
    runs = []

    def script():
        runs[0].tick()  # as the timer does while a window is open
        yield 1.0

    runs.append(Run(script(), journal, meter, lambda error: None, now))
    runs[0].tick()
    assert journal.error == ""
