"""A model folder holds all that is needed, and says what is wrong when something is not."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import ModelError
from coranet.model_package import ModelPackage


@pytest.fixture
def a_model(a_random_model) -> ModelPackage:
    """An untrained model on disk."""
    return a_random_model()


def rewrite(package: ModelPackage, **changes) -> None:
    path = package.folder / "model.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_model_comes_back_as_it_was(a_model):
    assert ModelPackage.read(a_model.folder) == a_model


def test_the_weights_come_back_bit_for_bit(a_model, a_cpu):
    stored = torch.load(a_model.folder / "weights.pt", weights_only=True)
    loaded = ModelPackage.read(a_model.folder).load_network(a_cpu)
    assert not loaded.training
    assert all(torch.equal(stored[name], tensor) for name, tensor in loaded.state_dict().items())


def test_a_model_is_found_through_the_job_that_made_it(a_trained_job):
    assert ModelPackage.read(a_trained_job.folder) == ModelPackage.read(a_trained_job.model_folder)


def test_a_model_can_be_copied_and_used_alone(a_trained_job, awkward_path, a_cpu):
    copy = shutil.copytree(a_trained_job.model_folder, awkward_path / "my model")
    assert sorted(path.name for path in copy.iterdir()) == ["model.json", "weights.pt"]
    ModelPackage.read(copy).load_network(a_cpu)


def test_the_card_says_how_the_model_came_about(a_trained_job):
    card = ModelPackage.read(a_trained_job.folder).card
    assert set(card["validation_dice"]) == {"organ", "lesion"}
    assert card["trained_on"] == {"training": 2, "unlabeled": 2, "validation": 1}
    assert (card["steps"], card["preset"], card["seed"]) == (10, "quick", 0)
    assert card["best_step"] in (5, 10)


def test_the_keys_are_those_of_the_document(a_trained_job, repository):
    text = (
        (repository / "docs" / "reference" / "job-directory.md").read_text(encoding="utf-8").partition("## A model")[2]
    )
    content = json.loads((a_trained_job.model_folder / "model.json").read_text(encoding="utf-8"))
    assert [key for key in (*content, *content["card"]) if f"`{key}`" not in text] == []


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError) as raised:
        ModelPackage.read(tmp_path)
    assert f"'{tmp_path}' is neither a model nor a training job" in str(raised.value)


def test_a_training_that_has_not_finished_has_no_model(tmp_path):
    cases = Datalist((Case("a", Role.TRAINING, "a.nrrd", "b.nrrd"),), (Label(1, "a"),))
    job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), cases)
    with pytest.raises(ModelError, match="has not finished, so there is no model yet; let it finish or resume it"):
        ModelPackage.read(job.folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"labels": [{"value": 0, "name": "nothing"}]},
        {"labels": [{"name": "nothing"}]},
        {"architecture": {"backbone": "vnet"}},
        {"preprocessing": {"spacing_mm": [1, 1, 1]}},
        {"preprocessing": 5},
        {"labels": [{"value": 1, "name": "organ"}]},
        {"card": {"reference": {"names": ["lesion", "organ"], "cases": []}}},
        {"card": 5},
    ],
    ids=str,
)
def test_a_damaged_card_is_named(a_model, changes):
    rewrite(a_model, **changes)
    with pytest.raises(ModelError) as raised:
        ModelPackage.read(a_model.folder)
    assert str(a_model.folder) in str(raised.value)


def test_a_structure_may_get_another_name(a_model):
    labels = [{"value": 1, "name": "liver"}, {"value": 7, "name": "lesion"}]
    rewrite(a_model, labels=labels, card={"reference": {"names": ["organ", "lesion"], "cases": []}})
    assert [label.name for label in ModelPackage.read(a_model.folder).labels] == ["liver", "lesion"]


def test_a_damaged_model_has_one_remedy(a_model):
    rewrite(a_model, architecture={"backbone": "vnet"})
    with pytest.raises(ModelError, match=r"architecture cannot be read \(.*\)\); copy its folder again") as raised:
        ModelPackage.read(a_model.folder)
    assert "train the model again" not in str(raised.value)
    rewrite(a_model, schema_version=2)
    with pytest.raises(ModelError, match=r"another version of CoraNet \(schema 2, expected 1\); use that version"):
        ModelPackage.read(a_model.folder)


def test_what_a_card_lacks_is_named(a_model):
    path = a_model.folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["labels"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="model.json lacks labels"):
        ModelPackage.read(a_model.folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"null"])
def test_a_card_that_is_no_card_is_named(a_model, content):
    (a_model.folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError) as raised:
        ModelPackage.read(a_model.folder)
    assert str(a_model.folder) in str(raised.value)


@pytest.mark.parametrize("damage", ["absent", "cut", "other"])
def test_weights_that_cannot_be_used_are_named(a_model, a_cpu, damage):
    path = a_model.folder / "weights.pt"
    if damage == "absent":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="copy the model folder again") as raised:
        a_model.load_network(a_cpu)
    assert str(a_model.folder) in str(raised.value)
    assert "\n" not in str(raised.value)
