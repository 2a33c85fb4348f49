"""Looking at a region: slices and cameras go there, and a line that nobody takes for a segmentation is around it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from scene_builders import labels_of, vtk_matrix

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_nodes import segmentations
from CoraNetSlicerLib.core.results import results_in_scene
from CoraNetSlicerLib.review.overlays import ANATOMY, CONTOURS, LOOKS, apply_look, make_surfaces
from CoraNetSlicerLib.review.region_view import (
    SMALLEST_FIELD_MM,
    is_in_slices,
    region_place,
    show_in_slices,
    show_result_in_cameras,
    smallest_field_mm,
    volume_point,
    world_point,
)
from CoraNetSlicerLib.review.segment_layers import SegmentLayers
from CoraNetSlicerLib.review.segment_surfaces import has_surface


@pytest.fixture
def a_slice_node(context):
    def make(orientation="Axial", pixels=(400, 300), field_mm=(500.0, 375.0)):
        node = slicer.vtkMRMLSliceNode()
        node.SetLayoutName("Red" + orientation)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(context.scene)
        context.scene.AddNode(node)
        node.SetOrientation(orientation)
        node.SetDimensions(*pixels, 1)
        node.SetFieldOfView(*field_mm, 1.0)
        return node

    return make


def moved_by(context, node):
    """Rotated and shifted by a transform above it."""
    angle = np.deg2rad(30)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (100.0, -50.0, 25.0)
    transform = context.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return matrix


class TestPlace:
    def test_is_what_the_engine_says_in_lps(self, review):
        for region in review.regions.regions:
            lps = np.array(region.center_lps_mm)
            assert review.place(region.number).center_ras_mm == pytest.approx(lps * (-1, -1, 1), abs=1e-3)

    def test_is_what_the_image_file_says(self, review, its_files):
        image = sitk.ReadImage(str(its_files.segmentation))
        region = review.regions.region(2)
        corners = review.place(2).corners_ras_mm * (-1, -1, 1)
        inside = [image.TransformPhysicalPointToContinuousIndex([float(x) for x in corner]) for corner in corners]
        expected = [(first - 0.5, last + 0.5) for first, last in region.bounds_ijk]
        np.testing.assert_allclose(np.min(inside, axis=0), [limits[0] for limits in expected], atol=1e-3)
        np.testing.assert_allclose(np.max(inside, axis=0), [limits[1] for limits in expected], atol=1e-3)

    def test_follows_a_transform_above_the_volume(self, context, review, a_result):
        before = np.array([*review.place(1).center_ras_mm, 1.0])
        matrix = moved_by(context, a_result.volume)
        assert review.place(1).center_ras_mm == pytest.approx((matrix @ before)[:3])


class TestSlices:
    @pytest.mark.parametrize("orientation", ["Axial", "Coronal", "Sagittal"])
    def test_the_centre_is_in_the_middle_and_the_box_in_the_field_of_view(self, review, a_slice_node, orientation):
        node = a_slice_node(orientation)
        node.SetXYZOrigin(40.0, -30.0, 0.0)
        place = review.show(1)
        to_xy = slicer.vtkMRMLSliceNode.GetXYToRAS(node)
        inverse = np.linalg.inv([[to_xy.GetElement(row, column) for column in range(4)] for row in range(4)])
        center = inverse @ [*place.center_ras_mm, 1.0]
        assert center[:3] == pytest.approx((200, 150, 0), abs=1.0)
        corners = (inverse @ np.c_[place.corners_ras_mm, np.ones(8)].T)[:2]
        assert corners.min() > 0 and corners[0].max() < 400 and corners[1].max() < 300

    def test_pixels_stay_square_and_the_orientation_stays(self, review, a_slice_node):
        node = a_slice_node("Coronal")
        before = [node.GetSliceToRAS().GetElement(row, column) for row in range(3) for column in range(3)]
        review.show(1)
        width, height, depth = node.GetFieldOfView()
        assert width / 400 == pytest.approx(height / 300) and depth == 1.0
        after = [node.GetSliceToRAS().GetElement(row, column) for row in range(3) for column in range(3)]
        assert after == pytest.approx(before)

    def test_a_small_region_is_seen_with_what_is_around_it(self, review, a_slice_node):
        node = a_slice_node()
        review.show(len(review.regions.regions))
        assert min(node.GetFieldOfView()[:2]) == pytest.approx(min(SMALLEST_FIELD_MM, smallest_field_mm(review.loaded)))

    def test_a_small_organ_is_not_zoomed_away(self, review, a_result, a_slice_node):
        for node in (a_result.volume, a_result.segmentation):
            transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
            transform.SetMatrixTransformToParent(vtk_matrix(np.diag([0.2, 0.2, 0.2, 1.0])))
            node.SetAndObserveTransformNodeID(transform.GetID())
        node = a_slice_node()
        review.show(len(review.regions.regions))
        assert (
            min(node.GetFieldOfView()[:2]) == pytest.approx(smallest_field_mm(a_result))
            and smallest_field_mm(a_result) < 20
        )

    def test_a_large_one_fills_a_third(self, review, a_result, a_slice_node):
        a_result.volume.SetSpacing(*(10 * step for step in a_result.volume.GetSpacing()))
        place = region_place(review.regions.region(1), a_result.volume)
        node = a_slice_node(pixels=(300, 300))
        show_in_slices(place, [node])
        reach = np.abs(place.corners_ras_mm - np.array(place.center_ras_mm))[:, :2].max()
        assert node.GetFieldOfView()[0] == pytest.approx(3 * 2 * reach)

    def test_a_view_that_was_never_drawn(self, review, a_slice_node):
        node = a_slice_node(pixels=(0, 0), field_mm=(200.0, 100.0))
        review.show(1)
        width, height, _depth = node.GetFieldOfView()
        assert width == pytest.approx(2 * height) and height >= smallest_field_mm(review.loaded) - 1e-6


class TestCameras:
    def test_look_at_the_region_from_where_they_looked(self, context, review, a_result):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        bounds = np.zeros(6)
        a_result.segmentation.GetRASBounds(bounds)
        center = (bounds[::2] + bounds[1::2]) / 2
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(center + (0.0, 500.0, 0.0)))
        # It sees a millimetre, and not the region.
        camera.SetViewAngle(0.1)
        place = review.show(1)
        assert camera.GetFocalPoint() == pytest.approx(place.center_ras_mm)
        away = np.array(camera.GetPosition()) - place.center_ras_mm
        assert away / np.linalg.norm(away) == pytest.approx((0, 1, 0))

    def test_a_result_that_was_looked_past_fills_the_view(self, context, review, a_result):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        camera.SetFocalPoint(10, 2000, 30)
        review.show(1)
        bounds = np.zeros(6)
        a_result.segmentation.GetRASBounds(bounds)
        distance = np.linalg.norm(np.array(camera.GetPosition()) - camera.GetFocalPoint())
        seen = 2 * distance * np.tan(np.radians(camera.GetViewAngle() / 2))
        assert seen == pytest.approx(1.2 * (bounds[1::2] - bounds[::2]).max())

    @pytest.mark.parametrize("is_parallel", [False, True])
    def test_stay_at_their_distance_from_region_to_region(self, context, review, is_parallel):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        camera.SetParallelProjection(is_parallel)
        review.show(1)
        # So near that a single voxel fills the view.
        camera.SetPosition(*(np.array(camera.GetFocalPoint()) + (0.0, 2.0, 0.0)))
        camera.SetParallelScale(0.5)
        away = np.array(camera.GetPosition()) - camera.GetFocalPoint()
        for number in (2, 3):
            place = review.show(number)
            assert camera.GetFocalPoint() == pytest.approx(place.center_ras_mm)
            assert np.array(camera.GetPosition()) - camera.GetFocalPoint() == pytest.approx(away)

    @pytest.mark.parametrize("is_parallel", [False, True])
    def test_that_see_a_region_stay_and_the_result_stays_in_the_middle(self, context, review, is_parallel):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        camera.SetParallelProjection(is_parallel)
        camera.SetFocalPoint(10, 2000, 30)
        review.show(1)
        before = camera.GetFocalPoint(), camera.GetPosition()
        for number in (1, 2, 3):
            review.show(number)
            assert (camera.GetFocalPoint(), camera.GetPosition()) == before
        # What lies behind a camera is not seen.
        middle, there = np.array(before[0]), np.array(review.place(2).center_ras_mm)
        camera.SetPosition(*middle)
        camera.SetFocalPoint(*(middle + 0.01 * (middle - there)))
        review.show(2)
        assert camera.GetFocalPoint() == pytest.approx(there)


class TestResult:
    def test_a_camera_that_looks_elsewhere_turns_to_it_and_one_that_looks_into_it_stays(self, context, a_result):
        bounds = np.zeros(6)
        a_result.segmentation.GetRASBounds(bounds)
        center = (bounds[::2] + bounds[1::2]) / 2
        elsewhere, there = (context.scene.AddNewNodeByClass("vtkMRMLCameraNode") for _ in range(2))
        elsewhere.SetFocalPoint(*(center + 500.0))
        there.SetFocalPoint(*(center + 1.0))
        there.SetPosition(*(center + 300.0))
        show_result_in_cameras(a_result, [elsewhere, there])
        assert elsewhere.GetFocalPoint() == pytest.approx(center)
        assert there.GetFocalPoint() == pytest.approx(center + 1.0) and there.GetPosition() == pytest.approx(
            center + 300
        )

    def test_a_camera_at_a_corner_of_a_result_turns_to_its_middle(self, context, a_result):
        """As in a scan whose origin is at 0, where a new view looks."""
        bounds = np.zeros(6)
        a_result.segmentation.GetRASBounds(bounds)
        low, high = bounds[::2], bounds[1::2]
        corner, near = (context.scene.AddNewNodeByClass("vtkMRMLCameraNode") for _ in range(2))
        corner.SetFocalPoint(*(low + 0.02 * (high - low)))
        near.SetFocalPoint(*(low + 0.3 * (high - low)))
        before = near.GetFocalPoint()
        show_result_in_cameras(a_result, [corner, near])
        assert corner.GetFocalPoint() == pytest.approx((low + high) / 2)
        assert near.GetFocalPoint() == before

    def test_nothing_is_no_place_to_look_at(self, context, a_result):
        camera = context.scene.AddNewNodeByClass("vtkMRMLCameraNode")
        before = camera.GetFocalPoint(), camera.GetPosition()
        a_result.segmentation.GetSegmentation().RemoveAllSegments()
        show_result_in_cameras(a_result, [camera])
        assert (camera.GetFocalPoint(), camera.GetPosition()) == before


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


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_drawn_in_3d_where_the_look_draws_something_there(review, a_result, look):
    make_surfaces(a_result.segmentation, a_result.overlays)
    apply_look(a_result, LOOKS[look])
    review.show(1)
    display = review.outline.node.GetDisplayNode()
    assert bool(display.GetVisibility3D()) == (look != ANATOMY) and display.GetVisibility2DOutline()
    for other in LOOKS:
        apply_look(a_result, LOOKS[other])
        review.outline.follow_look()
        assert bool(display.GetVisibility3D()) == (other != ANATOMY) and display.GetVisibility2DOutline()


def test_while_all_is_hidden_it_stays_as_the_look_has_it(review, a_result):
    apply_look(a_result, LOOKS[CONTOURS])
    review.show(1)
    a_result.segmentation.GetDisplayNode().SetVisibility(False)
    review.outline.follow_look()
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


def test_what_is_drawn_already_is_not_drawn_anew(review):
    review.outline.draw(1)
    node = review.outline.node
    review.outline.draw(1)
    assert review.outline.node is node
    review.outline.draw(2)
    assert review.outline.node is not node and review.outline.is_there
    review.outline.clear_all_but(2)
    assert review.outline.is_there
    review.outline.clear_all_but(1)
    assert not review.outline.is_there


@pytest.mark.parametrize(
    ("moved_mm", "expected"), [((0, 0, 0), True), ((20, 0, 0), True), ((0, 0, 3), False), ((300, 0, 0), False)]
)
def test_a_view_shows_what_is_in_its_slice_and_its_field(a_slice_node, moved_mm, expected):
    node, point = a_slice_node(), (10.0, -20.0, 30.0)
    node.JumpSliceByCentering(*point)
    node.UpdateMatrices()
    assert is_in_slices(np.add(point, moved_mm), [node]) == expected
    assert is_in_slices(point, [])


def test_a_point_of_the_world_is_found_in_the_volume_under_a_transform(context, a_result):
    moved_by(context, a_result.volume)
    point = (3.25, 7.5, 6.0)
    assert volume_point(a_result.volume, world_point(a_result.volume, point)) == pytest.approx(point)
