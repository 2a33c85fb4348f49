"""The heartbeat of a process on another machine is judged by the clock here."""

from __future__ import annotations

from pathlib import Path

import pytest

from coranet.contract.heartbeat import SILENCE_S, HeartbeatWatch

FILE = Path("process.json")
NOW = 1_700_000_000.0


class Clocks:
    """Two clocks that a test sets."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 50.0, NOW
        self.watch = HeartbeatWatch(lambda: self.monotonic, lambda: self.wall)

    def pass_by(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.mark.parametrize(
    ("age", "silence"),
    [(0, 0), (3, 3), (119, 119), (121, 121), (3600, 3600), (-3, 0), (-28800, 0), (-1e9, 0)],
)
def test_a_first_look_believes_an_age_and_no_future(clocks, age, silence):
    assert clocks.watch.silence_s(FILE, NOW - age) == pytest.approx(silence)
    assert not clocks.watch.was_watched(FILE)


@pytest.mark.parametrize("ahead_h", [-30, -8, -1, 0, 1, 8, 30])
def test_a_heart_that_beats_is_heard_whatever_its_clock_says(clocks, ahead_h):
    for _ in range(100):
        silence = clocks.watch.silence_s(FILE, clocks.wall + ahead_h * 3600)
        clocks.pass_by(5)
    assert silence == 0 and clocks.watch.was_watched(FILE)


@pytest.mark.parametrize("ahead_h", [-30, 0, 8, 24 * 365])
def test_a_heart_that_stopped_is_silent_after_a_while_whatever_its_clock_said(clocks, ahead_h):
    stamp = clocks.wall + ahead_h * 3600
    clocks.watch.silence_s(FILE, stamp)
    clocks.pass_by(SILENCE_S + 1)
    assert clocks.watch.silence_s(FILE, stamp) > SILENCE_S


@pytest.mark.parametrize("step_h", [-12, -1, 1, 12])
def test_a_step_of_the_clock_here_makes_nobody_silent_and_nobody_alive(clocks, step_h):
    stamp = clocks.wall
    clocks.watch.silence_s(FILE, stamp)
    clocks.wall += step_h * 3600
    clocks.pass_by(10)
    assert clocks.watch.silence_s(FILE, stamp) == pytest.approx(10)


def test_a_heart_that_was_watched_in_vain_is_silent_until_it_beats(clocks):
    clocks.watch.silence_s(FILE, NOW + 100)
    clocks.watch.give_up(FILE, NOW + 100)
    assert clocks.watch.silence_s(FILE, NOW + 100) == SILENCE_S and clocks.watch.was_watched(FILE)
    assert clocks.watch.silence_s(FILE, NOW + 105) == 0
