"""The region that is looked at is drawn where its voxels are, and nobody takes it for a segmentation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPlane
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkFiltersCore import vtkCutter, vtkMassProperties, vtkTriangleFilter
from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter
from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

from coranet.errors import DataError
from CoraNetSlicerLib.scene.overlays import make_surfaces
from CoraNetSlicerLib.scene.region_outline import voxel_surface
from CoraNetSlicerLib.scene.results_in_scene import results_in_scene
from CoraNetSlicerLib.scene.segment_layers import MaskedBox


@pytest.fixture
def region_map(its_files):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.region_map)))


def voxels(review) -> np.ndarray:
    """What the outline encloses, on the grid of the volume."""
    volume, surface = review.loaded.volume, review.outline.node.GetPolyData()
    matrix = vtkMatrix4x4()
    volume.GetRASToIJKMatrix(matrix)
    to_ijk = vtkTransform()
    to_ijk.SetMatrix(matrix)
    moved = vtkTransformPolyDataFilter()
    moved.SetTransform(to_ijk)
    moved.SetInputData(surface)
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputConnection(moved.GetOutputPort())
    stencil.SetOutputWholeExtent(volume.GetImageData().GetExtent())
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.Update()
    size = image.GetOutput().GetDimensions()
    return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(size[::-1]) > 0


def count(context) -> int:
    return context.scene.GetNumberOfNodesByClass("vtkMRMLModelNode")


def box_of(mask) -> MaskedBox:
    return MaskedBox((0, 0, 0), np.asarray(mask, bool))


def test_a_voxel_has_six_faces_of_its_size_and_two_share_none_inside(context):
    volume = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    volume.SetSpacing(2.0, 3.0, 5.0)
    volume.SetOrigin(10.0, 20.0, 30.0)
    for mask, faces, area, bounds in (
        ([[[True]]], 6, 2 * (6 + 10 + 15), (9, 11, 18.5, 21.5, 27.5, 32.5)),
        ([[[True, True]]], 10, 2 * (12 + 20 + 15), (9, 13, 18.5, 21.5, 27.5, 32.5)),
    ):
        surface = voxel_surface(box_of(mask), volume)
        assert surface.GetNumberOfPolys() == faces and surface.GetBounds() == pytest.approx(bounds)
        measure = vtkMassProperties()
        triangles = vtkTriangleFilter()
        triangles.SetInputData(surface)
        measure.SetInputConnection(triangles.GetOutputPort())
        assert measure.GetSurfaceArea() == pytest.approx(area)


def test_a_slice_cuts_it_along_the_edges_of_its_voxels(context):
    volume = context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    plane, cutter = vtkPlane(), vtkCutter()
    plane.SetNormal(0.0, 0.0, 1.0)
    cutter.SetCutFunction(plane)
    cutter.SetInputData(voxel_surface(box_of([[[True, False], [True, True]]]), volume))
    cutter.Update()
    found = vtk_to_numpy(cutter.GetOutput().GetPoints().GetData())
    assert set(np.abs(np.unique(found[:, :2])).tolist()) <= {0.5, 1.5} and cutter.GetOutput().GetNumberOfLines() >= 8


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
    assert display.GetVisibility2D()
    assert display.GetSliceIntersectionThickness() == 3
    assert node.GetHideFromEditors() and not node.GetSaveWithScene() and not display.GetSaveWithScene()
    assert len(results_in_scene(context.scene)) == results
    assert not context.subject_hierarchy.GetItemByDataNode(node)


def test_it_changes_no_voxel_of_the_result(review, a_result):
    before = labels_of(a_result)
    review.show(1)
    np.testing.assert_array_equal(labels_of(a_result), before)


def test_it_is_in_3d_where_the_result_is(review, a_result):
    review.show(1)
    assert not review.outline.node.GetDisplayNode().GetVisibility3D()
    make_surfaces(a_result.segmentation, a_result.overlays)
    review.show(1)
    assert review.outline.node.GetDisplayNode().GetVisibility3D()


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
