"""How many steps fit into a time, and how often something is done between them."""

from __future__ import annotations

import pytest

from coranet.contract.codec import from_json, to_json
from coranet.contract.config import TrainConfig
from coranet.planning.steps import Durations, StepPlan, StepSeconds, pretraining_share

TRAINING = TrainConfig.from_dict({"training": {"pretraining_steps": 100, "self_training_steps": 300}}).training


def with_settings(**changes):
    return TrainConfig.from_dict(
        {"training": {"pretraining_steps": 100, "self_training_steps": 300, **changes}}
    ).training  # fmt: skip


def test_steps_as_set_keep_what_is_set_and_fill_in_the_rest():
    assert StepPlan.as_set(TRAINING) == StepPlan(100, 300, 100, 100, 0)
    chosen = with_settings(validation_interval=7, checkpoint_interval=9, snapshot_interval=None)
    assert StepPlan.as_set(chosen) == StepPlan(100, 300, 7, 9, 20)


def test_steps_fill_the_time_in_the_ratio_of_the_settings():
    # A quarter at 1 s and three quarters at 3 s: 2.5 s on the mean.
    plan = StepPlan.in_time(TRAINING, 1000.0, Durations(StepSeconds(1.0, 3.0)))
    assert plan is not None and (plan.pretraining, plan.self_training) == (100, 300)
    assert pretraining_share(TRAINING) == 0.25


def test_validations_take_a_twentieth_of_the_time_and_the_steps_the_rest():
    plan = StepPlan.in_time(TRAINING, 1000.0, Durations(StepSeconds(1.0, 1.0), validation=5.0))
    # Ten validations of 5 s.
    assert plan is not None and plan.total == 950 and plan.validation_interval == 95


def test_there_are_at_most_twenty_validations_and_at_least_the_last():
    often = StepPlan.in_time(TRAINING, 1000.0, Durations(StepSeconds(1.0, 1.0), validation=0.01))
    seldom = StepPlan.in_time(TRAINING, 1000.0, Durations(StepSeconds(1.0, 1.0), validation=400.0))
    assert often is not None and often.total / often.validation_interval <= 20
    assert seldom is not None and (seldom.total, seldom.validation_interval) == (600, 600)


def test_intervals_that_are_set_stay_and_their_time_is_taken_off():
    chosen = with_settings(validation_interval=10, checkpoint_interval=3, snapshot_interval=0)
    plan = StepPlan.in_time(chosen, 1000.0, Durations(StepSeconds(1.0, 1.0), validation=10.0, snapshot=5.0))
    assert plan is not None
    assert (plan.total, plan.validation_interval, plan.checkpoint_interval, plan.snapshot_interval) == (500, 10, 3, 0)


@pytest.mark.parametrize("seconds", [0.01, 1.0, 50.0])
def test_checkpoints_come_at_least_every_two_minutes(seconds):
    plan = StepPlan.in_time(TRAINING, 10_000.0, Durations(StepSeconds(seconds, seconds)))
    assert plan is not None and plan.checkpoint_interval * seconds <= 120


def test_too_little_time_has_no_plan():
    assert StepPlan.in_time(TRAINING, 10.0, Durations(StepSeconds(1.0, 1.0))) is None
    assert StepPlan.in_time(TRAINING, -5.0, Durations(StepSeconds(1.0, 1.0))) is None


def test_a_plan_goes_into_the_settings_and_into_a_file():
    plan = StepPlan(10, 20, 5, 6, 7)
    assert from_json(StepPlan, to_json(plan)) == plan
    config = plan.applied_to(TrainConfig.from_preset("quick"))
    assert StepPlan.as_set(config.training) == plan and config.time == "20 min"
