"""Closed surfaces of a segmented case, made here in the background so that the viewer need not wait for them.

Points are voxel indices (i, j, k): whoever shows them applies the volume's own matrix, so nothing is converted here.
The steps and their parameters are those with which 3D Slicer makes a surface of a segment. vtk is no requirement of
the engine: where it is absent, no surfaces are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import StorageError
from .job import Label, PredictionFiles
from .job.files import atomic_path
from .networks import HeadLogits
from .prediction import Prediction
from .volume import Grid
from .volume.file_names import utf8_names

# Stair steps of the voxels vanish, thin parts stay; the overlays are too thin for as much smoothing.
SMOOTHING = {"segmentation": 0.5, "conservative": 0.3, "radical": 0.3, "uncertain": 0.3}
# The uncertain region has its outside in common with the radical classes, and two translucent surfaces in one place
# flicker from pixel to pixel; so it is drawn this far inside, in voxels.
UNCERTAIN_INSET_VOXELS = 0.2

Array = npt.NDArray[Any]


def can_make_surfaces() -> bool:
    """Whether this Python has vtk."""
    return find_spec("vtkmodules") is not None


def write_surfaces(
    files: PredictionFiles, prediction: Prediction, labels: tuple[Label, ...], grid: Grid,
    ask: Callable[[float], object] = lambda share: None,
) -> None:  # fmt: skip
    """Write the surface of each class of each head, and of the uncertain region; an empty one where there is no voxel.

    Args:
        files: say where.
        prediction: the case's results, (k, j, i).
        labels: its classes.
        grid: of the scan.
        ask: called before each surface with the share of them that is done; may raise to stop.

    Raises:
        StorageError: a file could not be written.
    """
    count = len(HeadLogits._fields) * len(labels) + 1
    for number, (segment, mask, smoothing) in enumerate(_segments(prediction, labels)):
        ask(number / count)
        inset = UNCERTAIN_INSET_VOXELS if segment == "uncertain" else 0.0
        _write(files.surface(segment), surface_of(mask, grid, smoothing, inset))


def surface_of(mask: Array, grid: Grid, smoothing: float, inset_voxels: float = 0.0) -> Any:
    """The closed surface of a mask.

    Args:
        mask: bool, (k, j, i).
        grid: on which the mask lies.
        smoothing: 0 (none) to 1 (strong), as in 3D Slicer.
        inset_voxels: how far the surface is moved inwards, in voxels of the finest spacing.

    Returns:
        vtkPolyData with normals; points are voxel indices (i, j, k), polygons turn outwards once they are in the world.
    """
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    box = _bounding_box(mask)
    if box is None:
        empty = vtkPolyData()
        empty.SetPoints(vtkPoints())  # some readers complain of a file that says nothing of points
        return empty
    surface = _smoothed(_edges(mask, box), smoothing)
    return _with_normals(surface, grid, inset_voxels)


def _segments(prediction: Prediction, labels: tuple[Label, ...]) -> Iterator[tuple[str, Array, float]]:
    for head in HeadLogits._fields:
        for label in labels:
            yield f"{head}-{label.value}", getattr(prediction, head) == label.value, SMOOTHING[head]
    yield "uncertain", prediction.uncertain == 1, SMOOTHING["uncertain"]


def _bounding_box(mask: Array) -> tuple[slice, slice, slice] | None:
    """The smallest box (k, j, i) around a mask; None if it is empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        (found,) = np.nonzero(mask.any(axis=others))
        if not len(found):
            return None
        sides.append(slice(int(found[0]), int(found[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _edges(mask: Array, box: tuple[slice, slice, slice]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersGeneral import vtkDiscreteFlyingEdges3D

    # A margin of background on all sides: without it the surface stays open where the mask touches the border.
    voxels = np.pad(mask[box].astype(np.uint8), 1)
    image = vtkImageData()
    image.SetDimensions(*reversed(voxels.shape))
    image.SetOrigin(*(side.start - 1 for side in reversed(box)))
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.ravel(), deep=True))
    edges = vtkDiscreteFlyingEdges3D()
    edges.SetInputData(image)
    edges.ComputeGradientsOff()
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.SetValue(0, 1)
    edges.Update()
    return edges.GetOutput()


def _smoothed(surface: Any, smoothing: float) -> Any:
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    if smoothing <= 0:
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


def _with_normals(surface: Any, grid: Grid, inset_voxels: float) -> Any:
    """The surface with outward normals, moved inwards along them; both right in mm, where no voxel is stretched."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals, vtkReverseSense

    spacing = np.array(grid.spacing_mm)
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
    if np.linalg.det(np.reshape(grid.direction, (3, 3))) > 0:
        return result
    # In a mirrored world all polygons turn round.
    reverse = vtkReverseSense()
    reverse.SetInputData(result)
    reverse.ReverseCellsOn()
    reverse.ReverseNormalsOff()
    reverse.Update()
    return reverse.GetOutput()


def _write(path: Any, surface: Any) -> None:
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    with atomic_path(path) as temporary, utf8_names([temporary]) as names:
        writer = vtkXMLPolyDataWriter()
        writer.SetFileName(names[0])
        writer.SetInputData(surface)
        # Read while a person works: quickly, not from the smallest file.
        writer.SetCompressorTypeToLZ4()
        writer.EncodeAppendedDataOff()
        if not writer.Write() or not temporary.is_file():
            raise StorageError(f"'{path}' could not be written; check free space and that you may write to the folder.")
