"""A review that was saved with its scene goes on, here or where the files of the case are not."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import slicer
from scene_builders import labels_of
from scene_bundles import saved_and_reloaded
from synthetic_predictions import CASE_ID, write_segmented_job

from coranet.contract import Choice, Decision
from coranet.contract.errors import DataError, JobError
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.results import find_prediction_files, results_in_scene
from CoraNetSlicerLib.review.region_editing import MASK_SEGMENT
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review
from CoraNetSlicerLib.review.review_record import (
    COLUMNS,
    DECISIONS_ATTRIBUTE,
    RECORD_REFERENCE,
    WORKLIST_REFERENCE,
    ReviewHistory,
    ReviewStep,
)
from CoraNetSlicerLib.review.worklist import structure_text


def column(table, name):
    return [table.GetCellText(row, COLUMNS.index(name)) for row in range(table.GetNumberOfRows())]


class TestWorklist:
    def test_has_a_row_for_each_region_in_words(self, review):
        table = review.record.worklist
        regions = review.regions.regions
        assert [table.GetTable().GetColumn(index).GetName() for index in range(6)] == list(COLUMNS)
        assert column(table, "number") == [str(region.number) for region in regions]
        assert column(table, "structure") == [structure_text(region, review.loaded.labels) for region in regions]
        volumes = [float(text) for text in column(table, "mL")]
        assert volumes == pytest.approx([region.volume_ml for region in regions], abs=1e-4)
        assert set(column(table, "status")) == {"open"} and set(column(table, "author")) == {""}

    def test_follows_decisions(self, review):
        review.decide(2, Choice.CONSERVATIVE, "Ada")
        assert column(review.record.worklist, "status")[:3] == ["open", "conservative", "open"]
        assert column(review.record.worklist, "author")[1] == "Ada"
        review.undo()
        assert column(review.record.worklist, "status")[1] == "open"

    def test_belongs_to_the_result(self, review, a_result):
        assert a_result.segmentation.GetNodeReference(WORKLIST_REFERENCE) is review.record.worklist

    def test_what_a_person_has_deleted_comes_back_with_the_next_change(self, context, review, a_result):
        review.decide(1, Choice.KEEP)
        for node in (review.record.worklist, a_result.segmentation.GetNodeReference(RECORD_REFERENCE)):
            context.scene.RemoveNode(node)
        review.decide(2, Choice.KEEP)
        assert column(review.record.worklist, "status")[:2] == ["kept", "kept"]
        assert open_review(context, a_result, None).review == review.review


@pytest.fixture
def decided(review):
    review.decide(1, Choice.RADICAL, 'Jürgen; "x" <&>')
    review.decide(3, Choice.CONSERVATIVE, "Bo")
    review.decide(4, Choice.KEEP)
    return review


def saved_as_mrml(context, folder):
    """Each node in a file of its own beside a .mrml, as the application saves them; read into a new scene."""
    folder.mkdir()
    scene = context.scene
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        if node.IsA("vtkMRMLStorableNode") and node.GetSaveWithScene():
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            if storage is not None:
                storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
                assert storage.WriteData(node), node.GetName()
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    again = SceneContext.standalone()
    again.scene.SetURL(str(folder / "scene.mrml"))
    assert again.scene.Import()
    return again


class TestUndoAfterARestart:
    def test_goes_back_step_by_step_as_if_nothing_had_happened(self, context, review, a_result, tmp_path):
        states = [labels_of(a_result)]
        for number, choice in ((1, "radical"), (2, "conservative"), (1, "conservative"), (3, "keep"), (4, "radical")):
            review.decide(number, choice, "Ada")
            states.append(labels_of(a_result))
        review.undo()
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        reviewed = open_review(again, loaded, None)
        assert reviewed.can_undo and reviewed.can_redo
        assert reviewed.redo() == 4
        np.testing.assert_array_equal(labels_of(loaded), states.pop())
        for number in (4, 3, 1, 2, 1):
            assert reviewed.undo() == number
            np.testing.assert_array_equal(labels_of(loaded), states.pop())
        assert reviewed.undo() is None and not reviewed.can_undo

    def test_decisions_of_which_only_the_files_tell_go_the_latest_first(self, context, review, a_result, its_files):
        before = labels_of(a_result)
        for number, choice in ((2, "radical"), (1, "conservative"), (3, "radical")):
            review.decide(number, choice, "Ada")
        after = labels_of(a_result)
        again = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        np.testing.assert_array_equal(labels_of(again.loaded), after)
        assert again.can_undo and [again.undo() for _ in range(3)] == [3, 1, 2]
        np.testing.assert_array_equal(labels_of(again.loaded), before)
        assert not again.can_undo and [again.redo() for _ in range(3)] == [2, 1, 3]
        np.testing.assert_array_equal(labels_of(again.loaded), after)

    def test_steps_that_an_earlier_version_has_written_are_read(self):
        bits = "eJz7DwABAAEA"
        decisions = [None, {"choice": "radical", "author": "Ada", "time": 1.0}]
        step = {"number": 2, "decisions": decisions, "voxels": 8, "packed": [{"segmentation-1": bits}, {}]}
        read = ReviewHistory.of_text(json.dumps({"done": [step], "undone": []})).peek(back=True)
        assert read.number == 2 and read.decisions == (None, Decision(Choice.RADICAL, "Ada", 1.0))
        assert read.members(back=True)["segmentation-1"].tolist() == [True] * 8

    @pytest.mark.parametrize("text", ["{", "[]", "null", '{"done": [{}]}', '{"done": [1]}', '{"done": 3}', "x" * 20])
    def test_steps_that_are_damaged_are_none(self, text):
        history = ReviewHistory.of_text(text)
        assert history.peek(back=True) is None and history.peek(back=False) is None

    def test_of_many_steps_the_latest_are_kept(self, monkeypatch):
        monkeypatch.setattr("CoraNetSlicerLib.review.review_record._LONGEST_TEXT", 3000)
        history, mask = ReviewHistory(), {"segmentation-1": np.ones(20, bool)}
        for number in range(1, 60):
            history.add(ReviewStep.of(number, (None, Decision("radical", "Jürgen", 1.0)), (mask, mask)))
        again = ReviewHistory.of_text(history.text)
        assert len(history.text) < 3200 and again.peek(back=True).number == 59
        np.testing.assert_array_equal(
            again.peek(back=True).members(back=True)["segmentation-1"], mask["segmentation-1"]
        )


class TestAVolumeThatWasDeleted:
    def test_ends_its_review_and_says_why(self, context, review, a_result):
        review.decide(1, "radical")
        context.scene.RemoveNode(a_result.volume)
        assert not review.is_current
        (loaded,) = results_in_scene(context.scene)
        with pytest.raises(DataError, match="the volume of 'patient 7 CoraNet' is no longer in the scene"):
            open_review(context, loaded, None)


class TestSavedScenes:
    @pytest.mark.parametrize("save", [saved_and_reloaded, saved_as_mrml])
    def test_go_on_without_the_files(self, context, decided, a_result, a_segmented_job, tmp_path, save):
        before, places = labels_of(a_result), decided.place(2).center_ras_mm
        shutil.rmtree(a_segmented_job.folder)
        again = save(context, tmp_path / "saved" if save is saved_as_mrml else tmp_path)
        (loaded,) = results_in_scene(again.scene)
        assert find_prediction_files(loaded.segmentation) is None
        review = open_review(again, loaded, None)
        assert review.review == decided.review and review.regions == decided.regions
        np.testing.assert_array_equal(labels_of(loaded), before)
        assert review.place(2).center_ras_mm == pytest.approx(places, abs=1e-3)
        assert column(review.record.worklist, "status")[0] == "radical"
        # Down to the voxel, also of those decided before the scene was saved.
        for region in review.regions.regions:
            review.decide(region.number, Choice.KEEP)
        for region in review.regions.regions:
            review.decide(region.number, Choice.RADICAL)
        assert not review.can_redo and review.undo() == len(review.regions.regions)

    def test_all_taken_back_is_the_result(self, context, review, a_result, tmp_path):
        before = labels_of(a_result)
        for region in review.regions.regions:
            review.decide(region.number, ("radical", "conservative")[region.number % 2])
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        reviewed = open_review(again, loaded, None)
        for region in reviewed.regions.regions:
            reviewed.decide(region.number, None)
        np.testing.assert_array_equal(labels_of(loaded), before)

    def test_find_the_files_where_they_were(self, context, decided, its_files, tmp_path):
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        assert find_prediction_files(loaded.segmentation).folder == its_files.folder
        reviewed = open_review(again, loaded, find_prediction_files(loaded.segmentation))
        reviewed.decide(2, Choice.RADICAL, "Cy")
        assert '"Cy"' in its_files.review.read_text(encoding="utf-8")

    def test_find_the_files_among_the_jobs_of_a_folder(self, context, decided, a_segmented_job, a_result, tmp_path):
        moved = tmp_path / "moved"
        moved.mkdir()
        a_segmented_job.folder.rename(moved / a_segmented_job.folder.name)
        assert find_prediction_files(a_result.segmentation) is None
        files = find_prediction_files(a_result.segmentation, moved)
        assert files.folder == moved / "segment 1" / "predictions" / CASE_ID

    def test_do_not_take_the_files_of_another_job_that_lies_in_their_place(
        self, context, decided, a_segmented_job, a_result, tmp_path
    ):
        moved = tmp_path / "jobs" / "renamed"
        moved.parent.mkdir()
        a_segmented_job.folder.rename(moved)
        write_segmented_job(a_segmented_job.folder)
        assert find_prediction_files(a_result.segmentation) is None
        assert find_prediction_files(a_result.segmentation, moved.parent).folder == moved / "predictions" / CASE_ID

    def test_an_edit_under_way_leaves_no_mask(self, context, review, a_result, tmp_path):
        review.begin_edit(1)
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        assert loaded.segmentation.GetSegmentation().GetSegment(MASK_SEGMENT) is not None
        open_review(again, loaded, None)
        assert loaded.segmentation.GetSegmentation().GetSegment(MASK_SEGMENT) is None

    def test_a_damaged_review_is_said(self, context, decided, a_result):
        record = a_result.segmentation.GetNodeReference(RECORD_REFERENCE)
        record.SetAttribute(DECISIONS_ATTRIBUTE, "{")
        with pytest.raises(JobError, match="the review in the scene cannot be read"):
            open_review(context, a_result, None)

    def test_the_record_needs_no_file_and_is_not_offered_to_people(self, review, a_result):
        record = a_result.segmentation.GetNodeReference(RECORD_REFERENCE)
        assert record.GetHideFromEditors()
        assert record.GetForceCreateStorageNode() == slicer.vtkMRMLTextNode.CreateStorageNodeNever
