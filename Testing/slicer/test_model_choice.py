"""The models at hand are found, described, remembered; what is no model is refused in a sentence."""

from __future__ import annotations

import pytest
from segmentation_parts import SettingsApplication, a_logic, a_training, write_model

from coranet.contract import ModelCard
from coranet.contract.errors import ModelError
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.jobs.model_choice import ModelChoice, card_text


@pytest.fixture
def logic(context, tmp_path):
    return a_logic(context, tmp_path / "jobs ü")


@pytest.fixture
def application(context):
    return SettingsApplication(context.scene)


@pytest.fixture
def make_choice(logic, context, application):
    return lambda: ModelChoice(logic, Parameters(context.scene), application)


def names(choice) -> list[str]:
    return [entry.name for entry in choice.entries]


def test_without_a_training_there_is_none_and_it_says_what_to_do(make_choice):
    choice = make_choice()
    assert (choice.entries, choice.chosen, choice.text) == ((), None, "")
    assert "Train one" in choice.reason_missing


def test_finished_trainings_are_offered_the_latest_first_and_chosen(make_choice, logic):
    a_training(logic.jobsFolder / "old", created=1e9)
    a_training(logic.jobsFolder / "new", created=2e9)
    a_training(logic.jobsFolder / "still running", finished=False)
    choice = make_choice()
    assert names(choice) == ["new", "old"]
    assert choice.chosen.name == "new" and not choice.reason_missing


def test_a_model_that_comes_later_is_found(make_choice, logic):
    choice = make_choice()
    received = []
    choice.changed.connect(lambda: received.append(names(choice)))
    a_training(logic.jobsFolder / "new")
    choice.refresh()
    assert received == [["new"]] and choice.chosen.name == "new"


def test_a_chosen_one_stays_when_a_newer_one_comes(make_choice, logic):
    a_training(logic.jobsFolder / "old", created=1e9)
    choice = make_choice()
    choice.choose(logic.jobsFolder / "old")
    a_training(logic.jobsFolder / "new", created=2e9)
    choice.refresh()
    assert names(choice) == ["new", "old"] and choice.chosen.name == "old"


def test_a_folder_is_remembered_by_scene_and_machine(make_choice, tmp_path):
    folder = write_model(tmp_path / "a model of a friend")
    make_choice().choose(folder)
    again = make_choice()
    assert again.chosen.folder == folder and names(again) == ["a model of a friend"]


def test_a_folder_that_was_chosen_is_offered_in_other_scenes_too(make_choice, tmp_path, context):
    make_choice().choose(write_model(tmp_path / "a model of a friend"))
    Parameters(context.scene).set_text("SegmentModel", "")
    assert names(make_choice()) == ["a model of a friend"]


def test_what_is_no_model_is_refused_and_the_choice_stays(make_choice, logic, tmp_path):
    a_training(logic.jobsFolder / "good")
    running = a_training(logic.jobsFolder / "running", finished=False)
    choice = make_choice()
    for folder, text in ((tmp_path, "neither a model nor a training"), (running.folder, "has not finished")):
        with pytest.raises(ModelError, match=text):
            choice.choose(folder)
    assert choice.chosen.name == "good" and choice.entries == make_choice().entries


@pytest.mark.parametrize("created", [1e300, 2.0**63, -1.0, -1e15, 2.6e11])
def test_a_model_of_a_clock_that_was_wrong_is_offered_without_a_date(make_choice, logic, created):
    a_training(logic.jobsFolder / "good", created=1.8e9)
    a_training(logic.jobsFolder / "odd", created=created)
    choice = make_choice()
    texts = {entry.name: entry.text for entry in choice.entries}
    assert texts["odd"] == "odd" and texts["good"].startswith("good (20")
    choice.choose(logic.jobsFolder / "odd")
    assert choice.text


def test_a_model_that_is_gone_is_told(make_choice, logic, tmp_path):
    folder = write_model(tmp_path / "a")
    choice = make_choice()
    choice.choose(folder)
    (folder / "model.json").unlink()
    choice.refresh()
    assert choice.chosen is None and str(folder) in choice.error == choice.reason_missing


def test_a_damaged_model_among_the_jobs_hides_no_other(make_choice, logic):
    a_training(logic.jobsFolder / "good")
    (a_training(logic.jobsFolder / "damaged").model_folder / "model.json").write_text("{", encoding="utf-8")
    assert names(make_choice()) == ["good"]


def test_the_card_is_told_in_lines(tmp_path):
    lines = card_text(ModelCard.read(write_model(tmp_path))).splitlines()
    assert lines[:4] == [
        "Structures: Liver, Tumor",
        "Spacing: 0.8 x 0.8 x 2.5 mm",
        "Validation Dice: 0.75 (Liver 0.88, Tumor 0.62)",
        "Cases: 4 labeled, 20 unlabeled, 1 for validation",
    ]
    assert lines[4].startswith("CoraNet, preset default, 1,000 steps, 2023-11-1")


def test_the_card_of_a_training_that_was_planned_says_its_time_and_how_it_was_used(make_choice, logic):
    plan = ["Works at 1.4 mm.", "4,300 steps fit into 1 h."]
    a_training(logic.jobsFolder / "new", time="1 h", plan=plan)
    choice = make_choice()
    assert choice.text.splitlines()[4].startswith("CoraNet, preset default, 1 h, 1,000 steps, 20")
    assert choice.plan == "Works at 1.4 mm.\n4,300 steps fit into 1 h."
    a_training(logic.jobsFolder / "newer", created=2e9)
    choice.refresh()
    assert choice.plan == ""


@pytest.mark.parametrize(
    ("card", "line"),
    [
        ({"validation_dice": {}}, "Not validated: it learned from all labeled cases"),
        ({"validation_dice": {"Liver": 0.5, "Tumor": None}}, "Validation Dice: Liver 0.50"),
        ({"channels": ["T1", "FLAIR"]}, "Channels: T1, FLAIR"),
    ],
)
def test_a_model_says_what_it_needs_and_how_little_was_validated(tmp_path, card, line):
    assert line in card_text(ModelCard.read(write_model(tmp_path, **card))).splitlines()
