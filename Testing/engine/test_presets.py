"""Presets are files anyone may write; each that comes with the program can be used as it is."""

from __future__ import annotations

import json

import pytest

from coranet.contract.config import DEFAULT_PRESET, TrainConfig, preset_names
from coranet.contract.config.presets import preset_path, read_preset
from coranet.contract.errors import ConfigError
from coranet.networks import plan_architecture

# Backbone, filters, patch (up-down, front-back, left-right), window, and a scan that the preset is for: size, spacing.
PAPER = {
    "paper-pancreas-3d": ("vnet", 16, (96, 96, 96), (-125.0, 275.0), (220.0, 350.0, 350.0), (1.0, 1.0, 1.0)),
    "paper-pancreas-2d": ("unet", 64, (1, 192, 240), (-100.0, 240.0), (220.0, 350.0, 350.0), (1.0, 1.0, 1.0)),
    "paper-endocardium": ("unet", 64, (1, 256, 256), None, (10.0, 256.0, 256.0), (9.0, 1.3, 1.3)),
    "paper-acdc": ("unet", 64, (1, 256, 256), None, (10.0, 256.0, 256.0), (10.0, 1.4, 1.4)),
}


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


def test_the_papers_presets_are_all_there():
    assert {name for name in preset_names() if name.startswith("paper-")} == set(PAPER)


@pytest.mark.parametrize(("name", "expected"), PAPER.items(), ids=list(PAPER))
def test_a_preset_of_the_paper_plans_the_papers_network(name, expected):
    backbone, filters, patch, window, size, spacing = expected
    config = TrainConfig.from_preset(name)
    plan = plan_architecture(config.network, config.data, size, spacing, 2)
    assert (plan.backbone, plan.base_filters, plan.patch_size_kji) == (backbone, filters, patch)
    assert (len(plan.kernels), plan.decoders, plan.normalization, plan.dropout) == (5, "three", "batch", 0.0)
    halved = (2, 2, 2) if backbone == "vnet" else (1, 2, 2)
    assert plan.strides == (halved,) * 4
    assert plan.slice_axis == (None if backbone == "vnet" else 0)
    assert config.data.intensity_window == window
    assert config.data.intensity == ("zscore" if window is None else "window")


@pytest.mark.parametrize("name", PAPER)
def test_a_preset_of_the_paper_trains_as_the_paper_does(name):
    config = TrainConfig.from_preset(name)
    training, augmentation = config.training, config.augmentation
    assert (training.method, training.mixing, training.certain_mask) == ("coranet", "none", "certain")
    assert (training.labeled_batch_size, training.unlabeled_batch_size) == (4, 4)
    assert (training.learning_rate, training.adam_betas, training.weight_decay) == (1e-3, (0.5, 0.999), 0.0)
    assert (training.learning_rate_schedule, training.misclassification_cost) == ("constant", 5.0)
    assert (training.certain_weight, training.uncertain_weight, training.consistency_weight) == (0.5, 0.5, 0.1)
    assert (training.teacher_decay, training.teacher_noise, training.pseudo_label_source) == (0.99, 0.0, "refreshed")
    assert (training.ramp_up_share, config.machine.precision) == (40 / 200, "float32")
    assert (augmentation.gamma, augmentation.brightness, augmentation.noise, augmentation.blur_voxels) == (0, 0, 0, 0)
    assert augmentation.low_resolution == 1 and augmentation.rotation_degrees > 0 and augmentation.scaling > 0
    # An axis along which a slice is one pixel thick has no other side.
    assert augmentation.flip_axes == (("L", "P", "S") if config.network.backbone == "vnet" else ("L", "P"))


@pytest.mark.parametrize("name", PAPER)
def test_epochs_of_the_paper_become_steps(name):
    training = TrainConfig.from_preset(name).training
    assert training.pretraining_steps % 60 == 0 and training.self_training_steps % 200 == 0
    assert training.refresh_steps == 5 * training.self_training_steps // 200
    description = read_preset(preset_path(name))["description"]
    assert f"{training.pretraining_steps} + {training.self_training_steps} steps" in description


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
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"network": {"depth": 3}}', "unknown setting 'depth'"),
        ('{"network": {"levels": 99}}', "'levels' must be"),
    ],
)
def test_a_preset_that_cannot_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        TrainConfig.from_preset(str(path))
    assert message in str(raised.value)


def test_the_error_of_a_value_in_a_preset_file_names_the_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"network": {"levels": 99}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.json"):
        TrainConfig.from_preset(str(path))
