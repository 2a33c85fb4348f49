"""What the phases of a training took, from its events."""

from __future__ import annotations

import pytest
import training_step

from coranet.contract.events import Cancelled, Finished, Progress, Started


def at(time: float, event):
    object.__setattr__(event, "time", time)
    return event


def test_seconds_belong_to_the_phase_that_was_told_last_and_pauses_to_none():
    first = Started(0, 5, "CPU", "1"), Progress("pretraining", 1, 5), Progress("pretraining", 3, 5)
    second = Progress("self-training", 5, 5), Cancelled(5), Started(5, 5, "CPU", "1"), Progress("error_model", 1, 9)
    times = (0.0, 1.0, 4.0, 9.0, 10.0, 500.0, 501.0, 504.0)
    events = [at(*pair) for pair in zip(times, (*first, *second, Finished("done", 4.0)), strict=True)]
    seconds = training_step.seconds_by_phase(events)
    assert seconds == pytest.approx({"pretraining": 8.0, "self-training": 2.0, "error_model": 3.0})
