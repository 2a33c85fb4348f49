"""Teach back by clicking: reviewed cases are listed, a real process begins with them, before and after are shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import qt
import SimpleITK as sitk
from clicks import cells, click, greyed
from job_fixtures import LogicOfFakeEngine, fake_runner, until_its_jobs_end
from pythonqt import unwrap
from reviewable import a_reviewable_job
from segmentation_parts import write_model
from synthetic_predictions import LABELS, synthetic_heads, write_image

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.events import Finished
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.panel import Panel

HEADS = synthetic_heads()


@pytest.fixture(autouse=True)
def a_ready_environment(monkeypatch):
    presenter = "CoraNetSlicerLib.environment.presenter.EnvironmentPresenter"
    monkeypatch.setattr(f"{presenter}.check", lambda _: None)
    monkeypatch.setattr(f"{presenter}.reason_not_ready", "")


@pytest.fixture
def held(awkward_path):
    """While this file exists, no training ends."""
    return awkward_path / "held"


@pytest.fixture
def logic(context, awkward_path, held):
    runner = fake_runner(FAKE_HELD_BY=str(held))
    logic = LogicOfFakeEngine(context, runner, awkward_path / "jobs", makeTicker=lambda: QtTicker(30))
    yield from until_its_jobs_end(logic)


@pytest.fixture
def a_training(logic):
    folder = logic.jobsFolder / "train 1"
    write_image(HEADS["segmentation"].astype(np.float32), folder / "images" / "a.nrrd")
    write_image(HEADS["segmentation"], folder / "labels" / "a.nrrd")
    cases = (Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"), Case("v", Role.VALIDATION, "/v", "/l"))
    labels = tuple(Label(**label) for label in LABELS)
    job = Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), Datalist(cases, labels))
    write_model(
        job.model_folder, LABELS, preset="quick", time="20 min", validation_dice={"Pancreas": 0.8, "Tumor": 0.6}
    )
    return job


@pytest.fixture
def panel(ui, logic, a_training, application):
    panel = Panel(ui, logic, application)
    panel.set_active(True)
    yield panel
    panel.cleanup()


@pytest.fixture
def load(logic, panel, ui, process_events):
    def load(name: str):
        job = a_reviewable_job(logic.jobsFolder / name)
        (loaded,) = logic.loadResults(job.folder, show=False)
        panel.overlays.show(loaded)
        panel.overlays.choose(str(loaded.segmentation.GetID()))
        process_events(until=lambda: not panel.review.reason_not_decidable)
        process_events(until=ui.radicalRegionButton.isEnabled)
        return loaded

    return load


def ticks(ui) -> list[str]:
    items = [ui.reviewedCasesList.item(row) for row in range(ui.reviewedCasesList.count)]
    return [item.text() for item in items if item.checkState() == qt.Qt.Checked]


def test_without_reviewed_cases_it_says_what_to_do(panel, ui):
    assert greyed(ui.improveButton) == "Review places of at least one case first."
    assert ui.teachBackSummaryLabel.text == "No reviewed case yet. Decide on places of a result above."
    assert not ui.reviewedCasesList.isVisible() and not ui.improvementTable.isVisible()


@pytest.mark.slow
def test_reviewed_cases_are_listed_and_counted(panel, load, ui, process_events):
    load("segment 1")
    click(ui.radicalRegionButton)
    click(ui.keepRegionButton)
    process_events(until=lambda: ticks(ui))
    load("segment 2")
    click(ui.radicalRegionButton)
    process_events(until=lambda: len(ticks(ui)) == 2)
    assert ticks(ui)[0].startswith("patient 7 (segment 1): 2 of ")
    assert ui.improveButton.text == "Improve the model with 3 reviewed places"
    assert ui.teachBackSummaryLabel.text == (
        "3 reviewed places in 2 cases. Improves 'train 1', the model chosen under Segment. It takes about 20 min, the "
        "time set for that model."
    )
    ui.reviewedCasesList.item(0).setCheckState(qt.Qt.Unchecked)
    assert ui.improveButton.text == "Improve the model with 1 reviewed place"
    ui.reviewedCasesList.item(1).setCheckState(qt.Qt.Unchecked)
    assert greyed(ui.improveButton) == "Tick at least one case."


def test_of_a_model_that_was_trained_by_steps_the_measured_time_is_told(panel, a_training, logic):
    write_model(a_training.model_folder, LABELS, preset="quick", time="")
    panel.segmentation.models.refresh()
    assert panel.teach_back.time_text == "", "nobody knows"
    writer = a_training.open_events()
    writer.write(Finished("The model is ready.", 754.0))
    writer.close()
    panel.teach_back._durations.clear()
    assert panel.teach_back.time_text == "It takes about 13 min, as the training of that model did."


@pytest.mark.slow
def test_undone_decisions_leave_the_list(panel, load, ui, process_events):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    click(ui.undoRegionButton)
    process_events(until=lambda: not ticks(ui))
    assert greyed(ui.improveButton) == "Review places of at least one case first."


@pytest.mark.slow
def test_a_training_goes_on_from_the_model_and_before_and_after_are_shown(panel, load, logic, ui, process_events, held):
    held.touch()
    loaded = load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    click(ui.trustCertainCheckBox)
    click(ui.improveButton)
    assert greyed(ui.improveButton) == "The reviewed cases are being written."
    assert ui.teachBackStatusLabel.text == "Writing the reviewed cases ..."
    process_events(until=lambda: panel.training.handle is not None)
    assert ui.teachBackStatusLabel.text.startswith("Improving ")
    job = panel.training.handle.job
    name = loaded.segmentation.GetName()
    assert panel.calls.text.splitlines()[-2:] == [
        f'logic.promote("{name}", trustCertain=True)',
        f'logic.improve("{(logic.jobsFolder / "train 1").as_posix()}", ["{name}"], folder="{job.folder.as_posix()}")',
    ]
    assert job.read_config().training.initial_model.startswith(str(logic.jobsFolder / "train 1"))
    partial = [case for case in job.read_datalist().cases if case.is_partial]
    assert sitk.GetArrayFromImage(sitk.ReadImage(partial[0].known)).mean() > 0.5, "the certain region is known, too"
    write_improved(job.model_folder)
    held.unlink()
    process_events(until=lambda: ui.improvementTable.isVisible())
    assert cells(ui.improvementTable) == [
        ["Pancreas", "0.800", "0.850"],
        ["Tumor", "0.600", "0.700"],
        ["Mean", "0.700", "0.775"],
    ]
    assert job.folder.name in [row.name for row in panel.jobs.rows]


def write_improved(folder: Path) -> None:
    earlier = {"created": 1.7e9, "steps": 1000, "trained_on": {}, "validation_dice": {"Pancreas": 0.8}}
    write_model(
        folder,
        LABELS,
        history=[earlier],
        before={"Pancreas": 0.8, "Tumor": 0.6},
        validation_dice={"Pancreas": 0.85, "Tumor": 0.7},
        reviewed_regions=12,
    )


@pytest.mark.slow
def test_what_came_of_it_is_told_and_the_model_can_be_used(panel, load, ui, process_events):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    click(ui.improveButton)
    process_events(until=lambda: panel.training.handle is not None)
    write_improved(panel.training.handle.job.model_folder)
    name = panel.training.handle.folder.name
    process_events(until=lambda: panel.training.handle.status.is_over and not panel.training.is_active)
    process_events(until=lambda: "is ready" in ui.teachBackStatusLabel.text)
    assert ui.teachBackStatusLabel.text == f"'{name}' is ready. Mean validation Dice: 0.700 before, 0.775 after."
    panel.segmentation.models.refresh()
    panel.segmentation.models.choose(panel.training.handle.folder.parent / "train 1")
    assert ui.useImprovedButton.isVisible()
    click(ui.useImprovedButton)
    assert panel.segmentation.models.chosen.name == name and not ui.useImprovedButton.isVisible()


def test_the_card_under_segment_tells_before_and_after(panel, logic, ui):
    write_improved(logic.jobsFolder / "friend" / "model")
    panel.segmentation.models.choose(logic.jobsFolder / "friend" / "model")
    text = ui.modelCardLabel.text
    assert "Continues a model of 1,000 steps, with 12 reviewed places" in text
    assert "before it had, on the same cases: 0.70 (Pancreas 0.80, Tumor 0.60)" in text
    assert [row[1:] for row in cells(ui.improvementTable)][-1] == ["0.700", "0.775"]


@pytest.mark.slow
def test_what_cannot_be_taught_is_said(panel, load, logic, a_training, ui, process_events):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    card = a_training.model_folder / "model.json"
    content = json.loads(card.read_text())
    content["labels"] = [{"value": 1, "name": "Liver", "color": None}]
    card.write_text(json.dumps(content))
    click(ui.improveButton)
    process_events(until=lambda: ui.teachBackErrorLabel.isVisible())
    assert "Liver" in ui.teachBackErrorLabel.text
    assert panel.training.handle is None and ui.improveButton.isEnabled()


@pytest.mark.slow
def test_one_training_at_a_time(panel, load, ui, process_events, monkeypatch):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    monkeypatch.setattr("CoraNetSlicerLib.train.presenter.TrainingPresenter.is_active", True)
    panel.teach_back.changed.send()
    assert greyed(ui.improveButton) == "A training is running. Stop it, or wait until it is finished."


@pytest.mark.slow
def test_how_it_ended_is_said_also_without_a_validation_case(panel, load, logic, ui, process_events):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    click(ui.improveButton)
    process_events(until=lambda: panel.training.handle is not None)
    name = panel.training.handle.folder.name
    process_events(until=lambda: panel.training.handle.status.is_over and not panel.training.is_active)
    process_events(until=lambda: "is ready" in ui.teachBackStatusLabel.text)
    assert ui.teachBackStatusLabel.text == (
        f"'{name}' is ready. Its quality was not measured, because no labeled case was set aside for validation. "
        "Segment a reviewed case with it to compare."
    )
    assert not ui.improvementTable.isVisible()


@pytest.mark.slow
@pytest.mark.parametrize("is_away", [False, True], ids=["on its page", "on another page meanwhile"])
def test_what_came_of_it_comes_into_sight(panel, load, logic, ui, process_events, is_away):
    load("segment 1")
    click(ui.radicalRegionButton)
    process_events(until=lambda: ticks(ui))
    ui.teachBackSection.collapsed = False
    process_events()
    page, status = unwrap(ui.reviewPage), unwrap(ui.teachBackStatusLabel)
    page.verticalScrollBar().setValue(0)

    def is_in_sight() -> bool:
        top = status.mapTo(page.viewport(), status.rect().topLeft()).y()
        return top >= 0 and top + status.height() <= page.viewport().height()

    click(ui.improveButton)
    page.setVisible(not is_away)
    process_events(until=lambda: "is ready" in ui.teachBackStatusLabel.text)
    page.setVisible(True)
    # It scrolls when Qt has laid out what is new.
    process_events(until=lambda: page.verticalScrollBar().value() > 0 and is_in_sight())


@pytest.mark.slow
def test_reviews_whose_volume_was_deleted_are_named(panel, load, context, ui, process_events):
    loaded = load("segment 1")
    click(ui.radicalRegionButton)
    click(ui.keepRegionButton)
    process_events(until=lambda: ticks(ui))
    context.scene.RemoveNode(loaded.volume)
    process_events(until=lambda: not ticks(ui))
    assert ui.teachBackSummaryLabel.text.startswith("2 reviewed places of 'patient 7 CoraNet' cannot be used")
    assert "Load its result again" in ui.teachBackSummaryLabel.text
