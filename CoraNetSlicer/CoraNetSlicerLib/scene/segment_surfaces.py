"""The closed surface of one segment, made or dropped without touching those of the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkDataSetAttributes
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkFiltersGeneral import vtkWarpVector

from .results import UNCERTAIN_SEGMENT

# Stair steps of the voxels vanish, thin parts stay; the uncertain shell is too thin for as much smoothing.
RESULT_SMOOTHING = 0.5
OVERLAY_SMOOTHING = 0.3
# The uncertain region has its outside in common with the radical segments, and two translucent surfaces in one place
# flicker from pixel to pixel; so it is drawn this far inside, in voxels.
_UNCERTAIN_INSET_VOXELS = 0.2

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


def has_surface(node: Any, identifier: str) -> bool:
    """Whether a segment can be drawn in 3D.

    Args:
        node: vtkMRMLSegmentationNode.
        identifier: of the segment.
    """
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegment(identifier)
    # Slicer draws no surface of a node whose first segment has none.
    is_drawn = segmentation.ContainsRepresentation(_CLOSED_SURFACE)
    return is_drawn and segment is not None and segment.GetRepresentation(_CLOSED_SURFACE) is not None


def ids_to_make(node: Any, identifiers: Iterable[str]) -> list[str]:
    """Ids of the segments whose surfaces must be made so that some segments can be drawn in 3D.

    Args:
        node: vtkMRMLSegmentationNode.
        identifiers: of the segments to draw.
    """
    segmentation = node.GetSegmentation()
    wanted = [one for one in identifiers if not has_surface(node, one)]
    first = segmentation.GetNthSegmentID(0)
    needed = [first, *(one for one in wanted if one != first)] if wanted else []
    return [one for one in needed if segmentation.GetSegment(one).GetRepresentation(_CLOSED_SURFACE) is None]


def make_surface(node: Any, identifier: str, smoothing: float) -> None:
    """Make a segment's surface from its voxels; takes up to a second for large volumes.

    Args:
        node: vtkMRMLSegmentationNode.
        identifier: of the segment.
        smoothing: Slicer's smoothing factor, in [0, 1].
    """
    segment = node.GetSegmentation().GetSegment(identifier)
    labelmap = segment.GetRepresentation(_BINARY_LABELMAP) if segment is not None else None
    if labelmap is None:
        return
    # Slicer's own conversion would redo all segments of the node.
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(_BINARY_LABELMAP)
    alone.SetConversionParameter("Smoothing factor", str(smoothing))
    copy = slicer.vtkSegment()
    copy.SetLabelValue(segment.GetLabelValue())
    copy.AddRepresentation(_BINARY_LABELMAP, labelmap)
    alone.AddSegment(copy, identifier)
    alone.CreateRepresentation(_CLOSED_SURFACE)
    surface = copy.GetRepresentation(_CLOSED_SURFACE)
    if surface is None:
        return
    if identifier == UNCERTAIN_SEGMENT:
        inset_surface(surface, min(labelmap.GetSpacing()))
    segment.AddRepresentation(_CLOSED_SURFACE, surface)


def drop_surface(node: Any, identifier: str) -> None:
    """Forget a segment's surface, because its voxels are others now."""
    segment = node.GetSegmentation().GetSegment(identifier)
    if segment is not None:
        segment.RemoveRepresentation(_CLOSED_SURFACE)


def inset_surface(surface: Any, voxel_mm: float) -> None:
    """Move a surface inside by a part of a voxel.

    Args:
        surface: vtkPolyData; changed in place.
        voxel_mm: shortest side of a voxel.
    """
    if not surface.GetNumberOfPoints():
        return
    normals = vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    warp = vtkWarpVector()
    warp.SetInputConnection(normals.GetOutputPort())
    warp.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes.NORMALS)
    warp.SetScaleFactor(-_UNCERTAIN_INSET_VOXELS * voxel_mm)
    warp.Update()
    surface.DeepCopy(warp.GetOutput())
