"""Looking at a region: where it is in the world, and slices and cameras that show it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

from coranet.contract import Region

from ..core.results import LoadedPrediction

# A region takes this share of a view at most, so that one sees what is around it.
_SHARE_OF_VIEW = 1 / 3
# Less would show a few voxels and no anatomy.
SMALLEST_FIELD_MM = 60.0
SMALLEST_DISTANCE_MM = 150.0


@dataclass(frozen=True)
class RegionPlace:
    """Where a region is in the world.

    Attributes:
        center_ras_mm: the voxel of the region that is nearest to its centre of mass.
        corners_ras_mm: (8, 3), those of the box around it.
    """

    center_ras_mm: tuple[float, float, float]
    corners_ras_mm: np.ndarray


def region_place(region: Region, volume_node: Any) -> RegionPlace:
    """Where a region is, transforms above the volume taken into account.

    Args:
        region: which.
        volume_node: the volume that was segmented.
    """
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    to_world = vtkGeneralTransform()
    if volume_node.GetParentTransformNode() is not None:
        volume_node.GetParentTransformNode().GetTransformToWorld(to_world)

    def world(ijk: Iterable[float]) -> tuple[float, float, float]:
        return tuple(to_world.TransformPoint(matrix.MultiplyPoint((*ijk, 1.0))[:3]))

    # Voxels have a size: the box goes from the outside of the first to that of the last.
    i, j, k = ((first - 0.5, last + 0.5) for first, last in region.bounds_ijk)
    corners = [world((x, y, z)) for x in i for y in j for z in k]
    return RegionPlace(world(region.center_ijk), np.array(corners))


def show_volume_somewhere(volume_node: Any, composite_nodes: Iterable[Any]) -> None:
    """Put a volume into the background of slice views, unless one of them shows it already.

    Args:
        volume_node: the volume.
        composite_nodes: vtkMRMLSliceCompositeNode of each view.
    """
    views = list(composite_nodes)
    shown = {one for view in views for one in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())}
    if volume_node.GetID() not in shown:
        for view in views:
            view.SetBackgroundVolumeID(volume_node.GetID())


def show_in_slices(place: RegionPlace, slice_nodes: Iterable[Any]) -> None:
    """Bring a region into the middle of slice views, and its box into their field of view with some room around it.

    Args:
        place: of the region.
        slice_nodes: vtkMRMLSliceNode of each view; their orientation stays.
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
            SMALLEST_FIELD_MM / min(width, height),
        )
        node.SetFieldOfView(width * mm_a_pixel, height * mm_a_pixel, depth_mm)
        node.UpdateMatrices()
        node.EndModify(was_modifying)


def show_result_in_cameras(loaded: LoadedPrediction, camera_nodes: Iterable[Any]) -> None:
    """Turn cameras to a result, and go to where it fills them, unless they look into the middle of it already.

    Args:
        loaded: the result; nothing is done if it is empty.
        camera_nodes: vtkMRMLCameraNode of each view.
    """
    bounds = np.zeros(6)
    loaded.segmentation.GetRASBounds(bounds)
    low, high = bounds[::2], bounds[1::2]
    if (low > high).any():
        return
    corners = np.array([[x, y, z] for x in bounds[:2] for y in bounds[2:4] for z in bounds[4:]])
    elsewhere = [
        one for one in camera_nodes if not ((low <= one.GetFocalPoint()) & (one.GetFocalPoint() <= high)).all()
    ]
    show_in_cameras(RegionPlace(tuple(((low + high) / 2).tolist()), corners), elsewhere, share_of_view=1.0)


def show_in_cameras(
    place: RegionPlace, camera_nodes: Iterable[Any], fit: bool = True, share_of_view: float = _SHARE_OF_VIEW
) -> None:
    """Turn cameras to a region without changing from where they look.

    Args:
        place: of the region.
        camera_nodes: vtkMRMLCameraNode of each view.
        fit: also go to a distance at which the region is seen well; else the distance stays.
        share_of_view: how much of a view the region then takes.
    """
    size = float(np.linalg.norm(np.ptp(place.corners_ras_mm, axis=0)))
    for node in camera_nodes:
        position, focus = np.array(node.GetPosition()), np.array(node.GetFocalPoint())
        away, distance = position - focus, float(np.linalg.norm(position - focus))
        away = away / distance if distance else np.array([0.0, 1.0, 0.0])
        scale = max(size / share_of_view, SMALLEST_FIELD_MM)
        if fit:
            seen = scale / 2 / math.tan(math.radians(node.GetViewAngle()) / 2)
            distance = max(seen, SMALLEST_DISTANCE_MM)
        was_modifying = node.StartModify()
        node.SetFocalPoint(*place.center_ras_mm)
        node.SetPosition(*(np.array(place.center_ras_mm) + away * max(distance, 1.0)))
        if fit and node.GetParallelProjection():
            node.SetParallelScale(scale / 2)
        node.ResetClippingRange()
        node.EndModify(was_modifying)


def _extent_along(place: RegionPlace, slice_to_ras: Any) -> tuple[float, float]:
    """How far the box reaches from the centre of the view, to both sides, along its two axes, in mm."""
    from_center = place.corners_ras_mm - np.array(place.center_ras_mm)
    axes = np.array([[slice_to_ras.GetElement(row, column) for row in range(3)] for column in range(2)])
    reach = np.abs(from_center @ axes.T).max(axis=0)
    return float(2 * reach[0]), float(2 * reach[1])
