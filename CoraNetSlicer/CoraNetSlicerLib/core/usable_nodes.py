"""Which nodes can be a case of a job; what cannot is refused in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coranet.contract.errors import DataError

from .images import placement_of


def require_usable_volumes(volumes: Sequence[Any]) -> None:
    """Raise DataError, naming the volume, unless all are single-valued images on upright grids, each given once."""
    seen: set[str] = set()
    for volume in volumes:
        require_usable_volume(volume)
        if volume.GetID() in seen:
            raise DataError(f"the volume '{volume.GetName()}' is given twice; use it once.")
        seen.add(volume.GetID())


def require_usable_volume(volume: Any) -> None:
    """Raise DataError, naming the volume, unless it is a single-valued image on an upright grid."""
    if volume is None or not volume.IsA("vtkMRMLScalarVolumeNode"):
        kind = "nothing" if volume is None else f"'{volume.GetName()}' ({volume.GetNodeTagName()})"
        raise DataError(f"expected a scalar volume, got {kind}; choose an image volume.")
    name = volume.GetName()
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise DataError(f"'{name}' is a label map, expected an image; choose the image it was drawn on.")
    image = volume.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise DataError(f"the volume '{name}' has no voxels; load its image first.")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise DataError(
            f"the volume '{name}' has {components} values a voxel (color, vector or 4D data), expected 1; "
            "extract one channel or time point."
        )
    placement_of(volume).require_upright(f"the volume '{name}'")


def require_segmentation(node: Any, owner: str) -> None:
    """Raise DataError unless a node is a segmentation.

    Args:
        node: what is to be the segmentation.
        owner: name of the volume that it belongs to, for the message.
    """
    if node is None:
        raise DataError(f"'{owner}' has no segmentation; choose one, or use the volume as unlabeled.")
    if not node.IsA("vtkMRMLSegmentationNode"):
        raise DataError(
            f"'{owner}' is paired with '{node.GetName()}' ({node.GetNodeTagName()}), expected a segmentation; "
            "convert a label map to a segmentation first."
        )
