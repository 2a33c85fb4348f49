"""Looking at a region: where it is in the world, views that show it, a line around it, and a ring around a slide."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform
from vtkmodules.vtkFiltersModeling import vtkLinearExtrusionFilter
from vtkmodules.vtkFiltersSources import vtkRegularPolygonSource, vtkSphereSource

from coranet.closed_surface import OVERLAY_SMOOTHING
from coranet.contract import Region, Slide

from ..core.context import SceneContext, add_for_a_while, remove_with_display
from ..core.images import ijk_to_ras
from ..core.results import LoadedPrediction, nodes_of_class, results_in_scene, segment_id
from ..core.stepwise import run_to_end
from ..core.translation import _
from .hiding import show_alone
from .overlays import is_in_3d
from .review_state import ReviewState
from .segment_surfaces import has_surface, lost_surface, surface_making_steps, surface_of_segment
from .worklist import region_title

# A region takes this share of a view at most, so that one sees what is around it.
_SHARE_OF_VIEW = 1 / 3
# Less would show a few voxels and no anatomy.
SMALLEST_FIELD_MM = 60.0
# How much larger a view is than the result that fills it.
_ROOM = 1.2
# A camera that looks into this share of a result, about its middle, shows it; at a corner hardly anything is seen.
_MIDDLE = 0.5
# Nearer to the edge of a view, a region is hardly noticed.
_WELL_INSIDE = 0.8
# No colour of a class or of the uncertain region; seen on dark and on bright tissue.
OUTLINE_COLOR = (1.0, 0.0, 0.8)
OUTLINE_PIXELS = 3
_OPACITY_3D = 0.8
_SEGMENT = "region"
# Of a larger box the surface alone would take more than a tenth of a second.
_MOST_SURFACE_VOXELS = 1_000_000
_RING_PIXELS = 2
# Round to the eye; more would take milliseconds to cut.
_RING_CORNERS = 32


@dataclass(frozen=True)
class RegionPlace:
    """Where a region is in the world.

    Attributes:
        center_ras_mm: the voxel of the region that is nearest to its centre of mass.
        corners_ras_mm: (8, 3), those of the box around it.
    """

    center_ras_mm: tuple[float, float, float]
    corners_ras_mm: np.ndarray

    @property
    def size_mm(self) -> float:
        """From one corner of the box to the opposite one."""
        return float(np.linalg.norm(np.ptp(self.corners_ras_mm, axis=0)))


def region_place(region: Region, volume_node: Any) -> RegionPlace:
    """Where a region is, transforms above the volume taken into account."""
    # Voxels have a size: the box goes from the outside of the first to that of the last.
    i, j, k = ((first - 0.5, last + 0.5) for first, last in region.bounds_ijk)
    corners = [world_point(volume_node, (x, y, z)) for x in i for y in j for z in k]
    return RegionPlace(world_point(volume_node, region.center_ijk), np.array(corners))


def world_point(volume_node: Any, point_ijk: Sequence[float]) -> tuple[float, float, float]:
    """Where a point of a volume is in the world (RAS, mm), transforms above the volume taken into account."""
    to_world = vtkGeneralTransform()
    if volume_node.GetParentTransformNode() is not None:
        volume_node.GetParentTransformNode().GetTransformToWorld(to_world)
    return _point(to_world.TransformPoint(ijk_to_ras(volume_node).MultiplyPoint((*point_ijk, 1.0))[:3]))


def volume_point(volume_node: Any, point_ras_mm: Sequence[float]) -> tuple[float, float, float]:
    """The inverse of `world_point`: continuous indices (i, j, k) of a point of the world (RAS, mm)."""
    matrix, from_world = vtkMatrix4x4(), vtkGeneralTransform()
    volume_node.GetRASToIJKMatrix(matrix)
    if volume_node.GetParentTransformNode() is not None:
        volume_node.GetParentTransformNode().GetTransformFromWorld(from_world)
    return _point(matrix.MultiplyPoint((*from_world.TransformPoint(*point_ras_mm), 1.0))[:3])


def _point(coordinates: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = coordinates
    return first, second, third


def show_place(place: RegionPlace, loaded: LoadedPrediction, scene: Any) -> None:
    """Bring a region into all slice and 3D views of a scene.

    A volume that is shown in no slice view takes the place of what is shown there, and a result that is hidden that of
    the other results.
    """
    display = loaded.segmentation.GetDisplayNode()
    if display is not None and not display.GetVisibility():
        show_alone(loaded, results_in_scene(scene))
    show_volume_somewhere(loaded.volume, nodes_of_class(scene, "vtkMRMLSliceCompositeNode"))
    show_in_slices(place, nodes_of_class(scene, "vtkMRMLSliceNode"), smallest_field_mm(loaded))
    show_in_cameras(place, loaded, nodes_of_class(scene, "vtkMRMLCameraNode"))


def show_volume_somewhere(volume_node: Any, composite_nodes: Iterable[Any]) -> None:
    """Put a volume into the background of slice views, by vtkMRMLSliceCompositeNode, unless one shows it already."""
    views = list(composite_nodes)
    shown = {volume_id for view in views for volume_id in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())}
    if volume_node.GetID() not in shown:
        for view in views:
            view.SetBackgroundVolumeID(volume_node.GetID())


def show_in_slices(place: RegionPlace, slice_nodes: Iterable[Any], smallest_mm: float = SMALLEST_FIELD_MM) -> None:
    """Bring a region into the middle of slice views, and its box into their field of view with some room around it.

    Orientations stay; the field of view is at least `smallest_mm` large.
    """
    for node in slice_nodes:
        was_modifying = node.StartModify()
        node.JumpSliceByCentering(*place.center_ras_mm)
        # What the view was moved by, by hand, would be added.
        node.SetXYZOrigin(0.0, 0.0, node.GetXYZOrigin()[2])
        across = _extent_along(place, node.GetSliceToRAS())
        width, height, _depth = node.GetDimensions()
        shown_width, shown_height, depth_mm = node.GetFieldOfView()
        # A view that was never drawn has no size; its field of view has the same shape.
        width, height = (width, height) if width > 1 and height > 1 else (shown_width, shown_height)
        mm_a_pixel = max(
            across[0] / _SHARE_OF_VIEW / width,
            across[1] / _SHARE_OF_VIEW / height,
            smallest_mm / min(width, height),
        )
        node.SetFieldOfView(width * mm_a_pixel, height * mm_a_pixel, depth_mm)
        node.UpdateMatrices()
        node.EndModify(was_modifying)


def is_in_slices(point_ras_mm: Sequence[float], slice_nodes: Iterable[Any]) -> bool:
    """Whether all slice views show a point: in their slice, and in their field of view."""
    return all(_shows(node, point_ras_mm) for node in slice_nodes)


def _shows(slice_node: Any, point_ras_mm: Sequence[float]) -> bool:
    from_slice = vtkMatrix4x4()
    vtkMatrix4x4.Invert(slice_node.GetSliceToRAS(), from_slice)
    away = from_slice.MultiplyPoint((*point_ras_mm, 1.0))[:3]
    # The origin of the slice is its middle, moved by what the view was moved by hand.
    moved = (*slice_node.GetXYZOrigin()[:2], 0.0)
    return all(
        abs(mm - by) <= field / 2 for mm, by, field in zip(away, moved, slice_node.GetFieldOfView(), strict=True)
    )


def smallest_field_mm(loaded: LoadedPrediction) -> float:
    """The least field of view around a region of a result: of a small organ, the organ fills the view."""
    place = _result_place(loaded)
    return SMALLEST_FIELD_MM if place is None else min(SMALLEST_FIELD_MM, _ROOM * place.size_mm)


def show_result_in_cameras(
    loaded: LoadedPrediction, camera_nodes: Iterable[Any], share: float = _MIDDLE, always: bool = False
) -> None:
    """Turn cameras to a result, and go to where it fills them, unless they look into the middle of it already.

    Args:
        loaded: the result; nothing is done if it is empty.
        camera_nodes: vtkMRMLCameraNode of each view.
        share: of the box around it, along each axis, that counts as its middle.
        always: also turn those that look into the middle of it, from wherever.
    """
    place = _result_place(loaded)
    if place is None:
        return
    low, high = place.corners_ras_mm.min(axis=0), place.corners_ras_mm.max(axis=0)
    for node in camera_nodes:
        off_center = np.array(node.GetFocalPoint()) - place.center_ras_mm
        if always or (np.abs(off_center) > share * (high - low) / 2).any():
            turn_camera(node, place.center_ras_mm, _ROOM * float((high - low).max()))


def show_in_cameras(place: RegionPlace, loaded: LoadedPrediction, camera_nodes: Iterable[Any]) -> None:
    """Turn cameras to a region of a result that they do not see, without changing from where they look.

    A camera that sees it stays: with each turn, the result would leave the middle of the view.
    """
    cameras = list(camera_nodes)
    # A region lies anywhere in the result; a person who went near to one stays there.
    show_result_in_cameras(loaded, cameras, share=1.0)
    for node in cameras:
        if not sees(node, place.center_ras_mm):
            turn_camera(node, place.center_ras_mm)


def sees(node: Any, point_ras_mm: Sequence[float]) -> bool:
    """Whether a point is well inside the view of a camera, be something in front of it or not."""
    position, focus = np.array(node.GetPosition()), np.array(node.GetFocalPoint())
    ahead = (focus - position) / max(float(np.linalg.norm(focus - position)), 1e-6)
    to_point = np.array(point_ras_mm) - position
    depth = float(to_point @ ahead)
    half = math.tan(math.radians(node.GetViewAngle()) / 2) * depth
    if node.GetParallelProjection():
        half = float(node.GetParallelScale())
    return depth > 0 and float(np.linalg.norm(to_point - depth * ahead)) <= _WELL_INSIDE * half


def turn_camera(node: Any, point_ras_mm: Sequence[float], field_mm: Optional[float] = None) -> None:
    """Let a camera look at a point, from the side from where it looks, and go to where `field_mm` are seen."""
    point, position, focus = (np.array(values) for values in (point_ras_mm, node.GetPosition(), node.GetFocalPoint()))
    away, distance = position - focus, float(np.linalg.norm(position - focus))
    away = away / distance if distance else np.array([0.0, 1.0, 0.0])
    if field_mm is not None:
        distance = field_mm / 2 / math.tan(math.radians(node.GetViewAngle()) / 2)
    was_modifying = node.StartModify()
    node.SetFocalPoint(*point)
    node.SetPosition(*(point + away * max(distance, 1.0)))
    if field_mm is not None and node.GetParallelProjection():
        node.SetParallelScale(field_mm / 2)
    node.ResetClippingRange()
    node.EndModify(was_modifying)


def _result_place(loaded: LoadedPrediction) -> Optional[RegionPlace]:
    """Where a result is in the world; None if it is empty."""
    bounds = _result_bounds(loaded)
    low, high = bounds[::2], bounds[1::2]
    if (low > high).any():
        return None
    corners = np.array([[x, y, z] for x in bounds[:2] for y in bounds[2:4] for z in bounds[4:]])
    return RegionPlace(tuple(((low + high) / 2).tolist()), corners)


def _result_bounds(loaded: LoadedPrediction) -> np.ndarray:
    """Bounds of a result's surfaces in the world, mm; those of its voxel grid where there is no surface."""
    node = loaded.segmentation
    surfaces = [surface_of_segment(node, segment_id(label)) for label in loaded.labels]
    of_each = [surface.GetBounds() for surface in surfaces if surface is not None and surface.GetNumberOfPoints()]
    if not of_each or node.GetParentTransformNode() is not None:
        bounds = np.zeros(6)
        node.GetRASBounds(bounds)
        return bounds
    low, high = np.min(of_each, axis=0)[::2], np.max(of_each, axis=0)[1::2]
    return np.column_stack([low, high]).ravel()


def _extent_along(place: RegionPlace, slice_to_ras: Any) -> tuple[float, float]:
    """How far the box reaches from the centre of the view, to both sides, along its two axes, in mm."""
    from_center = place.corners_ras_mm - np.array(place.center_ras_mm)
    axes = np.array([[slice_to_ras.GetElement(row, column) for row in range(3)] for column in range(2)])
    reach = np.abs(from_center @ axes.T).max(axis=0)
    return float(2 * reach[0]), float(2 * reach[1])


class RegionOutline:
    """Draws one region at a time, in a node of its own that is neither offered anywhere nor saved with the scene.

    Each region gets a new node, complete before it enters the scene: of a segmentation that is hidden subject hierarchy
    has no item, and complains of that whenever one is changed.

    Attributes:
        node: the vtkMRMLSegmentationNode; None while nothing is drawn.
    """

    def __init__(self, context: SceneContext, review: ReviewState) -> None:
        self.node: Any = None
        self._context = context
        self._review = review
        # Number of the region, whether it has a surface, and the transform above it.
        self._drawn: tuple[Any, ...] = ()

    def draw(self, number: int) -> None:
        """Draw a region, all at once; see `steps`."""
        run_to_end(self.steps(number))

    def steps(self, number: int) -> Generator[None, None, None]:
        """Draw a region in place of the one before: a line in slices and, where the result has surfaces, its own.

        In steps of some tens of milliseconds, of which only the last one changes the scene.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        loaded, box = self._review.loaded, self._review.voxels(number).box
        draws_surface = self._is_result_in_3d and box.mask.size <= _MOST_SURFACE_VOXELS
        drawn = (number, draws_surface, loaded.segmentation.GetTransformNodeID())
        if self.is_there and drawn == self._drawn:
            return
        name = region_title(self._review.regions.region(number))
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName(f"{loaded.volume.GetName()} {name}")
        node.GetSegmentation().AddSegment(self._review.layers.segment_of(box, name, OUTLINE_COLOR), _SEGMENT)
        if draws_surface:
            yield from surface_making_steps(node, _SEGMENT, OVERLAY_SMOOTHING)
        node.SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        self.clear()
        self._drawn = drawn
        self.node = add_for_a_while(self._context.scene, node, self._new_display())

    @property
    def is_there(self) -> bool:
        """Whether a region is drawn; a scene that was closed has taken the node along."""
        return self.node is not None and self.node.GetScene() is not None

    def follow_look(self) -> None:
        """Draw the surface where something of the result is drawn in 3D: alone it would float before the anatomy."""
        if self.is_there:
            self.node.GetDisplayNode().SetVisibility3D(is_in_3d(self._review.loaded))

    def clear_all_but(self, number: int) -> None:
        """Draw no other region any more: a person would take it for the one that is looked at now."""
        if self._drawn[:1] != (number,):
            self.clear()

    def clear(self) -> None:
        """Draw nothing any more."""
        remove_with_display(self.node)
        self.node = None

    @property
    def _is_result_in_3d(self) -> bool:
        node, ids = self._review.loaded.segmentation, [segment_id(label) for label in self._review.loaded.labels]
        # Also while a surface is being made anew after a decision.
        return any(has_surface(node, identifier) or lost_surface(node, identifier) for identifier in ids)

    def _new_display(self) -> Any:
        display = slicer.vtkMRMLSegmentationDisplayNode()
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetOpacity2DOutline(1.0)
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
        display.SetVisibility3D(is_in_3d(self._review.loaded))
        display.SetOpacity3D(_OPACITY_3D)
        return display


class SlideRing:
    """A ring in slice views where the boundary is being slid, as wide as the slide reaches; no 3D view draws it.

    It is a sphere, so that each slice shows how far the slide reaches in it; or a disc, as thick as the one slice in
    which the slide is. Neither offered nor saved with the scene.

    Attributes:
        node: the vtkMRMLModelNode; None while nothing is drawn.
    """

    def __init__(self, context: SceneContext) -> None:
        """Draw nothing yet."""
        self.node: Any = None
        self._context = context
        self._drawn: tuple[Any, ...] = ()

    def draw(self, volume_node: Any, slide: Slide) -> None:
        """Draw the ring of a slide, in place of the one before."""
        shape_of_ring = (slide.center_ijk, slide.radius_mm, slide.slice_axis)
        if self.node is None or self.node.GetScene() is None:
            self.node = self._new_node()
        elif shape_of_ring == self._drawn:
            return
        self._drawn = shape_of_ring
        shape = (_sphere if slide.slice_axis is None else _disc)(volume_node, slide)
        # The same surface with other points: for another one, each view would make its pipeline anew.
        self.node.GetPolyData().ShallowCopy(shape)

    def clear(self) -> None:
        """Draw nothing any more."""
        remove_with_display(self.node)
        self.node = None

    def _new_node(self) -> Any:
        display = slicer.vtkMRMLModelDisplayNode()
        display.SetVisibility3D(False)
        display.SetVisibility2D(True)
        display.SetSliceIntersectionThickness(_RING_PIXELS)
        display.SetColor(*OUTLINE_COLOR)
        node = slicer.vtkMRMLModelNode()
        node.SetName(_("Where the boundary is moved"))
        node.SetAndObservePolyData(vtkPolyData())
        return add_for_a_while(self._context.scene, node, display)


def _sphere(volume_node: Any, slide: Slide) -> Any:
    sphere = vtkSphereSource()
    sphere.SetCenter(*world_point(volume_node, slide.center_ijk))
    sphere.SetRadius(slide.radius_mm)
    sphere.SetThetaResolution(_RING_CORNERS)
    sphere.SetPhiResolution(_RING_CORNERS)
    sphere.Update()
    return sphere.GetOutput()


def _disc(volume_node: Any, slide: Slide) -> Any:
    ends = []
    for side in (-0.5, 0.5):
        point = [index + side * (axis == slide.slice_axis) for axis, index in enumerate(slide.center_ijk)]
        ends.append(np.array(world_point(volume_node, point)))
    across = ends[1] - ends[0]
    polygon, disc = vtkRegularPolygonSource(), vtkLinearExtrusionFilter()
    polygon.SetCenter(*ends[0])
    polygon.SetNormal(*(across / np.linalg.norm(across)))
    polygon.SetRadius(slide.radius_mm)
    polygon.SetNumberOfSides(_RING_CORNERS)
    disc.SetInputConnection(polygon.GetOutputPort())
    disc.SetExtrusionTypeToVectorExtrusion()
    disc.SetVector(*across)
    disc.Update()
    return disc.GetOutput()
