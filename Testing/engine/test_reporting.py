"""Progress comes neither too often nor too late, and its time left is that of the pace so far."""

from __future__ import annotations

import pytest

from coranet import reporting
from coranet.contract.errors import JobCancelled
from coranet.contract.events import Progress
from coranet.reporting import Pace, Reporter


@pytest.fixture
def a_clock(monkeypatch):
    """A clock that goes on only when it is told: `a_clock.now += 1`."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(reporting, "time", clock)
    return clock


@pytest.fixture
def events() -> list[Progress]:
    return []


@pytest.fixture
def listening(events) -> Reporter:
    return Reporter(events.append, lambda: False)


def test_nobody_asked_so_nothing_stops(listening):
    listening.stop_if_requested()


def test_a_request_stops_at_the_next_safe_point():
    with pytest.raises(JobCancelled):
        Reporter(lambda event: None, lambda: True).stop_if_requested()


def test_the_time_left_is_that_of_the_pace_so_far(a_clock, events, listening):
    pace = Pace(listening, {"work": 10})
    for step in range(1, 5):
        a_clock.now += 2.0
        pace.step("work", step)
    assert events[-1] == Progress("work", 4, 10, 12.0)


def test_progress_is_not_told_more_often_than_twice_a_second(a_clock, events, listening):
    pace = Pace(listening, {"work": 1000})
    for step in range(1, 101):
        a_clock.now += 0.05
        pace.step("work", step)
    assert 8 <= len(events) <= 12


def test_the_last_step_is_always_told(a_clock, events, listening):
    pace = Pace(listening, {"work": 3})
    for step in (1, 2, 3):
        a_clock.now += 0.001
        pace.step("work", step)
    assert events[-1] == Progress("work", 3, 3, 0.0)


def test_a_phase_that_has_not_begun_is_guessed_from_its_cost(a_clock, events, listening):
    pace = Pace(listening, {"cheap": 2, "dear": 10}, {"cheap": 1.0, "dear": 3.0})
    a_clock.now += 1.0
    pace.step("cheap", 1)
    assert events[-1].seconds_left == pytest.approx(1 * 1.0 + 10 * 3.0)


def test_a_phase_that_has_begun_is_measured(a_clock, events, listening):
    pace = Pace(listening, {"cheap": 1, "dear": 10}, {"cheap": 1.0, "dear": 3.0})
    a_clock.now += 1.0
    pace.step("cheap", 1)
    a_clock.now += 5.0
    pace.step("dear", 2)
    assert events[-1].seconds_left == pytest.approx(9 * 5.0)


def test_a_resumed_job_measures_the_phase_it_is_in(a_clock, events, listening):
    pace = Pace(listening, {"cheap": 5, "dear": 10}, {"cheap": 1.0, "dear": 3.0})
    a_clock.now += 2.0
    pace.step("dear", 8)
    assert events[-1] == Progress("dear", 8, 15, 14.0)


def test_time_spent_on_something_else_does_not_count(a_clock, events, listening):
    pace = Pace(listening, {"work": 10})
    a_clock.now += 1.0
    pace.step("work", 1)
    a_clock.now += 600.0
    pace.pause()
    a_clock.now += 1.0
    pace.step("work", 2)
    assert events[-1].seconds_left == pytest.approx(8.0)


def test_the_time_left_never_falls_below_nothing(a_clock, events, listening):
    pace = Pace(listening, {"one": 2, "two": 2})
    for step in (1, 2, 3, 4):
        a_clock.now += 1.0
        pace.step("one" if step < 3 else "two", step)
    assert [event.seconds_left for event in events] == [3.0, 2.0, 1.0, 0.0]


def test_a_training_of_a_day_tells_its_progress_less_often(a_clock, events, listening):
    pace = Pace(listening, {"work": 86400})
    for step in range(1, 86401):
        a_clock.now += 1.0
        pace.step("work", step)
    assert len(events) < 86400 / 4
    gaps = {round(later.step - earlier.step) for earlier, later in zip(events[-100:], events[-99:], strict=False)}
    assert max(gaps) <= 6


def test_a_computer_that_slept_does_not_spoil_the_time_left(a_clock, events, listening):
    pace = Pace(listening, {"work": 1000})
    for step in range(1, 51):
        a_clock.now += 8 * 3600.0 if step == 30 else 1.0
        pace.step("work", step)
    assert events[-1].seconds_left < 1.5 * 950


def test_work_that_became_much_slower_is_followed(a_clock, events, listening):
    pace = Pace(listening, {"work": 1000})
    for step in range(1, 151):
        a_clock.now += 1.0 if step <= 30 else 50.0
        pace.step("work", step)
    assert events[-1].seconds_left == pytest.approx(850 * 50.0, rel=0.1)
