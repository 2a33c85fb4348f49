from __future__ import annotations

import pytest
import slicer

from coranet.contract.config import DEFAULT_PRESET, SEGMENTATION_ONLY, TrainConfig
from coranet.contract.errors import ConfigError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.train.training_settings import BASIC_SETTINGS, TIME, TrainingSettings, setting_fields

PRETRAINING_STEPS = "training.pretraining_steps"
STEPS = "training.self_training_steps"
RATE = "training.learning_rate"


@pytest.fixture
def parameters():
    return Parameters(slicer.vtkMRMLScene())


@pytest.fixture
def settings(parameters):
    return TrainingSettings(parameters)


def test_every_setting_of_a_training_has_a_field_with_a_label_and_its_meaning():
    described = {setting.name: setting for setting in TrainConfig.settings() if setting.name not in SEGMENTATION_ONLY}
    assert list(setting_fields()) == list(described)
    for name, field in setting_fields().items():
        meaning = described[name].meaning.partition("null:")[0]
        assert field.label[0].isupper() and "_" not in field.label
        assert field.tool_tip.startswith(meaning) and name in field.tool_tip
        assert described[name].paper in field.tool_tip


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("data.patch_size_kji", "Patch size (voxels)"),
        ("data.spacing_mm", "Spacing (mm)"),
        ("training.pretraining_steps", "Pretraining steps"),
        ("data.intensity_window", "Intensity window (scan units)"),
        ("seed", "Seed"),
    ],
)
def test_a_label_is_made_of_the_name_and_the_unit(name, label):
    assert setting_fields()[name].label == label


def test_a_tool_tip_has_unit_range_and_the_value_of_the_paper():
    tool_tip = setting_fields()["data.spacing_mm"].tool_tip
    assert "Unit: mm." in tool_tip and "From 0.01 to 100." in tool_tip and "In the paper: 1 (CT pancreas)." in tool_tip
    assert "null" not in tool_tip


def test_words_are_chosen_and_axes_typed():
    fields = setting_fields()
    assert fields["machine.device"].choices == ("auto", "cuda", "mps", "cpu")
    assert fields["augmentation.flip_axes"].choices == ()
    assert fields[TIME].proposals == ("20 min", "1 h", "4 h", "8 h") and fields[TIME].choices == ()


def test_the_time_is_the_first_setting_and_what_is_proposed_is_right(settings):
    assert BASIC_SETTINGS[0] == TIME == "time"
    for text in setting_fields()[TIME].proposals:
        settings.set_text(TIME, text)
        assert settings.error(TIME) == "" and settings.config().time == settings.time == text


def test_a_setting_is_found_by_name_and_by_meaning():
    found = [name for name, field in setting_fields().items() if field.matches("step size ADAM")]
    assert found == [RATE]
    assert setting_fields()["data.cache_folder"].matches("cache_folder")
    assert not setting_fields()["data.cache_folder"].matches("cache_folder nonsense")


def test_a_new_person_gets_the_default_preset(settings):
    assert settings.preset == settings.presets[0] == DEFAULT_PRESET
    assert "One hour" in settings.description
    assert settings.overrides == {} and settings.errors == {}
    assert settings.text(TIME) == settings.time == "1 h"


def test_steps_are_planned_where_there_is_a_time(settings):
    assert settings.text(STEPS) == "" and settings.placeholder(STEPS) == "as many as the time allows"
    settings.set_text(TIME, "")
    assert settings.time == "" and settings.placeholder(TIME) == "as many steps as are set under Advanced"
    assert settings.text(STEPS) == str(TrainConfig.from_preset().training.self_training_steps)
    assert settings.config().training.snapshot_interval > 0


def test_whoever_sets_steps_takes_back_the_time_and_the_other_way_round(settings):
    settings.set_text(TIME, "90 min")
    settings.set_text(STEPS, "500")
    assert (settings.time, settings.text(TIME), settings.text(STEPS)) == ("", "", "500")
    preset = TrainConfig.from_preset().training
    assert settings.text(PRETRAINING_STEPS) == str(preset.pretraining_steps)
    assert settings.config().training.self_training_steps == 500
    settings.set_text(PRETRAINING_STEPS, "100")
    settings.set_text(TIME, "20 min")
    assert (settings.time, settings.text(STEPS), settings.text(PRETRAINING_STEPS)) == ("20 min", "", "")
    assert settings.overrides == {TIME: "20 min"} and settings.errors == {}


def test_steps_that_are_those_of_the_preset_are_a_wish_too(settings):
    settings.set_text(STEPS, str(TrainConfig.from_preset().training.self_training_steps))
    assert settings.time == "" and settings.is_overridden(STEPS)
    settings.set_text(STEPS, "")
    assert settings.time == "1 h" and settings.overrides == {}


def test_a_wrong_time_is_said_and_the_steps_stay_planned(settings):
    settings.set_text(TIME, "an hour")
    assert settings.text(TIME) == "an hour" and "'an hour'" in settings.error(TIME)
    assert settings.reason_wrong.startswith("Time ") and settings.text(STEPS) == ""


def test_a_preset_of_the_paper_has_steps(settings):
    settings.set_preset("paper-acdc")
    assert settings.time == "" and settings.text(PRETRAINING_STEPS) == "2880"
    settings.set_text(TIME, "8 h")
    settings.set_preset("paper-pancreas-3d")
    assert settings.time == "8 h" and settings.text(STEPS) == ""


def test_a_scene_that_remembers_both_has_a_time(parameters):
    parameters.set_value("TrainingSettings", {"preset": "quick", "typed": {TIME: "4 h", STEPS: "77"}})
    settings = TrainingSettings(parameters)
    assert settings.time == "4 h" and settings.overrides == {TIME: "4 h"}


def test_what_is_typed_changes_the_configuration(settings):
    received = []
    settings.changed.connect(lambda: received.append(settings.text(STEPS)))
    settings.set_text(STEPS, "123")
    assert settings.config().training.self_training_steps == 123
    assert settings.overrides == {STEPS: 123} and settings.is_overridden(STEPS)
    assert received == ["123"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data.spacing_mm", "1, 1.5, 2", (1.0, 1.5, 2.0)),
        ("data.spacing_mm", "[1, 1.5, 2]", (1.0, 1.5, 2.0)),
        ("augmentation.flip_axes", "L", ("L",)),
        ("augmentation.flip_axes", "L, S", ("L", "S")),
        ("training.snapshot_case", "001", "001"),
        ("training.snapshot_case", "a, b", "a, b"),
        (RATE, " 1e-4 ", 1e-4),
        ("machine.device", "cpu", "cpu"),
    ],
)
def test_texts_become_values(settings, name, text, value):
    settings.set_text(name, text)
    assert settings.errors == {}
    assert settings.overrides == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        (RATE, "abc", "must be a number, got 'abc'; correct it."),
        (STEPS, "-1", "must be a value from 0 to 10000000 steps, got -1; correct it."),
        (STEPS, "1.5", "must be a whole number (steps), got 1.5; correct it."),
        (STEPS, "1, 2", "must be a number (steps), got [1, 2]; correct it."),
        ("data.spacing_mm", "1", "must be a list (mm), got 1; correct it."),
        ("data.spacing_mm", "1, 2,", "must be 3 values (mm), got [1, 2]; correct it."),
        ("augmentation.flip_axes", "L, Q", "must be one of L, P, S, got 'Q'; correct it."),
        ("seed", "NaN", "must be a number, got nan; correct it."),
    ],
)
def test_a_wrong_text_is_kept_and_said_in_the_words_of_the_configuration(settings, name, text, error):
    settings.set_text(name, text)
    assert settings.text(name) == text
    assert settings.error(name) == error
    assert settings.overrides == {}
    with pytest.raises(ConfigError, match=setting_fields()[name].label.split(" (")[0]):
        settings.config()


def test_an_emptied_field_is_what_the_preset_says_or_automatic(settings):
    settings.set_text(TIME, "")
    settings.set_text(STEPS, "")
    steps = TrainConfig.from_preset().training.self_training_steps
    assert settings.text(STEPS) == "" and settings.placeholder(STEPS) == str(steps)
    assert settings.overrides == {TIME: ""} and settings.errors == {}
    assert settings.config().training.self_training_steps == steps
    assert settings.placeholder("data.spacing_mm") == "auto"
    # The preset has 64; the engine's own choice is something else.
    settings.set_preset("paper-acdc")
    settings.set_text("network.base_filters", "")
    assert settings.config().network.base_filters is None
    assert settings.placeholder("network.base_filters") == "auto"
    assert settings.overrides == {"network.base_filters": None}


def test_what_is_written_otherwise_but_means_the_same_is_no_change(settings):
    settings.set_text(RATE, "0.0050")
    assert settings.text(RATE) == "0.0050"
    assert not settings.is_overridden(RATE)


def test_another_preset_keeps_what_a_person_changed_and_nothing_else(settings):
    settings.set_text(RATE, "0.0050")
    settings.set_text(STEPS, "123")
    settings.set_text("machine.threads", "many")
    settings.set_preset("quick")
    assert settings.text(RATE) == "0.005"
    assert settings.text(STEPS) == "123"
    assert settings.text("training.pretraining_steps") == "300"
    assert settings.error("machine.threads") == "must be a number, got 'many'; correct it."
    settings.set_text("machine.threads", "")
    assert settings.config().preset == "quick"


def test_an_unknown_preset_is_an_error(settings):
    with pytest.raises(ConfigError, match="there is no preset 'quik'; did you mean 'quick'"):
        settings.set_preset("quik")
    assert settings.preset == DEFAULT_PRESET and settings.config().preset == DEFAULT_PRESET


def test_the_scene_remembers_preset_and_texts(settings, parameters):
    settings.set_preset("quick")
    settings.set_text(STEPS, "oops")
    again = TrainingSettings(parameters)
    assert (again.preset, again.text(STEPS)) == ("quick", "oops")
    assert again.error(STEPS)


@pytest.mark.parametrize(
    "spoiled", [3, {"preset": 5, "typed": 7}, {"preset": "gone", "typed": {"no.such": "1", STEPS: 3}}], ids=str
)
def test_a_spoiled_memory_is_as_good_as_none(parameters, spoiled):
    parameters.set_value("TrainingSettings", spoiled)
    settings = TrainingSettings(parameters)
    assert settings.preset == DEFAULT_PRESET and settings.config() and settings.overrides == {}


def test_another_scene_brings_other_settings(settings, parameters):
    parameters.set_value("TrainingSettings", {"preset": "quick", "typed": {STEPS: "77"}})
    settings.restore()
    assert (settings.preset, settings.text(STEPS)) == ("quick", "77")


def test_snapshots_are_kept_unless_a_person_says_no(settings):
    settings.set_text("training.pretraining_steps", "100")
    settings.set_text(STEPS, "300")
    assert settings.config().training.snapshot_interval == 20
    assert settings.text("training.snapshot_interval") == "20"
    settings.set_text("training.snapshot_interval", "0")
    assert settings.config().training.snapshot_interval == 0
    settings.set_text("training.snapshot_interval", "7")
    assert settings.config().training.snapshot_interval == 7
