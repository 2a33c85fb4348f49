"""Closed surfaces of a segmented case, made here in the background so that the viewer need not wait for them.

Points are voxel indices (i, j, k): the viewer applies the volume's own matrix, so nothing is converted here.
vtk is no requirement of the engine: where it is absent, no surfaces are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .background import Background
from .closed_surface import (
    OVERLAY_SMOOTHING,
    RESULT_SMOOTHING,
    UNCERTAIN_INSET_VOXELS,
    SurfaceStyle,
    closed_surface,
    triangles_each,
)
from .contract import Label, PredictionFiles
from .contract.errors import StorageError
from .contract.files import atomic_path
from .inference.prediction import Prediction
from .networks import HeadLogits
from .volume import Grid
from .volume.file_names import utf8_names

Array = npt.NDArray[Any]


def can_make_surfaces() -> bool:
    """Whether this Python has vtk."""
    return find_spec("vtkmodules") is not None


def write_surfaces(
    files: PredictionFiles, prediction: Prediction, labels: tuple[Label, ...], grid: Grid,
    poll: Callable[[float], object] = lambda share: None,
) -> None:  # fmt: skip
    """Write the surface of each class of each head, and of the uncertain region; an empty one where there is no voxel.

    All together have about `TRIANGLES_IN_ALL` triangles at most, whatever the scan.

    Args:
        files: say where.
        prediction: the case's results, (k, j, i).
        labels: its classes.
        grid: of the scan.
        poll: called again and again with the share of the surfaces that is done; may raise to stop.

    Raises:
        StorageError: a file could not be written.
    """
    count = len(HeadLogits._fields) * len(labels) + 1
    for number, (segment, voxels, value) in enumerate(_segments(prediction, labels)):
        inset = UNCERTAIN_INSET_VOXELS if segment == "uncertain" else 0.0
        smoothing = RESULT_SMOOTHING if segment.startswith("segmentation") else OVERLAY_SMOOTHING
        style = SurfaceStyle(smoothing, inset, triangles_each(count))
        poll_share = partial(poll, number / count)
        surface = Background(partial(_surface_of_value, voxels, value, grid, style)).result(poll_share)
        Background(partial(_write, files.surface(segment), surface)).result(poll_share)


def surface_of(mask: Array, grid: Grid, style: SurfaceStyle) -> Any:
    """The closed surface of a mask.

    Args:
        mask: bool, (k, j, i).
        grid: on which the mask lies.
        style: how it is made.

    Returns:
        vtkPolyData with normals; points are voxel indices (i, j, k), polygons turn outwards once they are in the world.
    """
    is_mirrored = bool(np.linalg.det(np.reshape(grid.direction, (3, 3))) < 0)
    return closed_surface(mask, grid.spacing_mm, is_mirrored, style)


def _segments(prediction: Prediction, labels: tuple[Label, ...]) -> Iterator[tuple[str, tuple[Array, Any], int]]:
    """Name of each segment, the array that holds it with the box (k, j, i) around it there (None: none), its value."""
    for head in HeadLogits._fields:
        voxels = getattr(prediction, head)
        # Once for all classes: there may be hundreds.
        boxes = dict(enumerate(ndimage.find_objects(voxels), start=1))
        for label in labels:
            yield f"{head}-{label.value}", (voxels, boxes.get(label.value)), label.value
    (box,) = ndimage.find_objects(prediction.uncertain, max_label=1)
    yield "uncertain", (prediction.uncertain, box), 1


def _surface_of_value(voxels: tuple[Array, Any], value: int, grid: Grid, style: SurfaceStyle) -> Any:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    array, box = voxels
    if box is None:
        return surface_of(np.zeros((1, 1, 1), bool), grid, style)
    surface = surface_of(array[box] == value, grid, style)
    if surface.GetNumberOfPoints():
        points = vtk_to_numpy(surface.GetPoints().GetData())
        points += [side.start for side in reversed(box)]
    return surface


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
