"""The region that is looked at is drawn where its voxels are, and nobody takes it for a segmentation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_nodes import segmentations
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.results_in_scene import results_in_scene
from CoraNetSlicerLib.review.segment_layers import SegmentLayers
from CoraNetSlicerLib.review.segment_surfaces import has_surface


@pytest.fixture
def region_map(its_files):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.region_map)))


def voxels(review) -> np.ndarray:
    """Where the outline is, on the grid of the volume."""
    return SegmentLayers(review.outline.node, review.loaded.volume).paint({"region": 1}, np.uint8)


def count(context) -> int:
    return context.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def test_it_has_the_voxels_of_the_region(review, region_map):
    for number in (1, 3):
        review.outline.draw(number)
        np.testing.assert_array_equal(voxels(review), region_map == number)
    assert review.outline.node.GetName().endswith("Region 3")


def test_looking_at_a_region_draws_it_and_there_is_one_at_a_time(context, review, region_map):
    before = count(context)
    review.show(2)
    review.show(4)
    np.testing.assert_array_equal(voxels(review), region_map == 4)
    assert count(context) == before + 1
    review.outline.clear()
    review.outline.clear()
    assert count(context) == before and review.outline.node is None


def test_it_is_a_line_that_is_neither_offered_nor_saved_nor_a_result(context, review):
    results = len(results_in_scene(context.scene))
    review.show(1)
    node, display = review.outline.node, review.outline.node.GetDisplayNode()
    assert not display.GetVisibility2DFill() and display.GetVisibility2DOutline()
    assert display.GetSliceIntersectionThickness() == 3
    assert node.GetHideFromEditors() and not node.GetSaveWithScene() and not display.GetSaveWithScene()
    assert node not in segmentations(context.scene) and len(results_in_scene(context.scene)) == results
    assert not context.subject_hierarchy.GetItemByDataNode(node)


def test_it_changes_no_voxel_of_the_result(review, a_result):
    before = labels_of(a_result)
    review.show(1)
    np.testing.assert_array_equal(labels_of(a_result), before)


def test_it_has_a_surface_where_the_result_has_one(review, a_result):
    review.show(1)
    assert not has_surface(review.outline.node, "region")
    make_surfaces(a_result.segmentation, a_result.overlays)
    review.show(1)
    assert has_surface(review.outline.node, "region")
    low, high = np.reshape(review.place(1).corners_ras_mm, (8, 3)).min(0), review.place(1).corners_ras_mm.max(0)
    bounds = np.zeros(6)
    review.outline.node.GetRASBounds(bounds)
    spacing = max(a_result.volume.GetSpacing())
    assert (bounds[::2] >= low - spacing).all() and (bounds[1::2] <= high + spacing).all()


def test_it_lies_under_the_transform_of_the_result(context, review, a_result):
    transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    for node in (a_result.volume, a_result.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    review.show(1)
    assert review.outline.node.GetTransformNodeID() == transform.GetID()


def test_after_the_scene_was_closed_it_can_be_drawn_anew(context, review):
    review.show(1)
    node = review.outline.node
    context.scene.RemoveNode(node)
    review.outline.draw(2)
    assert review.outline.node is not node and review.outline.node.GetScene() is not None


def test_while_the_regions_are_being_read_nothing_waits_for_it(review):
    steps = review.read_steps()
    next(steps)
    review.show(1)
    assert review.outline.node is None
    for _step in steps:
        pass
    review.show(1)
    assert review.outline.node is not None


def test_what_is_no_region_is_refused(review):
    with pytest.raises(DataError):
        review.outline.draw(99)
    assert review.outline.node is None
