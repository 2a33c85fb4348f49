"""Every setting explains itself, knows its range, and is refused in words when it is wrong."""

from __future__ import annotations

import json

import pytest

from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import ConfigError

SETTINGS = [*TrainConfig.settings(), *(setting for setting in SegmentConfig.settings() if setting.name == "model")]
NUMBERS = [setting for setting in SETTINGS if setting.minimum is not None]


def with_setting(name: str, value):
    return TrainConfig().with_overrides({name: value})


def value_of(config: TrainConfig, name: str):
    for part in name.split("."):
        config = getattr(config, part)
    return config


def test_each_setting_says_what_it_means_in_sentences():
    assert [
        setting.name
        for setting in SETTINGS
        if not (setting.meaning[0].isupper() and setting.meaning.rstrip()[-1] == ".")
    ] == []


@pytest.mark.parametrize("setting", SETTINGS[:-1], ids=lambda setting: setting.name)
def test_a_default_is_a_valid_value(setting):
    assert value_of(with_setting(setting.name, setting.default), setting.name) == setting.default
    as_text = json.dumps(setting.default)
    assert value_of(with_setting(setting.name, as_text), setting.name) == setting.default


@pytest.mark.parametrize("config", [TrainConfig(), TrainConfig.from_preset("quick"), SegmentConfig(model="a b/ü")])
def test_a_configuration_comes_back_as_it_was(config):
    plain = json.loads(json.dumps(config.to_dict(), allow_nan=False))
    assert type(config).from_dict(plain) == config
    assert plain["schema_version"] == 1


def test_tuples_and_optional_values_come_back_as_they_were():
    config = TrainConfig().with_overrides(
        {"data.spacing_mm": "[1, 1.5, 2]", "data.patch_size_kji": [16, 32, 32], "augmentation.flip_axes": '["L", "S"]'}
    )
    assert config.data.spacing_mm == (1.0, 1.5, 2.0)
    assert config.augmentation.flip_axes == ("L", "S")
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.with_overrides({"data.spacing_mm": "null"}).data.spacing_mm is None


def test_what_is_not_given_takes_its_default():
    config = TrainConfig.from_dict({"training": {"pretraining_steps": 7}})
    assert config.training.pretraining_steps == 7
    assert config.training.self_training_steps == TrainConfig().training.self_training_steps
    assert config.data == TrainConfig().data


def test_overriding_leaves_the_original_alone():
    config = TrainConfig()
    assert config.with_overrides({"seed": "5"}).seed == 5
    assert config.seed == 0


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_a_number_outside_its_range_is_refused(setting):
    lengths = {"data.spacing_mm": 3, "data.patch_size_kji": 3, "training.adam_betas": 2}
    length = lengths.get(setting.name)
    for text in (str(setting.minimum - 1), str(setting.maximum + 1), "NaN", "Infinity", "-Infinity", "true", "many"):
        with pytest.raises(ConfigError, match=rf"'{setting.name.rpartition('.')[2]}' must be"):
            with_setting(setting.name, f"[{', '.join([text] * length)}]" if length else text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network.levels", "2.5"),
        ("network.backbone", "resnet"),
        ("network.backbone", "3"),
        ("machine.device", "toaster"),
        ("data.spacing_mm", "[1, 1]"),
        ("data.spacing_mm", "1"),
        ("data.spacing_mm", '[1, 1, "thick"]'),
        ("data.intensity_window", "[0, NaN]"),
        ("data.intensity_window", "[-Infinity, 100]"),
        ("augmentation.flip_axes", '["up"]'),
        ("training.learning_rate", "null"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_was_expected_and_what_came(name, value):
    with pytest.raises(ConfigError) as raised:
        with_setting(name, value)
    assert name.rpartition(".")[2] in str(raised.value)
    assert "must be" in str(raised.value) and "got" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("training.learning_rat", "training.learning_rate"),
        ("training.pretrain_steps", "training.pretraining_steps"),
        ("machine.devise", "machine.device"),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_one_that_was_meant(name, meant):
    with pytest.raises(ConfigError, match=f"no setting '{name}'; did you mean '{meant}'"):
        with_setting(name, "1")


def test_what_looks_like_no_setting_is_to_be_corrected():
    with pytest.raises(ConfigError, match=r"there is no setting 'xyz'; correct its name\.$"):
        with_setting("xyz", "1")


def test_a_file_of_an_earlier_version_has_settings_under_their_former_names():
    written = {"model": "m", "inference": {"promised_share": 0.9, "overlap": 0.25}}
    assert SegmentConfig.unknown_names(written) == []
    for content in (written, SegmentConfig.known_part(written)):
        config = SegmentConfig.from_dict(content)
        assert (config.inference.error_coverage, config.inference.overlap) == (0.9, 0.25)
    assert "promised_share" not in config.to_dict()["inference"]


def test_a_number_that_is_not_among_the_choices_is_refused_with_them():
    with pytest.raises(ConfigError, match=r"'error_coverage' must be one of 0.8, 0.9, 0.95, got 0.85"):
        SegmentConfig().with_overrides({"inference.error_coverage": "0.85"})


def test_a_section_is_no_setting():
    with pytest.raises(ConfigError, match="no setting 'training'"):
        with_setting("training", "5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sed": 1}, "'my.json' has the unknown setting 'sed'; did you mean 'seed'?"),
        ({"training": {"learning_rat": 1}}, "'my.json' has the unknown setting 'learning_rat'"),
        ({"schema_version": 2}, "'my.json' has schema version 2, expected 1"),
        ({"training": 5}, "training"),
        ({"training": None}, "training"),
    ],
)
def test_a_file_with_something_unknown_is_an_error_that_names_it(content, message):
    with pytest.raises(ConfigError) as raised:
        TrainConfig.from_dict(content, source="my.json")
    assert message in str(raised.value)
