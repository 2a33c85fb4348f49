"""Short trainings leave each labeled case out once, and take the share of the time that is theirs."""

from __future__ import annotations

import pytest

from coranet.contract.config import TrainConfig
from coranet.contract.errors import JobError
from coranet.training.folds import (
    MOST_FIT_STEPS,
    ErrorPlan,
    StageSeconds,
    fold_config,
    folds_of,
    steps_for_share,
    steps_in_time,
)


@pytest.mark.parametrize(("count", "folds"), [(0, 0), (1, 0), (2, 2), (3, 3), (4, 2), (6, 2), (7, 3), (11, 3)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_case_is_left_out_once_and_none_of_the_trainings_leaves_all_out(count, folds, seed):
    names = [f"case{number}" for number in range(count)]
    folds_made = folds_of(names, seed)
    assert len(folds_made) == folds
    assert sorted(name for fold in folds_made for name in fold) == (sorted(names) if folds else [])
    assert all(len(fold) < count for fold in folds_made)
    assert max(map(len, folds_made), default=0) - min(map(len, folds_made), default=0) <= 1


def test_the_folds_depend_on_names_and_seed_alone():
    names = [f"case{number}" for number in range(9)]
    assert folds_of(names, 3) == folds_of(names[::-1], 3)
    assert len({folds_of(names, seed) for seed in range(5)}) > 1


def test_a_short_training_is_the_first_stage_from_its_first_weights():
    whole = TrainConfig.from_preset("quick", {"training.initial_model": "m", "training.averaged_share": 0.5, "seed": 4})
    short = fold_config(whole, 70)
    training = short.training
    assert (training.pretraining_steps, training.self_training_steps) == (70, 0)
    assert not training.initial_model and not training.averaged_share and not short.time and short.seed == 4
    assert short.network == whole.network and short.data == whole.data


def test_with_steps_that_are_set_it_takes_its_share():
    config = TrainConfig.from_preset(
        "quick", {"training.pretraining_steps": 400, "training.self_training_steps": 1000}
    ).with_overrides({"training.error_model_share": 0.2})
    steps, fit_steps = steps_for_share(config, 2, 2.0)
    # A quarter of 2400 steps of pretraining, of which short trainings have three fifths.
    assert (steps, fit_steps) == (180, MOST_FIT_STEPS)
    assert steps_for_share(config, 0, 2.0) == (0, MOST_FIT_STEPS)


@pytest.mark.parametrize(
    ("left_s", "folds", "expected"),
    [
        (1000.0, 2, (379, 240)),  # 898 s; 240 steps of 5 fits are 120 s, the rest are steps of 1 s
        (102.0, 2, (27, 71)),  # 90 s, of which 36 are for fits
        (0.0, 2, (20, 30)),  # a few are done in any case
        (202.0, 0, (0, 240)),
        (1e6, 3, (500, 240)),
    ],
)
def test_steps_that_fit_into_a_time(left_s, folds, expected):
    seconds = StageSeconds(predicting=2.0, step=1.0, fit_step=0.1, fits=5)
    steps, fit_steps = steps_in_time(left_s, folds, seconds, most_steps=500)
    assert (steps, fit_steps) == pytest.approx(expected, rel=0.15)
    spent = 2.0 + folds * steps + 5 * 0.1 * fit_steps
    assert spent <= max(left_s, 2 + 20 * folds + 15)


def test_a_plan_is_read_as_it_was_written():
    plan = ErrorPlan((("a", "b"), ("c",)), 30, 60, 1.25, 0.7)
    assert ErrorPlan.from_dict(plan.to_dict(), "here") == plan


@pytest.mark.parametrize("content", [{}, {"schema_version": 9}, {"schema_version": 1, "folds": 3}, []])
def test_a_plan_that_cannot_be_read_is_named(content):
    with pytest.raises(JobError, match="'here' cannot be read"):
        ErrorPlan.from_dict(content, "here")
