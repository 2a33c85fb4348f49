"""The closed surface of one segment, made or dropped without touching those of the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer
from vtkmodules.vtkCommonCore import vtkIntArray
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkDataSetAttributes, vtkPolyData
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkFiltersGeneral import vtkWarpVector

from .results import UNCERTAIN_SEGMENT

# Stair steps of the voxels vanish, thin parts stay; the uncertain shell is too thin for as much smoothing.
RESULT_SMOOTHING = 0.5
OVERLAY_SMOOTHING = 0.3
# The uncertain region has its outside in common with the radical segments, and two translucent surfaces in one place
# flicker from pixel to pixel; so it is drawn this far inside, in voxels.
_UNCERTAIN_INSET_VOXELS = 0.2
_PLACE_HOLDER = "CoraNetSlicer.PlaceHolder"

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


def has_surface(node: Any, identifier: str) -> bool:
    """Whether a segment can be drawn in 3D.

    Args:
        node: vtkMRMLSegmentationNode.
        identifier: of the segment.
    """
    surface = _surface(node, identifier)
    return surface is not None and not _holds_place(surface)


def lost_surface(node: Any, identifier: str) -> bool:
    """Whether a segment had a surface that became wrong, and nothing is drawn in its place."""
    surface = _surface(node, identifier)
    return surface is not None and _holds_place(surface)


def ids_to_make(node: Any, identifiers: Iterable[str]) -> list[str]:
    """Ids of the segments whose surfaces must be made so that some segments can be drawn in 3D, those first.

    Slicer draws no surface of a node whose first segment has none, and converts all that is missing, at once, as soon
    as it has one: so a node has all or none.

    Args:
        node: vtkMRMLSegmentationNode.
        identifiers: of the segments to draw.
    """
    wanted = [one for one in identifiers if not has_surface(node, one)]
    others = [one for one in _segment_ids(node) if one not in wanted and not has_surface(node, one)]
    return [*wanted, *others] if wanted else []


def make_surface(node: Any, identifier: str, smoothing: float) -> None:
    """Make a segment's surface from its voxels, and only this; takes up to a second for large volumes.

    Args:
        node: vtkMRMLSegmentationNode.
        identifier: of the segment; nothing is done if it is gone.
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
    surface = copy.GetRepresentation(_CLOSED_SURFACE) or vtkPolyData()
    if identifier == UNCERTAIN_SEGMENT:
        matrix = vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix)
        inset_surface(surface, min(labelmap.GetSpacing()), is_mirrored=matrix.Determinant() < 0)
    _hold_places(node)
    segment.AddRepresentation(_CLOSED_SURFACE, surface)


def drop_surface(node: Any, identifier: str) -> None:
    """Draw nothing in place of a segment's surface, because its voxels will be others."""
    if has_surface(node, identifier):
        node.GetSegmentation().GetSegment(identifier).AddRepresentation(_CLOSED_SURFACE, _place_holder())


def add_without_surface(node: Any, segment: Any, identifier: str) -> None:
    """Add a segment that is not drawn in 3D; Slicer would make a surface of it, here and now, if others have one."""
    if node.GetSegmentation().ContainsRepresentation(_CLOSED_SURFACE):
        segment.AddRepresentation(_CLOSED_SURFACE, _place_holder())
    node.GetSegmentation().AddSegment(segment, identifier)


def _surface(node: Any, identifier: str) -> Any:
    segment = node.GetSegmentation().GetSegment(identifier)
    return segment.GetRepresentation(_CLOSED_SURFACE) if segment is not None else None


def _segment_ids(node: Any) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]


def _hold_places(node: Any) -> None:
    """Give each segment without a surface an empty one, so that Slicer does not convert all of them here and now."""
    was_modifying = node.StartModify()
    # The first segment last: as soon as it has a surface, Slicer thinks that the node has all of them.
    for identifier in reversed(_segment_ids(node)):
        if _surface(node, identifier) is None:
            node.GetSegmentation().GetSegment(identifier).AddRepresentation(_CLOSED_SURFACE, _place_holder())
    node.EndModify(was_modifying)


def _place_holder() -> Any:
    surface = vtkPolyData()
    mark = vtkIntArray()
    mark.SetName(_PLACE_HOLDER)
    surface.GetFieldData().AddArray(mark)
    return surface


def _holds_place(surface: Any) -> bool:
    return bool(surface.GetFieldData().HasArray(_PLACE_HOLDER))


def inset_surface(surface: Any, voxel_mm: float, is_mirrored: bool) -> None:
    """Move a surface inside by a part of a voxel.

    Args:
        surface: vtkPolyData; changed in place.
        voxel_mm: shortest side of a voxel.
        is_mirrored: whether the grid is left-handed, so that the polygons turn inwards.
    """
    if not surface.GetNumberOfPoints():
        return
    normals = vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    # As the polygons turn: found anew, the normals of a cavity would point out of the cavity.
    normals.AutoOrientNormalsOff()
    warp = vtkWarpVector()
    warp.SetInputConnection(normals.GetOutputPort())
    warp.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes.NORMALS)
    inwards = 1.0 if is_mirrored else -1.0
    warp.SetScaleFactor(inwards * _UNCERTAIN_INSET_VOXELS * voxel_mm)
    warp.Update()
    surface.DeepCopy(warp.GetOutput())
