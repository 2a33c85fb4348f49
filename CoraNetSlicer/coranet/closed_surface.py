"""The closed surface of a mask, of no more triangles than a view can show; numpy and vtk alone, for engine and viewer.

A small surface is that with which 3D Slicer draws a segment: discrete flying edges, then a windowed sinc filter. Of a
large one (a liver at 0.5 mm has millions of triangles) the corners are gathered in the cells of a coarser grid, and
triangles that span three cells remain, with the mean of each cell's corners (Rossignac and Borrel, "Multi-resolution 3D
approximations for rendering complex scenes", 1993). That closes what was closed: a triangle that collapses takes
nothing from the boundary. A corner is moved by less than the diagonal of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
# Of so many triangles the neighbours are averaged between two moments in which a window can answer.
_TRIANGLES_AT_ONCE = 300_000
_PASSED = 0.999

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
    """The closed surface of a mask, all at once; arguments and result are those of `surface_steps`."""
    steps = surface_steps(mask, spacing_mm, is_mirrored, style)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def surface_steps(
    mask: Array, spacing_mm: Sequence[float], is_mirrored: bool, style: SurfaceStyle
) -> Generator[None, None, Any]:
    """The closed surface of a mask, in steps of some tens of milliseconds, between which a window can answer.

    Args:
        mask: bool, (k, j, i); stays as it is until the end.
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
    yield
    if box is None:
        empty = vtkPolyData()
        empty.SetPoints(vtkPoints())  # some readers complain of a file that says nothing of points
        return empty
    spacing = np.array(spacing_mm, dtype=float)
    coarseness = math.sqrt(max(1.0, _about_triangles(mask[box]) / style.most_triangles))
    yield
    if coarseness > 1:
        surface, coarseness = yield from _coarse_surface(mask, box, spacing, coarseness, style.most_triangles)
    else:
        surface = _edges(mask, box, range(mask[box].shape[0] + 2))
    yield
    # Cells that are larger than a voxel have smoothed already.
    yield from _smooth(surface, style.smoothing / coarseness)
    yield
    return _with_normals(surface, spacing, is_mirrored, style.inset_voxels)


def bounding_box(mask: Array) -> Box | None:
    """The smallest box (k, j, i) around a mask; None if it is empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        (occupied,) = np.nonzero(mask.any(axis=others))
        if not len(occupied):
            return None
        sides.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
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


def _coarse_surface(
    mask: Array, box: Box, spacing: Array, coarseness: float, most: int
) -> Generator[None, None, tuple[Any, float]]:
    """A surface of at most so many triangles, and the size of the cells in voxels of the finest spacing."""
    while True:
        cells = _Cells(coarseness * spacing.min() / spacing, mask.shape)
        for rows in _slabs(mask, box):
            cells.add(_edges(mask, box, rows))
            yield
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


def _smooth(surface: Any, smoothing: float) -> Iterator[None]:
    """Smooth the points of a closed surface, in steps: as vtkWindowedSincPolyDataFilter does, but not all at once.

    That is a low-pass filter of the frequencies of the surface, as a sum of Chebyshev polynomials of its Laplacian with
    the weights of a Hamming window (Taubin, Zhang, Golub 1996, "Optimal surface smoothing as filter design"); the
    volume stays. Strength and number of iterations are those of 3D Slicer.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if smoothing <= 0 or not surface.GetNumberOfPolys():
        return
    points = vtk_to_numpy(surface.GetPoints().GetData())
    triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    mean = _NeighborMean(triangles, len(points))
    yield
    weights = _filter_weights(int(20 + smoothing * 40), 10.0 ** (-4.0 * smoothing))
    at_once = max(1, _TRIANGLES_AT_ONCE // len(triangles))
    # Around the middle, so that float32 is precise; a row an axis is faster than a row a point.
    middle = points.mean(axis=0)
    before = np.ascontiguousarray((points - middle).T)
    now = 0.5 * (before + mean.of(before))
    result = weights[0] * before + weights[1] * now
    for iteration, weight in enumerate(weights[2:]):
        before, now = now, now + mean.of(now) - before
        result += weight * now
        if iteration % at_once == 0:
            yield
    points[:] = result.T + middle


class _NeighborMean:
    """Of each point of a closed surface the mean of its neighbours; each edge lies in two triangles."""

    def __init__(self, triangles: Array, count: int) -> None:
        corners = triangles.ravel()
        uses = np.bincount(corners, minlength=count)
        self._corners = np.ascontiguousarray(triangles.T)
        self._triangle = np.argsort(corners, kind="stable") // 3
        # A point of no triangle stays where it is.
        self._used = np.flatnonzero(uses)
        self._firsts = (np.cumsum(uses) - uses)[self._used]
        self._share = (0.5 / uses[self._used]).astype(np.float32)

    def of(self, points: Array) -> Array:
        """Args: points (3, N), float32."""
        first, second, third = self._corners
        means: Array = points.copy()
        for axis, values in enumerate(points):
            sums = values[first] + values[second] + values[third]
            # What the triangles at a point add up to holds each neighbour twice, and the point itself once a triangle.
            around = np.add.reduceat(sums[self._triangle], self._firsts)
            means[axis, self._used] = around * self._share - np.float32(0.5) * values[self._used]
        return means


@lru_cache
def _filter_weights(iterations: int, pass_band: float) -> Array:
    """Weights of the Chebyshev polynomials, float32, of a filter that passes frequencies up to one in [0, 2]."""
    order = np.arange(iterations + 1)
    window = 0.54 + 0.46 * np.cos(order * np.pi / (iterations + 1))
    edge = math.acos(1 - 0.5 * pass_band)

    def weights(shift: float) -> Array:
        polynomial: Array = 2 * window * np.sin(order * (edge + shift)) / (np.maximum(order, 1) * np.pi)
        polynomial[0] = window[0] * (edge + shift) / np.pi
        return polynomial

    # The window makes the pass band narrower; it is moved until its edge passes nearly as a whole.
    shifts = np.linspace(0.0, 4 * np.pi / (iterations + 1), 200)
    passed = np.array([weights(shift) @ np.cos(order * edge) for shift in shifts])
    return weights(float(shifts[int((passed >= _PASSED).argmax())])).astype(np.float32)


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
    if inset_voxels:
        _move_inwards(result, inset_voxels * float(spacing.min()))
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


def _move_inwards(surface: Any, by: float) -> None:
    """Move the points against their normals, but none of a triangle that would turn round, as where a part is thin.

    Such triangles have their normals on the other side, and are drawn as black specks.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    points = vtk_to_numpy(surface.GetPoints().GetData())
    triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    before, turned_before = points.copy(), _turns(points, triangles)
    points -= by * vtk_to_numpy(surface.GetPointData().GetNormals())
    is_turned = np.sum(_turns(points, triangles) * turned_before, axis=1) <= 0
    stays = np.unique(triangles[is_turned])
    points[stays] = before[stays]


def _turns(points: Array, triangles: Array) -> Array:
    """(T, 3), perpendicular to each triangle, on the side from which it turns left."""
    first, second, third = np.moveaxis(points[triangles], 1, 0)
    across: Array = np.cross(second - first, third - first)
    return across
