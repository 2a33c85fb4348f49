"""Voxels of volumes and segments as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkCommonMath import vtkMatrix4x4


def image_array(image: Any) -> np.ndarray:
    """Voxels of vtkImageData, (k, j, i); a view."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions())))


def segment_mask(node: Any, identifiers: Iterable[str]) -> np.ndarray:
    """Voxels of some segments together on the node's reference grid, bool (k, j, i)."""
    names = vtkStringArray()
    for identifier in identifiers:
        names.InsertNextValue(identifier)
    # Not ExportSegmentsToLabelmapNode: each call would leave a colour table in the scene.
    merged = slicer.vtkOrientedImageData()
    extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    node.GenerateMergedLabelmapForAllSegments(merged, extent, None, names)
    return image_array(merged) > 0


def ijk_to_ras(volume: Any) -> np.ndarray:
    """(4, 4)."""
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
