"""Voxels of volumes and segments as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4


def volume_array(node: Any) -> np.ndarray:
    """Voxels of a volume node, (k, j, i); a view."""
    image = node.GetImageData()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions())))


def segment_mask(segmentations_logic: Any, node: Any, identifiers: Iterable[str]) -> np.ndarray:
    """Voxels of some segments together on the node's reference grid, bool (k, j, i)."""
    scene = node.GetScene()
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    segmentations_logic.ExportSegmentsToLabelmapNode(node, list(identifiers), labelmap, None, extent)
    mask = volume_array(labelmap) > 0
    scene.RemoveNode(labelmap)
    return mask


def ijk_to_ras(volume: Any) -> np.ndarray:
    """(4, 4)."""
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
