"""An edit paints in its region alone, with the Segment Editor's own logic; what it does elsewhere is put back."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import image_data, labels_of
from scene_bundles import saved_and_reloaded
from synthetic_predictions import PANCREAS, TUMOR, synthetic_heads
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract import Choice
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.results import results_in_scene
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.region_editing import MASK_SEGMENT, MODULE_EDITOR, PANEL_EDITOR
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review
from CoraNetSlicerLib.review.segment_surfaces import has_surface

RESULT = synthetic_heads()["segmentation"]
PANCREAS_ID, TUMOR_ID = f"segmentation-{PANCREAS}", f"segmentation-{TUMOR}"


@pytest.fixture
def region_map(its_files):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.region_map)))


@pytest.fixture
def paint(context, a_result):
    """Paints an array (k, j, i) with the Segment Editor: `paint(editor, segment id, mask)`."""

    def stroke(editor, identifier, mask):
        logic = slicer.vtkSlicerSegmentEditorLogic()
        logic.SetMRMLScene(context.scene)
        logic.SetSegmentEditorNode(editor)
        editor.SetSelectedSegmentID(identifier)
        matrix = vtkMatrix4x4()
        a_result.volume.GetIJKToRASMatrix(matrix)
        brush = slicer.vtkOrientedImageData()
        brush.DeepCopy(image_data(mask.astype(np.uint8)))
        brush.SetImageToWorldMatrix(matrix)
        mode = slicer.vtkSlicerSegmentEditorLogic.ModificationModeAdd
        logic.ModifySegmentByLabelmap(a_result.segmentation, identifier, brush, mode, False, False)

    return stroke


def everywhere():
    return np.ones(RESULT.shape, bool)


def free_paint(a_result, identifier, mask):
    """Changes a segment without asking any mask, as scripts and other modules can."""
    image = a_result.segmentation.GetSegmentation().GetSegment(identifier).GetRepresentation("Binary labelmap")
    value = a_result.segmentation.GetSegmentation().GetSegment(identifier).GetLabelValue()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(RESULT.shape)
    voxels[mask] = value
    image.Modified()


class TestBegin:
    def test_the_editor_is_ready(self, context, review, a_result):
        number = next(region.number for region in review.regions.regions if region.label_values == (TUMOR,))
        editor = review.begin_edit(number)
        assert editor is context.scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        assert editor.GetSegmentationNode() is a_result.segmentation
        assert editor.GetSourceVolumeNode() is a_result.volume
        assert editor.GetSelectedSegmentID() == TUMOR_ID and editor.GetMaskSegmentID() == MASK_SEGMENT
        assert editor.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
        assert review.editing.number == number and not review.can_undo

    def test_paint_is_active_until_the_end(self, review):
        editor = review.begin_edit(1)
        assert editor.GetActiveEffectName() == "Paint"
        review.end_edit(False)
        assert not editor.GetActiveEffectName() and review.editing.editor is None

    def test_the_editor_of_the_panel_is_another_one(self, context, review):
        editor = review.begin_edit(1, PANEL_EDITOR)
        assert editor is context.scene.GetSingletonNode(PANEL_EDITOR, "vtkMRMLSegmentEditorNode")
        assert review.editing.editor is editor
        assert context.scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode") is None
        review.editing.pause(True)
        assert not editor.GetActiveEffectName()
        review.editing.pause(False)
        assert editor.GetActiveEffectName() == "Paint"

    def test_the_mask_is_the_region_hidden_in_a_layer_of_its_own(self, review, a_result, region_map):
        review.begin_edit(2)
        segmentation = a_result.segmentation.GetSegmentation()
        assert segmentation.GetSegmentIDsForLayer(segmentation.GetLayerIndex(MASK_SEGMENT)) == (MASK_SEGMENT,)
        assert not a_result.segmentation.GetDisplayNode().GetSegmentVisibility(MASK_SEGMENT)
        masked = review.layers.paint({MASK_SEGMENT: 1}, np.uint8)
        np.testing.assert_array_equal(masked == 1, region_map == 2)

    def test_no_surface_is_made_of_it(self, review, a_result):
        make_surfaces(a_result.segmentation, a_result.overlays)
        review.begin_edit(2)
        assert not has_surface(a_result.segmentation, MASK_SEGMENT)
        assert has_surface(a_result.segmentation, PANCREAS_ID)

    def test_one_at_a_time(self, review):
        review.begin_edit(2)
        for action in (lambda: review.begin_edit(1), lambda: review.decide(1, "keep"), review.undo, review.promote):
            with pytest.raises(DataError, match="region 2 is being edited; keep or discard the edit first"):
                action()

    def test_without_one_there_is_nothing_to_end(self, review):
        with pytest.raises(DataError, match="no region is being edited"):
            review.end_edit(True)


class TestEnd:
    def test_what_was_painted_in_the_region_is_kept(self, review, a_result, region_map, paint):
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        assert review.end_edit(accept=True, author="Ada") == 0
        expected = np.where(region_map == 1, PANCREAS, RESULT)
        np.testing.assert_array_equal(labels_of(a_result), expected)
        assert review.status(1) == "edited" and review.decision(1).author == "Ada"
        assert a_result.segmentation.GetSegmentation().GetSegment(MASK_SEGMENT) is None
        assert review.undo() == 1
        np.testing.assert_array_equal(labels_of(a_result), RESULT)
        assert review.redo() == 1
        np.testing.assert_array_equal(labels_of(a_result), expected)

    def test_classes_replace_each_other_and_the_mask_remains(self, review, a_result, region_map, paint):
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        paint(editor, TUMOR_ID, everywhere())
        masked = review.layers.paint({MASK_SEGMENT: 1}, np.uint8)
        np.testing.assert_array_equal(masked == 1, region_map == 1)
        review.end_edit(accept=True)
        layers = review.layers
        assert not layers.paint({PANCREAS_ID: 1}, np.uint8)[region_map == 1].any()
        assert layers.paint({TUMOR_ID: 1}, np.uint8)[region_map == 1].all()

    def test_hidden_classes_give_way_too_and_are_hidden_again(self, review, a_result, region_map, paint):
        display = a_result.segmentation.GetDisplayNode()
        display.SetSegmentVisibility(TUMOR_ID, False)
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        review.end_edit(accept=True)
        assert not review.layers.paint({TUMOR_ID: 1}, np.uint8)[region_map == 1].any()
        assert not display.GetSegmentVisibility(TUMOR_ID) and display.GetSegmentVisibility(PANCREAS_ID)

    def test_a_discarded_edit_leaves_nothing(self, review, a_result, paint):
        review.decide(1, Choice.RADICAL)
        before = labels_of(a_result)
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        assert review.end_edit(accept=False) == 0
        np.testing.assert_array_equal(labels_of(a_result), before)
        assert review.status(1) == "radical" and review.editing.number is None

    @pytest.mark.parametrize("accept", [True, False])
    def test_what_was_changed_outside_is_put_back_and_counted(self, review, a_result, region_map, accept):
        review.begin_edit(1)
        free_paint(a_result, PANCREAS_ID, everywhere())
        outside = (region_map != 1) & (RESULT != PANCREAS)
        lost = (region_map != 1) & (RESULT == TUMOR)
        assert review.end_edit(accept) == outside.sum() + lost.sum()
        expected = np.where((region_map == 1) & accept, PANCREAS, RESULT)
        np.testing.assert_array_equal(labels_of(a_result), expected)

    def test_a_class_that_was_deleted_meanwhile_comes_back(self, review, a_result):
        review.begin_edit(1)
        a_result.segmentation.GetSegmentation().RemoveSegment(TUMOR_ID)
        review.end_edit(accept=False)
        np.testing.assert_array_equal(labels_of(a_result), RESULT)

    def test_a_segment_that_was_added_meanwhile_stays(self, review, a_result):
        review.begin_edit(1)
        identifier = a_result.segmentation.GetSegmentation().AddEmptySegment("mine")
        review.end_edit(accept=True)
        assert a_result.segmentation.GetSegmentation().GetSegment(identifier) is not None

    def test_surfaces_of_unchanged_segments_are_kept(self, review, a_result, paint):
        make_surfaces(a_result.segmentation, a_result.overlays)
        surfaces = [
            a_result.segmentation.GetSegmentation().GetSegment(segment).GetRepresentation("Closed surface")
            for segment in (PANCREAS_ID, TUMOR_ID)
        ]
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        review.end_edit(accept=False)
        assert [
            a_result.segmentation.GetSegmentation().GetSegment(segment).GetRepresentation("Closed surface")
            for segment in (PANCREAS_ID, TUMOR_ID)
        ] == surfaces

    def test_the_settings_of_the_editor_come_back(self, context, review):
        editor = review.begin_edit(1)
        review.end_edit(False)
        editor.SetOverwriteMode(editor.OverwriteAllSegments)
        editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
        assert review.begin_edit(2) is editor
        review.end_edit(True)
        assert editor.GetOverwriteMode() == editor.OverwriteAllSegments
        assert editor.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments
        assert editor.GetMaskSegmentID() != MASK_SEGMENT


class TestEditsOnDisk:
    def test_come_back_with_the_result(self, context, review, a_result, its_files, paint):
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        review.end_edit(True, "Ada")
        expected = labels_of(a_result)
        again = load_prediction(context, its_files, a_result.volume)
        reviewed = open_review(context, again, its_files)
        np.testing.assert_array_equal(labels_of(again), expected)
        assert reviewed.status(1) == "edited" and reviewed.warnings == ()

    def test_the_file_follows_undo(self, context, review, a_result, its_files, region_map, paint):
        for identifier in (PANCREAS_ID, TUMOR_ID):
            editor = review.begin_edit(1)
            paint(editor, identifier, everywhere())
            review.end_edit(True)
        review.undo()
        written = sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.reviewed)))
        np.testing.assert_array_equal(written, np.where(region_map == 1, PANCREAS, RESULT))

    def test_that_are_in_no_file_are_to_be_reviewed_again(self, context, review, a_result, its_files, paint):
        editor = review.begin_edit(1)
        paint(editor, PANCREAS_ID, everywhere())
        review.end_edit(True)
        review.decide(2, Choice.RADICAL)
        its_files.reviewed.unlink()
        reviewed = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        assert set(reviewed.review.decisions) == {2}
        assert "What was painted in 1 edited regions" in reviewed.warnings[0]


class TestWhatAnEditLeaves:
    def test_undo_in_the_segment_editor_does_not_leave_the_mask_in_the_result(self, review, a_result, region_map):
        segmentation, history = a_result.segmentation.GetSegmentation(), slicer.vtkSegmentationHistory()
        history.SetSegmentation(segmentation)
        review.begin_edit(1)
        history.SaveState()
        review.end_edit(accept=False)
        history.RestorePreviousState()
        assert MASK_SEGMENT in segmentation.GetSegmentIDs()
        review.begin_edit(2)
        masked = review.layers.paint({MASK_SEGMENT: 1}, np.uint8)
        np.testing.assert_array_equal(masked == 1, region_map == 2)
        review.end_edit(accept=True)
        assert segmentation.GetSegmentIDs() == (PANCREAS_ID, TUMOR_ID)

    def test_an_editor_of_a_scene_that_was_saved_during_an_edit_paints_again(self, context, review, tmp_path):
        review.begin_edit(1)
        again = saved_and_reloaded(context, tmp_path)
        editor = again.scene.GetSingletonNode(MODULE_EDITOR, "vtkMRMLSegmentEditorNode")
        assert editor.GetMaskSegmentID() == MASK_SEGMENT
        (loaded,) = results_in_scene(again.scene)
        open_review(again, loaded)
        assert loaded.segmentation.GetSegmentation().GetSegmentIDs() == (PANCREAS_ID, TUMOR_ID)
        assert editor.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
        assert not editor.GetMaskSegmentID() and not editor.GetActiveEffectName()

    def test_a_result_that_is_deleted_meanwhile_is_named(self, context, review, a_result):
        editor = review.begin_edit(1)
        context.scene.RemoveNode(a_result.segmentation)
        with pytest.raises(DataError, match="'patient 7 CoraNet' was deleted; load the result again from its job"):
            review.end_edit(accept=True)
        assert editor.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
        with pytest.raises(DataError, match="'patient 7 CoraNet' was deleted"):
            review.decide(1, Choice.KEEP)
