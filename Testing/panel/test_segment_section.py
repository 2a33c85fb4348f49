"""The section Segment: real widgets are clicked, a real process segments, results come into a real scene."""

from __future__ import annotations

import time

import numpy as np
import pytest
import qt
from clicks import cells, choose, click, entries, greyed, tool_tip
from fake_jobs import a_segmentation
from scene_builders import SHAPE_KJI, add_volume, rotated_ijk_to_ras
from segmentation_parts import ReadyEnvironment, a_logic, a_training, write_model
from synthetic_predictions import write_image

from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.segment.presenter import SegmentationPresenter
from CoraNetSlicerLib.segment.section import SegmentSection


@pytest.fixture
def filled_pages():
    return frozenset({"segmentPage"})


@pytest.fixture
def logic(context, tmp_path):
    logic = a_logic(context, tmp_path / "jobs", lambda: QtTicker(30))
    yield logic
    logic.close()


@pytest.fixture
def a_model(logic):
    return a_training(logic.jobsFolder / "2026-11-24 liver")


@pytest.fixture
def make_section(ui, context, application):
    created = []

    def make(logic):
        presenter = SegmentationPresenter(logic, ReadyEnvironment(), Parameters(context.scene), application)
        created.append((SegmentSection(ui, presenter, application), presenter))
        return presenter

    yield make
    for section, presenter in created:
        section.cleanup()
        presenter.close()


@pytest.fixture
def presenter(make_section, logic, a_model):
    return make_section(logic)


def a_scan(context, name="Patient 1", seed=3):
    array = np.random.default_rng(seed).normal(100, 20, SHAPE_KJI).astype(np.float32)
    return add_volume(context, name, array, rotated_ijk_to_ras())


def day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def visible(ui) -> set[str]:
    names = ("segmentVolumeSelector", "segmentVolumesList", "inputFolderEdit", "outputFolderEdit", "inputFolderLabel")
    return {name for name in names if getattr(ui, name).isVisible()}


class TestModel:
    def test_without_one_the_button_says_what_to_do(self, make_section, logic, ui):
        make_section(logic)
        assert "Train one, or choose the folder" in greyed(ui.segmentButton)
        assert "Train one, or choose the folder" in greyed(ui.modelCombo) == ui.modelCardLabel.text

    def test_its_card_is_shown(self, presenter, ui):
        assert entries(ui.modelCombo) == [f"2026-11-24 liver ({day(1.7e9)})"]
        assert "Validation Dice: 0.75" in ui.modelCardLabel.text and ui.modelCardLabel.isVisible()

    def test_another_one_is_chosen(self, presenter, logic, ui):
        a_training(logic.jobsFolder / "older", created=1e9, preset="quick")
        presenter.models.refresh()
        choose(ui.modelCombo, f"older ({day(1e9)})")
        assert presenter.models.chosen.name == "older" and "preset quick" in ui.modelCardLabel.text

    def test_one_is_browsed_for(self, presenter, application, ui, tmp_path):
        application.answers["choose_folder"] = [str(write_model(tmp_path / "friend", preset="paper"))]
        click(ui.browseModelButton)
        assert ui.modelCombo.currentText == f"friend ({day(1.7e9)})" and "preset paper" in ui.modelCardLabel.text
        assert not ui.modelErrorLabel.isVisible()

    def test_a_wrong_folder_is_told_beside_the_field_until_a_right_one_is_chosen(
        self, presenter, application, ui, tmp_path
    ):
        application.answers["choose_folder"] = [str(tmp_path), "", str(write_model(tmp_path / "friend"))]
        click(ui.browseModelButton)
        assert "neither a model nor a training job" in ui.modelErrorLabel.text and ui.modelErrorLabel.isVisible()
        click(ui.browseModelButton)  # nothing is chosen
        click(ui.browseModelButton)
        assert not ui.modelErrorLabel.isVisible() and ui.modelCombo.currentText == f"friend ({day(1.7e9)})"


class TestSource:
    def test_only_what_is_needed_is_seen(self, presenter, ui):
        assert entries(ui.segmentSourceCombo) == ["Volume", "Several volumes", "Folder"]
        assert visible(ui) == {"segmentVolumeSelector"}
        choose(ui.segmentSourceCombo, "Several volumes")
        assert visible(ui) == {"segmentVolumesList"}
        choose(ui.segmentSourceCombo, "Folder")
        assert visible(ui) == {"inputFolderEdit", "outputFolderEdit", "inputFolderLabel"}

    def test_a_volume_is_chosen_and_a_wrong_one_is_told(self, presenter, context, ui):
        assert greyed(ui.segmentButton) == "Choose a volume."
        volume = a_scan(context)
        ui.segmentVolumeSelector.setCurrentNode(volume)
        assert presenter.source.volume is volume and greyed(ui.segmentButton) == ""
        volume.SetAndObserveImageData(None)
        assert "has no voxels" in ui.segmentVolumeErrorLabel.text or presenter.source.volume_error

    def test_volumes_are_ticked(self, presenter, context, ui, process_events):
        choose(ui.segmentSourceCombo, "Several volumes")
        first, second = a_scan(context, "A"), a_scan(context, "B")
        process_events()
        widget = ui.segmentVolumesList
        assert [widget.item(row).text() for row in range(widget.count)] == ["A", "B"]
        widget.item(1).setCheckState(qt.Qt.Checked)
        assert presenter.source.volumes == [second]
        context.scene.RemoveNode(first)
        process_events()
        assert widget.count == 1 and widget.item(0).checkState() == qt.Qt.Checked

    def test_wrong_folders_are_told_beside_the_fields(self, presenter, ui, tmp_path, a_model):
        choose(ui.segmentSourceCombo, "Folder")
        assert greyed(ui.segmentButton) == "Choose the folder with the images."
        ui.inputFolderEdit.setCurrentPath(str(tmp_path / "absent"))
        assert "there is no folder" in ui.inputFolderErrorLabel.text and ui.inputFolderErrorLabel.isVisible()
        write_image(np.ones(SHAPE_KJI, np.float32), tmp_path / "in" / "a.nrrd")
        ui.inputFolderEdit.setCurrentPath(str(tmp_path / "in"))
        assert ui.inputFolderErrorLabel.text == "1 image found." and greyed(ui.segmentButton) == ""
        ui.outputFolderEdit.setCurrentPath(str(a_model.folder))
        assert "holds a job already" in ui.outputFolderErrorLabel.text
        assert "holds a job already" in greyed(ui.segmentButton)
        choose(ui.segmentSourceCombo, "Volume")
        assert not ui.inputFolderErrorLabel.isVisible() and not ui.outputFolderErrorLabel.isVisible()


class TestSegmenting:
    @pytest.mark.slow
    def test_a_click_segments_and_the_result_comes_by_itself(self, presenter, context, ui, process_events):
        ui.segmentVolumeSelector.setCurrentNode(a_scan(context))
        results, ended = [], []
        presenter.loaded.connect(results.append)
        presenter.ended.connect(ended.append)
        click(ui.segmentButton)
        assert "A segmentation is running" in greyed(ui.segmentButton) and greyed(ui.cancelSegmentationButton) == ""
        process_events(until=lambda: results and ended)
        assert cells(ui.segmentCasesTable)[0][0] == "Patient 1"
        assert cells(ui.segmentCasesTable)[0][2] == "Show"
        assert presenter.progress == 1.0
        assert greyed(ui.cancelSegmentationButton) == "No segmentation is running."
        assert "1 cases are segmented." in ui.segmentationStatusLabel.text
        chosen = []
        presenter.chosen.connect(chosen.append)
        click(ui.segmentCasesTable.cellWidget(0, 2))
        assert chosen == [results[0].segmentation]
        context.scene.RemoveNode(chosen[0])
        presenter.changed.send()
        assert cells(ui.segmentCasesTable)[0][2] == "Load"
        click(ui.segmentCasesTable.cellWidget(0, 2))
        assert cells(ui.segmentCasesTable)[0][1] == "loading"
        process_events(until=lambda: len(results) == 2)

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["skip", "cancel"])
    def test_a_case_is_skipped_or_all_are_cancelled(self, make_section, context, tmp_path, ui, process_events, how):
        held_by = tmp_path / "held"
        held_by.touch()
        settings = {"FAKE_SECONDS_A_CASE": "600", "FAKE_HELD_BY": str(held_by)}
        logic = a_logic(context, tmp_path / "jobs", lambda: QtTicker(30), **settings)
        a_training(logic.jobsFolder / "training")
        ended: list = []
        make_section(logic).ended.connect(ended.append)
        ui.segmentVolumeSelector.setCurrentNode(a_scan(context))
        click(ui.segmentButton)
        process_events(until=lambda: any(row[1].startswith("running, ") for row in cells(ui.segmentCasesTable)))
        assert " left." in ui.segmentationStatusLabel.text
        if how == "skip":
            click(ui.segmentCasesTable.cellWidget(0, 2))
        else:
            click(ui.cancelSegmentationButton)
            assert greyed(ui.cancelSegmentationButton) == "It is stopping already."
            held_by.unlink()
        process_events(until=lambda: ended)
        text = {"skip": "skipped", "cancel": "not segmented"}[how]
        assert cells(ui.segmentCasesTable) == [["Patient 1", text, ""]]
        logic.close()

    def test_an_error_at_the_start_is_told_beside_the_button(self, presenter, context, ui, logic):
        ui.segmentVolumeSelector.setCurrentNode(a_scan(context))
        (presenter.models.chosen.card.folder / "model.json").unlink()
        (presenter.models.chosen.card.folder).rmdir()
        click(ui.segmentButton)
        assert "has made no model yet" in ui.segmentErrorLabel.text and ui.segmentErrorLabel.isVisible()


def test_a_table_of_many_cases(presenter, logic, ui):
    names = tuple(f"case {number:03d}" for number in range(130))
    job = a_segmentation(logic.jobsFolder / "many", "finished", names)
    presenter.attach(logic.attach(job.folder))
    assert [row[0] for row in cells(ui.segmentCasesTable)] == list(names)
    assert cells(ui.segmentCasesTable)[39][2] == "Load"
    assert "failed: the image is flat" in cells(ui.segmentCasesTable)[-1][1]
    assert tool_tip(ui.segmentCasesTable.cellWidget(0, 2)).startswith("Load the result into the scene")


def test_what_is_let_go_of_hears_nothing_more(ui, context, application, logic, a_model):
    presenter = SegmentationPresenter(logic, ReadyEnvironment(), Parameters(context.scene), application)
    section = SegmentSection(ui, presenter, application)
    section.cleanup()
    presenter.close()
    ui.segmentSourceCombo.setCurrentIndex(2)
    assert presenter.source.kind.value == "volume" and visible(ui) == {"segmentVolumeSelector"}


class TestResuming:
    def test_without_a_segmentation_the_button_says_why(self, presenter, ui):
        assert greyed(ui.resumeSegmentationButton) == "There is no segmentation yet."

    def test_one_that_was_stopped_can_be_resumed(self, presenter, logic, ui):
        job = a_segmentation(logic.jobsFolder / "stopped", "stopped", ("A", "B"))
        presenter.attach(logic.attach(job.folder))
        assert greyed(ui.resumeSegmentationButton) == "" and "can be resumed" in ui.segmentationStatusLabel.text
