"""The closed surface of a mask, of no more triangles than a view can show; numpy and vtk alone, for engine and viewer.

A small surface is that with which 3D Slicer draws a segment: discrete flying edges, then a windowed sinc filter. Of a
large one (a liver at 0.5 mm has millions of triangles) the corners are gathered in the cells of a coarser grid, and
triangles that span three cells remain, with the mean of each cell's corners (Rossignac and Borrel, "Multi-resolution 3D
approximations for rendering complex scenes", 1993). That closes what was closed: a triangle that collapses takes
nothing from the boundary. A corner is moved by less than the diagonal of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# All surfaces of a result together; a view without a graphics card draws them in about a second.
TRIANGLES_IN_ALL = 600_000
# Of each, however many there are.
FEWEST_TRIANGLES = 2_000
# Stair steps of the voxels vanish, thin parts stay; the overlays are too thin for as much smoothing.
RESULT_SMOOTHING, OVERLAY_SMOOTHING = 0.5, 0.3
# The uncertain region has its outside in common with the radical classes, and two translucent surfaces in one place
# flicker from pixel to pixel; so it is drawn this far inside, in voxels.
UNCERTAIN_INSET_VOXELS = 0.2
# Voxels that are looked at once: a few of these in memory, however large the scan.
_VOXELS_AT_ONCE = 4_000_000
_COARSER = 1.3

Array = npt.NDArray[Any]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class SurfaceStyle:
    """How a surface is made.

    Attributes:
        smoothing: 0 (none) to 1 (strong), as in 3D Slicer.
        inset_voxels: how far it is moved inwards, in voxels of the finest spacing.
        most_triangles: about how many it may have.
    """

    smoothing: float
    inset_voxels: float = 0.0
    most_triangles: int = TRIANGLES_IN_ALL // 4


def triangles_each(surfaces: int) -> int:
    """How many triangles each of some surfaces may have, that are seen together."""
    return max(FEWEST_TRIANGLES, TRIANGLES_IN_ALL // max(surfaces, 1))


def closed_surface(mask: Array, spacing_mm: Sequence[float], is_mirrored: bool, style: SurfaceStyle) -> Any:
    """The closed surface of a mask.

    Args:
        mask: bool, (k, j, i).
        spacing_mm: of a voxel along i, j and k.
        is_mirrored: whether the axes i, j, k are left-handed in the world.
        style: how it is made.

    Returns:
        vtkPolyData of triangles with normals; points are indices (i, j, k) of the mask, float32; polygons turn outwards
        once they are in the world. Empty where the mask is.
    """
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    box = bounding_box(mask)
    if box is None:
        empty = vtkPolyData()
        empty.SetPoints(vtkPoints())  # some readers complain of a file that says nothing of points
        return empty
    spacing = np.array(spacing_mm, dtype=float)
    coarseness = math.sqrt(max(1.0, _about_triangles(mask[box]) / style.most_triangles))
    if coarseness > 1:
        surface, coarseness = _coarse_surface(mask, box, spacing, coarseness, style.most_triangles)
    else:
        surface = _edges(mask, box, range(mask[box].shape[0] + 2))
    # Cells that are larger than a voxel have smoothed already.
    return _with_normals(_smoothed(surface, style.smoothing / coarseness), spacing, is_mirrored, style.inset_voxels)


def bounding_box(mask: Array) -> Box | None:
    """The smallest box (k, j, i) around a mask; None if it is empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        (found,) = np.nonzero(mask.any(axis=others))
        if not len(found):
            return None
        sides.append(slice(int(found[0]), int(found[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _about_triangles(mask: Array) -> int:
    """Two for each face between a voxel of the mask and one outside of it."""
    faces = 0
    for axis in range(3):
        along = np.moveaxis(mask, axis, 0)
        faces += int(np.count_nonzero(along[0])) + int(np.count_nonzero(along[-1]))
        # Row by row: the difference of the whole would be as large as the mask.
        faces += sum(int(np.count_nonzero(a != b)) for a, b in zip(along, along[1:], strict=False))
    return 2 * faces


def _edges(mask: Array, box: Box, rows: range) -> Any:
    """The surface between some rows along k of a box with a margin of background on all sides.

    Without the margin the surface stays open where the mask touches the border.

    Args:
        mask: bool, (k, j, i).
        box: of it.
        rows: of the box with its margin: row 0 is background.

    Returns:
        vtkPolyData; points are indices of the mask.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersGeneral import vtkDiscreteFlyingEdges3D

    inside = mask[box]
    voxels = np.zeros((len(rows), inside.shape[1] + 2, inside.shape[2] + 2), np.uint8)
    first, last = max(rows[0], 1), min(rows[-1], inside.shape[0])
    voxels[first - rows[0] : last - rows[0] + 1, 1:-1, 1:-1] = inside[first - 1 : last]
    image = vtkImageData()
    image.SetDimensions(*reversed(voxels.shape))
    image.SetOrigin(box[2].start - 1, box[1].start - 1, box[0].start - 1 + rows[0])
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.ravel(), deep=True))
    edges = vtkDiscreteFlyingEdges3D()
    edges.SetInputData(image)
    edges.ComputeGradientsOff()
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.SetValue(0, 1)
    edges.Update()
    return edges.GetOutput()


def _coarse_surface(mask: Array, box: Box, spacing: Array, coarseness: float, most: int) -> tuple[Any, float]:
    """A surface of at most so many triangles, and the size of the cells in voxels of the finest spacing."""
    while True:
        cells = _Cells(coarseness * spacing.min() / spacing, mask.shape)
        for rows in _slabs(mask, box):
            cells.add(_edges(mask, box, rows))
            if cells.triangles > most:
                break
        else:
            return cells.surface(), coarseness
        coarseness *= _COARSER


def _slabs(mask: Array, box: Box) -> Iterator[range]:
    """Rows of a box with its margin, in portions; neighbours share a row, so that each cube lies in one of them."""
    depth, height, width = (length + 2 for length in mask[box].shape)
    rows = max(1, _VOXELS_AT_ONCE // (height * width))
    for first in range(0, depth - 1, rows):
        yield range(first, min(first + rows, depth - 1) + 1)


class _Cells:
    """Corners that are gathered in the cells of a coarse grid, and the triangles between three cells.

    Attributes:
        triangles: how many there are.
    """

    def __init__(self, cell_ijk: Array, shape_kji: Sequence[int]) -> None:
        """Begin with none.

        Args:
            cell_ijk: size of a cell, in voxels.
            shape_kji: of the mask.
        """
        self.triangles = 0
        self._cell = cell_ijk
        across = np.ceil((np.array(shape_kji[::-1]) + 3) / cell_ijk).astype(np.int64)
        self._steps = np.array([1, across[0], across[0] * across[1]], dtype=np.int64)
        self._keys: list[Array] = []
        self._sums: list[Array] = []
        self._spans: list[Array] = []

    def add(self, surface: Any) -> None:
        """Add a part of the surface; points that it has in common with another one may come twice."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        if not surface.GetNumberOfPolys():
            return
        points = vtk_to_numpy(surface.GetPoints().GetData())
        # One more than an index is not negative: there is a margin of one voxel.
        cells = np.floor((points + 1) / self._cell).astype(np.int64) @ self._steps
        keys, inverse = np.unique(cells, return_inverse=True)
        self._keys.append(keys)
        self._sums.append(_sums(inverse.ravel(), np.column_stack([points, np.ones(len(points))]), len(keys)))
        corners = cells[vtk_to_numpy(surface.GetPolys().GetConnectivityArray())].reshape(-1, 3)
        first, second, third = corners.T
        spans = corners[(first != second) & (second != third) & (third != first)]
        self._spans.append(spans)
        self.triangles += len(spans)

    def surface(self) -> Any:
        """The triangles, each corner in the middle of what its cell has gathered: vtkPolyData."""
        keys, inverse = np.unique(np.concatenate(self._keys), return_inverse=True)
        sums = _sums(inverse.ravel(), np.concatenate(self._sums), len(keys))
        used, triangles = np.unique(np.concatenate(self._spans), return_inverse=True)
        of_used = sums[np.searchsorted(keys, used)]
        return _poly_data(of_used[:, :3] / of_used[:, 3:], triangles.reshape(-1, 3))


def _sums(places: Array, rows: Array, count: int) -> Array:
    """Sums of rows that go to the same place, float64, (count, columns)."""
    return np.column_stack([np.bincount(places, weights=column, minlength=count) for column in rows.T])


def _poly_data(points: Array, triangles: Array) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    surface = vtkPolyData()
    corners = vtkPoints()
    corners.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float32), deep=True))
    cells = vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles, dtype=np.int64).ravel(), deep=True))
    surface.SetPoints(corners)
    surface.SetPolys(cells)
    return surface


def _smoothed(surface: Any, smoothing: float) -> Any:
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    if smoothing <= 0 or not surface.GetNumberOfPolys():
        return surface
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(surface)
    smoother.SetNumberOfIterations(int(20 + smoothing * 40))
    smoother.SetPassBand(10.0 ** (-4.0 * smoothing))
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    return smoother.GetOutput()


def _with_normals(surface: Any, spacing: Array, is_mirrored: bool, inset_voxels: float) -> Any:
    """The surface with outward normals, moved inwards along them; both right in mm, where no voxel is stretched."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals, vtkReverseSense

    if not surface.GetNumberOfPolys():
        return surface
    points = vtk_to_numpy(surface.GetPoints().GetData())
    points *= spacing
    normals = vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    # As the polygons turn, which is outwards: found anew, the normals of a cavity would point out of the cavity.
    normals.ConsistencyOff()
    normals.AutoOrientNormalsOff()
    normals.Update()
    result = normals.GetOutput()
    points = vtk_to_numpy(result.GetPoints().GetData())
    directions = vtk_to_numpy(result.GetPointData().GetNormals())
    points -= inset_voxels * float(spacing.min()) * directions
    points /= spacing
    # A normal is no distance: what is stretched by the spacing later is shrunk by it then.
    directions *= spacing
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    if not is_mirrored:
        return result
    # In a mirrored world all polygons turn round.
    reverse = vtkReverseSense()
    reverse.SetInputData(result)
    reverse.ReverseCellsOn()
    reverse.ReverseNormalsOff()
    reverse.Update()
    return reverse.GetOutput()
