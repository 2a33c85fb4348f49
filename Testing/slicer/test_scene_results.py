"""load_prediction brings every voxel, name and colour of a case into the scene, once, under its volume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import array_of, numpy_matrix
from scene_bundles import saved_and_reloaded
from synthetic_predictions import (
    CASE_ID,
    PANCREAS,
    PANCREAS_TERMINOLOGY,
    TUMOR,
    synthetic_heads,
    write_image,
    write_segmented_job,
)

from coranet.contract import Case, Role
from coranet.contract.errors import DataError, JobError
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.results import (
    UNCERTAIN_SEGMENT,
    VOLUME_REFERENCE,
    is_copy,
    is_result,
    mark_as_case,
    names_in_scene,
    results_in_scene,
    segment_id,
    uncertainty_color_node,
)
from CoraNetSlicerLib.review.hiding import other_segmentations
from CoraNetSlicerLib.review.result_loading import load_prediction


@pytest.fixture
def a_job(a_folder_with_spaces_and_accents):
    return write_segmented_job(a_folder_with_spaces_and_accents / "segment 1")


@pytest.fixture
def its_volume(context, a_job):
    return find_or_load_volume(context, a_job, a_job.read_datalist().cases[0])


@pytest.fixture
def loaded(context, a_job, its_volume):
    return load_prediction(context, a_job.prediction(CASE_ID), its_volume)


def exported_mask(context, node, identifier) -> np.ndarray:
    """Voxels of one segment on the reference grid, as Slicer itself exports them."""
    labelmap = context.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    assert context.segmentations_logic.ExportSegmentsToLabelmapNode(node, [identifier], labelmap, None, extent)
    mask = array_of(labelmap) > 0
    context.scene.RemoveNode(labelmap)
    return mask


def number_of_nodes(context, *classes) -> dict[str, int]:
    return {name: context.scene.GetNumberOfNodesByClass(name) for name in classes}


class TestVoxels:
    @pytest.mark.parametrize("head", ["conservative", "radical"])
    @pytest.mark.parametrize("value", [PANCREAS, TUMOR])
    def test_no_voxel_of_an_overlapping_overlay_is_lost(self, context, loaded, head, value):
        label = next(label for label in loaded.labels if label.value == value)
        mask = exported_mask(context, loaded.overlays, segment_id(label, head))
        np.testing.assert_array_equal(mask, synthetic_heads()[head] == value)

    @pytest.mark.parametrize("value", [PANCREAS, TUMOR])
    def test_result_segments_lie_voxel_for_voxel_on_the_volumes_grid(self, context, loaded, value):
        label = next(label for label in loaded.labels if label.value == value)
        mask = exported_mask(context, loaded.segmentation, segment_id(label))
        assert mask.sum() > 0
        np.testing.assert_array_equal(mask, synthetic_heads()["segmentation"] == value)

    def test_the_uncertain_region_overlaps_the_others_and_is_whole(self, context, loaded):
        mask = exported_mask(context, loaded.overlays, UNCERTAIN_SEGMENT)
        np.testing.assert_array_equal(mask, synthetic_heads()["uncertain"] > 0)

    def test_overlays_have_a_layer_for_each_head_and_one_for_the_uncertain_region(self, loaded):
        assert loaded.overlays.GetSegmentation().GetNumberOfLayers() == 3
        assert loaded.segmentation.GetSegmentation().GetNumberOfLayers() == 1

    def test_the_uncertainty_map_is_float_and_on_the_volumes_grid(self, loaded, its_volume):
        assert loaded.uncertainty.GetImageData().GetScalarTypeAsString() == "float"
        np.testing.assert_array_equal(array_of(loaded.uncertainty), synthetic_heads()["uncertainty"])
        np.testing.assert_allclose(numpy_matrix(loaded.uncertainty), numpy_matrix(its_volume))


class TestNodes:
    def test_segments_have_the_names_colours_terminology_and_values_of_training(self, loaded):
        segment = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}")
        assert segment.GetName() == "Pancreas"
        assert segment.GetColor() == pytest.approx((0.9, 0.45, 0.3))
        assert segment.GetTerminology() == PANCREAS_TERMINOLOGY
        assert segment.GetLabelValue() == PANCREAS
        assert loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}").GetLabelValue() == TUMOR

    def test_a_class_without_a_colour_gets_one_that_is_not_slicers_grey(self, loaded):
        color = loaded.segmentation.GetSegmentation().GetSegment(f"segmentation-{TUMOR}").GetColor()
        assert max(color) - min(color) > 0.3

    def test_overlays_name_class_and_head(self, loaded):
        segmentation = loaded.overlays.GetSegmentation()
        names = [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
        assert names == [
            "Pancreas (conservative)",
            "Tumor (conservative)",
            "Pancreas (radical)",
            "Tumor (radical)",
            "Uncertain",
        ]

    def test_nodes_are_named_after_the_volume_and_lie_under_it(self, context, loaded, its_volume):
        hierarchy = context.subject_hierarchy
        nodes = (loaded.segmentation, loaded.overlays, loaded.uncertainty)
        name = its_volume.GetName()
        assert [node.GetName() for node in nodes] == [
            f"{name} CoraNet", f"{name} CoraNet overlays", f"{name} CoraNet uncertainty",
        ]  # fmt: skip
        for node in nodes:
            parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
            assert hierarchy.GetItemDataNode(parent) is its_volume

    def test_the_volume_is_the_reference_geometry(self, loaded, its_volume):
        for node in (loaded.segmentation, loaded.overlays):
            assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is its_volume

    def test_the_uncertainty_display_is_fixed_from_0_to_1_in_a_perceptual_colour_table(self, context, loaded):
        display = loaded.uncertainty.GetDisplayNode()
        assert not display.GetAutoWindowLevel()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
        assert display.GetApplyThreshold() and 0.0 < display.GetLowerThreshold() < 0.2
        assert display.GetColorNode() is uncertainty_color_node(context)

    def test_the_colour_table_rises_evenly_in_lightness(self, context):
        node = uncertainty_color_node(context)
        colors = np.array([node.GetLookupTable().GetTableValue(index)[:3] for index in range(256)])
        luminance = (colors**2.2) @ (0.2126, 0.7152, 0.0722)
        lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
        steps = np.diff(lightness[::16])
        assert lightness[0] < 5 and lightness[-1] > 90
        assert steps.min() > 0.4 * steps.mean() and steps.max() < 2 * steps.mean()

    def test_slicers_own_colour_table_is_taken_where_it_is(self, context):
        node = slicer.vtkMRMLColorTableNode()
        node.SetSingletonTag("FileInferno.txt")
        context.scene.AddNode(node)
        assert uncertainty_color_node(context) is node

    def test_results_follow_the_volumes_transform(self, context, a_job, its_volume):
        transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        its_volume.SetAndObserveTransformNodeID(transform.GetID())
        loaded = load_prediction(context, a_job.prediction(CASE_ID), its_volume)
        for node in (loaded.segmentation, loaded.overlays, loaded.uncertainty):
            assert node.GetTransformNodeID() == transform.GetID()


class TestLoadingAgain:
    def test_replaces_the_nodes_and_makes_no_new_ones(self, context, a_job, its_volume, loaded):
        kinds = ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationDisplayNode")
        before = number_of_nodes(context, *kinds)
        heads = synthetic_heads()
        heads["segmentation"][heads["segmentation"] == TUMOR] = 0
        write_image(heads["segmentation"], a_job.prediction(CASE_ID).segmentation)
        again = load_prediction(context, a_job.prediction(CASE_ID), its_volume)
        assert number_of_nodes(context, *kinds) == before
        assert again.segmentation is loaded.segmentation and again.uncertainty is loaded.uncertainty
        assert again.segmentation.GetSegmentation().GetNumberOfSegments() == 2
        assert exported_mask(context, again.segmentation, f"segmentation-{PANCREAS}").any()
        assert not exported_mask(context, again.segmentation, f"segmentation-{TUMOR}").any()

    def test_another_jobs_results_stand_beside_the_first(self, context, loaded, its_volume, tmp_path):
        other = write_segmented_job(tmp_path / "segment 2")
        beside = load_prediction(context, other.prediction(CASE_ID), its_volume)
        assert beside.segmentation is not loaded.segmentation
        assert beside.segmentation.GetName() != loaded.segmentation.GetName()

    def test_the_volume_of_a_case_is_loaded_once(self, context, a_job, its_volume):
        assert find_or_load_volume(context, a_job, a_job.read_datalist().cases[0]) is its_volume


@pytest.fixture(params=["with what it refers to", "alone"])
def clone(context, request):
    """Makes of a node what "Clone" of the module Data does."""

    def make(node):
        copy = node.CreateNodeInstance()
        copy.UnRegister(None)
        copy.Copy(node)
        copy.SetName("my copy")
        copy = context.scene.AddNode(copy)
        if request.param == "alone":
            copy.SetNodeReferenceID(VOLUME_REFERENCE, None)
        return copy

    return make


class TestClones:
    """Who corrects a result clones it first; the clone has all attributes of it."""

    def test_a_clone_does_not_take_the_place_of_its_result(self, context, clone, a_result):
        copies = [clone(node) for node in (a_result.segmentation, a_result.overlays, a_result.uncertainty)]
        (found,) = results_in_scene(context.scene)
        assert (found.segmentation, found.overlays, found.uncertainty) == (
            a_result.segmentation, a_result.overlays, a_result.uncertainty,
        )  # fmt: skip
        assert [is_result(copy) for copy in copies] == [False, False, True]
        assert is_result(a_result.segmentation) and not is_copy(a_result.segmentation)
        assert other_segmentations(context) == copies[:2]

    def test_a_clone_of_a_result_can_be_a_label_that_a_person_chooses(self, clone, cases, a_result):
        copy = clone(a_result.segmentation)
        cases.add_scene_volumes()
        (row,) = cases.rows
        assert row.segmentation is None and copy in cases.segmentation_choices(row.key)
        assert a_result.segmentation not in cases.segmentation_choices(row.key)
        cases.set_segmentation(row.key, copy)
        assert [segment.name for segment in cases.segments] == ["Pancreas", "Tumor"]

    @pytest.mark.parametrize("clone", ["alone"], indirect=True)
    def test_a_clone_stays_a_label_without_its_result(self, context, clone, cases, a_result):
        copy = clone(a_result.segmentation)
        cases.add_scene_volumes()
        context.scene.RemoveNode(a_result.segmentation)
        assert cases.segmentation_choices("1") == [copy] and results_in_scene(context.scene) == []

    def test_a_clone_of_the_scan_changes_neither_name_nor_result(self, context, clone, a_result, a_segmented_job):
        clone(a_result.volume)
        assert names_in_scene(context.scene, a_segmented_job) == {CASE_ID: "patient 7"}
        (case,) = a_segmented_job.read_datalist().cases
        assert find_or_load_volume(context, a_segmented_job, case) is a_result.volume

    def test_after_the_scene_was_saved_and_loaded(self, context, clone, a_result, tmp_path):
        clone(a_result.segmentation)
        name = a_result.segmentation.GetName()
        again = saved_and_reloaded(context, tmp_path)
        assert [result.segmentation.GetName() for result in results_in_scene(again.scene)] == [name]


@pytest.mark.parametrize("part", ["segmentation", "overlays", "uncertainty"])
def test_a_result_whose_display_was_deleted_can_be_loaded_again(context, loaded, a_job, its_volume, part):
    context.scene.RemoveNode(getattr(loaded, part).GetDisplayNode())
    again = load_prediction(context, a_job.prediction(CASE_ID), its_volume)
    assert getattr(again, part) is getattr(loaded, part)
    assert getattr(again, part).GetDisplayNode() is not None


class TestDicomSeries:
    """A folder of slices whose file names are in another order than the slices."""

    @pytest.fixture
    def a_series(self, tmp_path):
        image = sitk.Image(12, 10, 6, sitk.sitkInt16)
        image.SetSpacing((0.5, 0.75, 4.0))
        image.SetOrigin((5.0, -6.0, 7.0))
        cosine, sine = np.cos(0.4), np.sin(0.4)
        image.SetDirection((1.0, 0.0, 0.0, 0.0, cosine, -sine, 0.0, sine, cosine))
        folder = tmp_path / "series ä"
        folder.mkdir()
        for number, name in enumerate(("c", "e", "a", "f", "b", "d")):
            dicom_slice = image[:, :, number : number + 1] + number
            for tag, value in (("0020|000e", "1.2.826.0.1.3680043.2.1125.1"), ("0008|0060", "MR")):
                dicom_slice.SetMetaData(tag, value)
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(folder / f"{name}.dcm"))
            writer.Execute(dicom_slice)
        return folder, image

    def test_lies_where_its_slices_say(self, context, a_job, a_series):
        folder, image = a_series
        node = find_or_load_volume(context, a_job, Case("mr", Role.INPUT, str(folder)))
        np.testing.assert_allclose(node.GetSpacing(), image.GetSpacing(), atol=1e-3)
        np.testing.assert_allclose(np.array(node.GetOrigin()) * (-1, -1, 1), image.GetOrigin(), atol=1e-3)
        assert array_of(node)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]

    def test_an_empty_folder_is_named(self, context, a_job, tmp_path):
        (tmp_path / "nothing").mkdir()
        with pytest.raises(DataError, match="nothing' holds 0 DICOM series"):
            find_or_load_volume(context, a_job, Case("mr", Role.INPUT, str(tmp_path / "nothing")))


class TestSavedScene:
    def test_segments_layers_and_references_survive_saving_and_loading(self, context, loaded, tmp_path):
        name = loaded.volume.GetName()
        other = saved_and_reloaded(context, tmp_path)
        overlays = other.scene.GetFirstNodeByName(f"{name} CoraNet overlays")
        result = other.scene.GetFirstNodeByName(f"{name} CoraNet")
        np.testing.assert_array_equal(
            exported_mask(other, overlays, f"radical-{TUMOR}"), synthetic_heads()["radical"] == TUMOR
        )
        np.testing.assert_array_equal(
            exported_mask(other, overlays, UNCERTAIN_SEGMENT), synthetic_heads()["uncertain"] > 0
        )
        segment = result.GetSegmentation().GetSegment(f"segmentation-{PANCREAS}")
        assert (segment.GetName(), segment.GetTerminology()) == ("Pancreas", PANCREAS_TERMINOLOGY)
        volume = result.GetNodeReference(result.GetReferenceImageGeometryReferenceRole())
        assert volume is not None and volume.GetName() == name

    def test_results_loaded_again_after_that_replace_the_saved_ones(self, context, a_job, loaded, tmp_path):
        other = saved_and_reloaded(context, tmp_path)
        before = number_of_nodes(other, "vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode")
        volume = find_or_load_volume(other, a_job, a_job.read_datalist().cases[0])
        again = load_prediction(other, a_job.prediction(CASE_ID), volume)
        assert number_of_nodes(other, "vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode") == before
        np.testing.assert_array_equal(
            exported_mask(other, again.overlays, UNCERTAIN_SEGMENT), synthetic_heads()["uncertain"] > 0
        )


class TestWarnings:
    def test_a_good_prediction_has_none(self, loaded):
        assert loaded.warnings == ()

    def test_an_empty_segmentation_says_that_nothing_was_found(self, context, a_job, its_volume):
        empty = np.zeros_like(synthetic_heads()["segmentation"])
        write_image(empty, a_job.prediction(CASE_ID).segmentation)
        loaded = load_prediction(context, a_job.prediction(CASE_ID), its_volume)
        assert len(loaded.warnings) == 1
        assert f"found nothing in '{its_volume.GetName()}'" in loaded.warnings[0]

    def test_a_class_that_is_absent_is_named(self, context, a_job, its_volume):
        label = synthetic_heads()["segmentation"]
        write_image(np.where(label == TUMOR, 0, label).astype(np.uint8), a_job.prediction(CASE_ID).segmentation)
        loaded = load_prediction(context, a_job.prediction(CASE_ID), its_volume)
        assert loaded.warnings == (f"The model found no 'Tumor' in '{its_volume.GetName()}'.",)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("without_vtk_messages")
class TestErrors:
    def load_and_expect(self, context, a_job, its_volume, text, error=DataError):
        nodes = context.scene.GetNumberOfNodes()
        with pytest.raises(error, match=text):
            load_prediction(context, a_job.prediction(CASE_ID), its_volume)
        assert context.scene.GetNumberOfNodes() == nodes, "a failed import must leave no node behind"

    @pytest.mark.parametrize("name", ["segmentation", "conservative", "radical", "uncertain", "uncertainty"])
    def test_a_missing_file_is_named(self, context, a_job, its_volume, name):
        getattr(a_job.prediction(CASE_ID), name).unlink()
        self.load_and_expect(context, a_job, its_volume, rf"{name}\.nrrd' is missing")

    def test_a_case_without_result_is_incomplete(self, context, a_job, its_volume):
        a_job.prediction(CASE_ID).result.unlink()
        self.load_and_expect(context, a_job, its_volume, r"result\.json' is missing", JobError)

    def test_a_result_without_labels_is_refused(self, context, a_job, its_volume):
        a_job.prediction(CASE_ID).result.write_text(json.dumps({"labels": [{"worth": 1}]}), encoding="utf-8")
        self.load_and_expect(context, a_job, its_volume, r"result\.json' does not describe its labels")

    def test_a_damaged_file_is_named(self, context, a_job, its_volume):
        a_job.prediction(CASE_ID).radical.write_bytes(b"not an image")
        self.load_and_expect(context, a_job, its_volume, r"radical\.nrrd' cannot be read as an image")

    def test_another_grid_is_refused_with_both_grids_in_words(self, context, a_job, its_volume):
        write_image(synthetic_heads()["conservative"], a_job.prediction(CASE_ID).conservative, spacing=(0.9, 0.7, 2.4))
        self.load_and_expect(context, a_job, its_volume, "different grid .* 2.5 mm .* got .* 2.4 mm")

    def test_a_value_without_a_label_is_refused(self, context, a_job, its_volume):
        label = synthetic_heads()["segmentation"]
        label[0, 0, 0] = 9
        write_image(label, a_job.prediction(CASE_ID).segmentation)
        self.load_and_expect(context, a_job, its_volume, r"values \[0, 2, 5\], got \[9\]")

    @pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
    def test_uncertainty_outside_0_to_1_is_refused(self, context, a_job, its_volume, value):
        uncertainty = synthetic_heads()["uncertainty"]
        uncertainty[1, 2, 3] = value
        write_image(uncertainty, a_job.prediction(CASE_ID).uncertainty)
        self.load_and_expect(context, a_job, its_volume, "values from 0 to 1")

    def test_an_image_that_is_gone_leaves_no_volume_node(self, context, a_job):
        case = a_job.read_datalist().cases[0]
        Path(case.image).unlink()
        with pytest.raises(DataError, match="is missing"):
            find_or_load_volume(context, a_job, case)
        assert context.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_a_volume_that_two_jobs_have_segmented_is_found_by_both(context, a_job, tmp_path):
    case = a_job.read_datalist().cases[0]
    volume = find_or_load_volume(context, a_job, case)
    mark_as_case(volume, f"another job/{case.id}")
    mark_as_case(volume, f"another job/{case.id}")
    other = saved_and_reloaded(context, tmp_path)
    reloaded = other.scene.GetFirstNodeByName(volume.GetName())
    assert reloaded.GetAttribute("CoraNetSlicer.Case") == f"{a_job.identifier}/{case.id}|another job/{case.id}"
    assert find_or_load_volume(other, a_job, case) is reloaded
