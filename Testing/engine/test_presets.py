"""Presets are files anyone may write; each that comes with the program can be used as it is."""

from __future__ import annotations

import json

import pytest

from coranet.config import DEFAULT_PRESET, TrainConfig, preset_names
from coranet.config.presets import preset_path, read_preset
from coranet.errors import ConfigError


def test_there_is_a_default_and_a_quick_preset():
    assert {DEFAULT_PRESET, "quick"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_can_be_used_as_it_is(name):
    config = TrainConfig.from_preset(name)
    assert config.preset == name
    assert config.training.pretraining_steps + config.training.self_training_steps > 0


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_what_it_is_for(name):
    assert read_preset(preset_path(name))["description"].endswith(".")


def test_single_settings_go_over_the_preset():
    config = TrainConfig.from_preset("quick", {"training.pretraining_steps": "11", "seed": 3})
    assert (config.training.pretraining_steps, config.seed) == (11, 3)
    assert config.data == TrainConfig.from_preset("quick").data


def test_a_preset_of_ones_own_is_a_file(awkward_path):
    path = awkward_path / "für Leber.json"
    path.write_text('{"description": "Leber.", "network": {"levels": 3}}', encoding="utf-8")
    config = TrainConfig.from_preset(str(path))
    assert (config.preset, config.network.levels) == ("für Leber", 3)


def test_an_unknown_preset_is_answered_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"no preset 'quik'; did you mean 'quick'\?; presets: .*default.*quick"):
        TrainConfig.from_preset("quik")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"network": {"depth": 3}}', "unknown setting 'depth'"),
        ('{"network": {"levels": 99}}', "'levels' must be"),
    ],
)
def test_a_preset_that_cannot_be_used_is_named(tmp_path, text, words):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        TrainConfig.from_preset(str(path))
    assert words in str(raised.value)


def test_the_error_of_a_value_in_a_preset_file_names_the_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"network": {"levels": 99}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.json"):
        TrainConfig.from_preset(str(path))
