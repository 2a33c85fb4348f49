"""The card of a model is read without torch, and says what is wrong when there is none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from coranet.contract import Case, Datalist, Job, JobKind, Label, ModelCard, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import ModelError

CARD = {
    "validation_dice": {"organ": 0.875, "lesion": 0.625, "cyst": None},
    "best_step": 900,
    "steps": 1000,
    "caution": 0.4,
    "trained_on": {"training": 4, "unlabeled": 20, "validation": 1},
    "method": "coranet",
    "preset": "default",
    "seed": 0,
    "created": 1.7e9,
}


def write_model(folder, **changes):
    content = {
        "schema_version": 1,
        "engine_version": "0.1.0",
        "architecture": {"backbone": "vnet"},
        "preprocessing": {"spacing_mm": [1, 1.5, 2]},
        "labels": [{"value": 1, "name": "organ"}, {"value": 7, "name": "lesion"}],
        "card": CARD,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def a_training(tmp_path):
    cases = Datalist((Case("a", Role.TRAINING, "a.nrrd", "b.nrrd"),), (Label(1, "organ"),))
    return Job.create(tmp_path / "training ü", JobKind.TRAIN, TrainConfig(), cases)


def test_it_says_what_the_file_says(tmp_path):
    card = ModelCard.read(write_model(tmp_path / "model"))
    assert [label.name for label in card.labels] == ["organ", "lesion"]
    assert card.spacing_mm == (1.0, 1.5, 2.0)
    assert card.validation_dice == CARD["validation_dice"]
    assert card.mean_dice == pytest.approx(0.75)
    assert card.trained_on == {"training": 4, "unlabeled": 20, "validation": 1}
    assert (card.steps, card.method, card.preset, card.created) == (1000, "coranet", "default", 1.7e9)


@pytest.mark.parametrize(("axes", "read"), [(["L", "S"], ("L", "S")), ([], ()), (None, ()), (["X", "P"], ("P",))])
def test_it_says_along_which_axes_patches_were_mirrored(tmp_path, axes, read):
    card = ModelCard.read(write_model(tmp_path / "model", card={**CARD, "mirrored_axes": axes}))
    assert card.mirrored_axes == read


def test_a_model_of_a_training_is_found_through_its_job(a_training):
    write_model(a_training.model_folder)
    assert ModelCard.read(a_training.folder) == ModelCard.read(a_training.model_folder)
    assert ModelCard.read(a_training.folder).folder == a_training.model_folder


def test_a_card_without_words_for_people_is_read(tmp_path):
    card = ModelCard.read(write_model(tmp_path, card={}))
    assert (card.mean_dice, card.trained_on, card.created) == (None, {}, 0.0)


def test_a_training_that_is_not_finished_says_so(a_training):
    with pytest.raises(ModelError, match="has not finished, so there is no model yet"):
        ModelCard.read(a_training.folder)


def test_a_segmentation_is_no_model(tmp_path):
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, SegmentConfig("m"), Datalist(()))
    with pytest.raises(ModelError, match="is a segmentation, expected a training"):
        ModelCard.read(job.folder)


def test_a_damaged_job_is_an_error_of_the_model(tmp_path):
    (tmp_path / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        ModelCard.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"card": 5},
        {"card": {"trained_on": 3}},
        {"card": {"validation_dice": [1]}},
        {"card": {"history": [3]}},
        {"card": {"before": 0.5}},
        {"preprocessing": {}},
        {"preprocessing": []},
        {"labels": [{"value": "x"}]},
        {"labels": 3},
        {"schema_version": 2},
        {"architecture": None, "labels": None},
    ],
    ids=str,
)
def test_a_damaged_card_is_named(tmp_path, changes):
    folder = write_model(tmp_path / "model", **changes)
    with pytest.raises(ModelError, match="cannot be read"):
        ModelCard.read(folder)


def test_it_needs_no_torch(tmp_path, repository):
    write_model(tmp_path)
    program = (
        "import sys; from coranet.contract import ModelCard; print(ModelCard.read(sys.argv[1]).steps, "
        "{'torch', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True,
        cwd=repository / "CoraNetSlicer",
    )  # fmt: skip
    assert result.stdout.split() == ["1000", "set()"]


def test_what_came_before_is_told_oldest_first(tmp_path):
    first = {key: CARD[key] for key in ("created", "steps", "trained_on", "validation_dice")}
    second = {**first, "created": 1.8e9, "validation_dice": {}, "reviewed_regions": 12}
    now = {**CARD, "history": [first, second], "before": {"organ": 0.75, "lesion": None}, "reviewed_regions": 3}
    card = ModelCard.read(write_model(tmp_path, card=now))
    assert [earlier.created for earlier in card.history] == [1.7e9, 1.8e9]
    assert [earlier.reviewed_regions for earlier in card.history] == [None, 12]
    assert [earlier.mean_dice for earlier in card.history] == [0.75, None]
    assert card.history[0].trained_on == CARD["trained_on"] and card.history[0].steps == 1000
    assert (card.before, card.mean_before, card.reviewed_regions) == ({"organ": 0.75, "lesion": None}, 0.75, 3)


def test_classes_of_one_component_are_told(tmp_path):
    card = ModelCard.read(write_model(tmp_path, card={**CARD, "single_component": ["organ"]}))
    assert card.single_component == ("organ",)


def test_a_model_that_started_from_nothing_has_no_history(tmp_path):
    card = ModelCard.read(write_model(tmp_path))
    assert (card.history, card.before, card.mean_before, card.reviewed_regions) == ((), {}, None, None)
    assert card.single_component == ()


@pytest.mark.parametrize(
    ("architecture", "names", "expected"),
    [
        ({}, None, ("channel 1",)),
        ({"in_channels": 1}, None, ("channel 1",)),
        ({"in_channels": 2}, ["T1", "FLAIR"], ("T1", "FLAIR")),
        ({"in_channels": 2}, None, ("channel 1", "channel 2")),
    ],
)
def test_it_says_which_channels_the_model_needs(tmp_path, architecture, names, expected):
    card = {**CARD, **({"channels": names} if names else {})}
    assert ModelCard.read(write_model(tmp_path / "model", architecture=architecture, card=card)).channels == expected
