"""A time as people write it, kept in one form."""

from __future__ import annotations

import pytest

from coranet.contract.config import TrainConfig
from coranet.contract.config.time_budget import checked_time, seconds_of
from coranet.contract.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "kept", "seconds"),
    [
        ("20 min", "20 min", 1200), ("1h", "1 h", 3600), ("1 h 30 min", "1 h 30 min", 5400), ("90 s", "90 s", 90),
        ("1.5 hours", "1.5 h", 5400), (" 2 Minutes ", "2 min", 120), ("8H", "8 h", 28800), ("10 sec", "10 s", 10),
    ],
)  # fmt: skip
def test_a_time_is_kept_in_one_form(text, kept, seconds):
    assert checked_time(text) == kept and seconds_of(text) == seconds
    assert checked_time(kept) == kept


def test_no_time_is_none():
    assert checked_time("") == "" and seconds_of("") is None


@pytest.mark.parametrize("wrong", ["soon", "5 days", "1 h and", "-3 min", "0 s", "20000 h", "min", True, [1], None])
def test_what_is_no_time_is_refused_with_examples(wrong):
    with pytest.raises(ConfigError, match="'time' must be a time from 1 s to 10000 h such as '20 min'"):
        checked_time(wrong)


@pytest.mark.parametrize("bare", ["20", 20, "1.5"])
def test_a_bare_number_is_answered_with_what_to_write(bare):
    with pytest.raises(ConfigError, match=f"got '{bare}'; write '{bare} min'"):
        checked_time(bare)


def test_time_is_the_first_setting():
    assert next(TrainConfig.settings()).name == "time"
    assert TrainConfig.from_preset("quick", {"time": "1h"}).time == "1 h"


@pytest.mark.parametrize("name", ["training.pretraining_steps", "training.self_training_steps"])
def test_a_number_of_steps_switches_the_time_of_a_preset_off(name):
    assert TrainConfig.from_preset("quick").time == "20 min"
    assert TrainConfig.from_preset("quick", {name: 7}).time == ""
    assert TrainConfig.from_preset("quick").with_overrides({name: "7"}).time == ""


def test_a_time_and_a_number_of_steps_exclude_each_other():
    with pytest.raises(
        ConfigError, match=r"'time' and 'training.self_training_steps' both set .* leave one of them out"
    ):
        TrainConfig.from_preset("quick", {"time": "1 h", "training.self_training_steps": 7})
    steps = TrainConfig.from_preset("quick", {"time": "", "training.self_training_steps": 7})
    assert (steps.time, steps.training.self_training_steps) == ("", 7)
