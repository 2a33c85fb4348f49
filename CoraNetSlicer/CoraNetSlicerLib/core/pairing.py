"""Which segmentation belongs to which volume, and whether the two lie on the same voxels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from .segment_classes import first_labelmap

# Rounding of matrices in files; more is another grid.
_OFF_VOXELS = 0.05
# A segmentation may have a margin of background; in a region of the volume that was cropped later, more.
_BEYOND_VOXELS = 2.0


def pair_with_segmentations(volumes: Iterable[Any], candidates: Iterable[Any]) -> dict[str, Any]:
    """Find the segmentation of each volume.

    A segmentation belongs to the volume that it was drawn on; if there is none, to the one with whose name its own
    begins. Segmentations without a segment belong to nobody.

    Returns:
        Volume's ID -> segmentation node, for those that have one; no segmentation occurs twice.
    """
    by_id = {volume.GetID(): volume for volume in volumes}
    pairs: dict[str, Any] = {}
    filled = [node for node in candidates if node.GetSegmentation().GetNumberOfSegments() > 0]
    for owner_of in (_reference_volume, _volume_by_name):
        for segmentation in filled:
            owner = owner_of(segmentation, by_id)
            if owner is not None and owner not in pairs and segmentation not in pairs.values():
                pairs[owner] = segmentation
    return pairs


def lie_apart(segmentation: Any, volume: Any) -> bool:
    """Whether a segmentation with voxels has none near the volume, in the world."""
    first, second = _bounds_mm(segmentation), _bounds_mm(volume)
    if not first or not second:
        return False
    pairs = [(2 * axis, 2 * axis + 1) for axis in range(3)]
    return any(first[high] < second[low] or second[high] < first[low] for low, high in pairs)


def drawn_on(segmentation: Any) -> Optional[Any]:
    """The volume node on which a segmentation was drawn, as far as it remembers; None: it does not."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())


def is_off_grid(segmentation: Any, volume: Any) -> bool:
    """Whether the voxels of a segmentation are not some of those of a volume; both lie under the same transform."""
    labelmap = first_labelmap(segmentation)
    if labelmap is None or segmentation.GetTransformNodeID() != volume.GetTransformNodeID():
        return False
    to_world, to_voxels, between = vtkMatrix4x4(), vtkMatrix4x4(), vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_world)
    volume.GetRASToIJKMatrix(to_voxels)
    vtkMatrix4x4.Multiply4x4(to_voxels, to_world, between)
    matrix = np.array([[between.GetElement(row, column) for column in range(4)] for row in range(3)])
    corners = np.array(list(itertools.product(*np.reshape(labelmap.GetExtent(), (3, 2)))), dtype=float)
    places = corners @ matrix[:, :3].T + matrix[:, 3]
    # On the volume's own voxels all corners are moved by the same whole number of voxels.
    moved = places - corners
    beyond = np.maximum(-places, places - (np.array(volume.GetImageData().GetDimensions()) - 1)).max()
    return bool(np.abs(moved - np.rint(moved[0])).max() > _OFF_VOXELS or beyond > _BEYOND_VOXELS)


def _bounds_mm(node: Any) -> tuple[float, ...]:
    """Lowest and highest coordinate of a node along each axis of the world; () if it has nothing."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return tuple(bounds) if bounds[0] <= bounds[1] else ()


def _reference_volume(segmentation: Any, volumes: dict[str, Any]) -> Optional[str]:
    reference = segmentation.GetNodeReferenceID(segmentation.GetReferenceImageGeometryReferenceRole())
    return reference if reference in volumes else None


def _volume_by_name(segmentation: Any, volumes: dict[str, Any]) -> Optional[str]:
    if _reference_volume(segmentation, volumes) is not None:
        return None
    name = segmentation.GetName() or ""
    fitting = [one for one, volume in volumes.items() if _begins_with(name, volume.GetName() or "")]
    # "Patient 1 left truth" belongs to "Patient 1 left" rather than to "Patient 1".
    return max(fitting, key=lambda one: len(volumes[one].GetName()), default=None)


def _begins_with(name: str, start: str) -> bool:
    # "Patient 10 truth" does not belong to "Patient 1".
    return bool(start) and name.startswith(start) and not name[len(start) : len(start) + 1].isalnum()
