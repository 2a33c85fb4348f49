"""Result images of a job, read by Slicer's own readers and checked before anything enters the scene."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.errors import DataError

# Grids count as equal when no corner of one lies further than this from the other's, in voxels.
_GRID_TOLERANCE_VOXELS = 0.01


def read_image(path: Path, node: Any) -> Any:
    """Fill a volume node from a file, or from a folder with the slices of one DICOM series.

    Slicer's own reader brings it from the file's axes into RAS.

    Raises:
        DataError: the path is missing, or is not an image that Slicer reads.
    """
    if not path.exists():
        raise DataError(f"'{path}' is missing; run the segmentation again or restore the file.")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    files = _slices_in_order(path) if path.is_dir() else [path]
    storage.SetFileName(str(files[0]))
    if len(files) > 1:
        for file in files:
            storage.AddFileName(str(file))
    return _read(storage, path, node)


def require_grid_of(volume_node: Any, image: Any, path: Path) -> None:
    """Raise DataError, naming `path`, unless an image lies on the grid of a volume."""
    if volume_node.GetImageData() is None:
        raise DataError(f"the volume '{volume_node.GetName()}' has no voxels; load its image before the results.")
    expected, got = _corners(volume_node), _corners(image)
    same_size = volume_node.GetImageData().GetDimensions() == image.GetImageData().GetDimensions()
    tolerance = _GRID_TOLERANCE_VOXELS * min(volume_node.GetSpacing())
    if not same_size or np.abs(expected - got).max() > tolerance:
        raise DataError(
            f"'{path}' lies on another grid than the volume '{volume_node.GetName()}': expected "
            f"{_grid_in_words(volume_node)}, got {_grid_in_words(image)}; load it for the volume that was segmented."
        )


def voxel_values(node: Any) -> np.ndarray:
    """All voxels of a volume node, flat; a view."""
    return vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())


class LabelCheck:
    """Looks at the voxels of a label map, a piece at a time."""

    def __init__(self, known: Iterable[int], path: Path) -> None:
        """Know what is expected.

        Args:
            known: the values that may occur.
            path: of the file, for the error.
        """
        self._known = set(known)
        self._path = path
        self._occurs = np.zeros(1 << 16, dtype=bool)
        self._others: set[float] = set()

    def add(self, voxels: np.ndarray) -> None:
        """Look at some voxels."""
        if voxels.dtype in (np.uint8, np.uint16):
            self._occurs[voxels] = True
        else:
            self._others |= {value.item() for value in np.unique(voxels)}

    @property
    def found(self) -> set[float]:
        """The values that occur."""
        return {*np.flatnonzero(self._occurs).tolist(), *self._others}

    def require(self) -> None:
        """Raise DataError, naming the file, unless nothing but known values occurs."""
        unknown = sorted(self.found - self._known)
        if unknown:
            expected = sorted(self._known)
            raise DataError(
                f"'{self._path}' must hold only the values {expected}, got {unknown}; segment the volume again."
            )


class UnitRangeCheck:
    """Looks at the voxels of an uncertainty map, a piece at a time."""

    def __init__(self, path: Path) -> None:
        """Know the file.

        Args:
            path: of the file, for the error.
        """
        self._path = path
        self._lowest, self._highest = 0.0, 0.0

    def add(self, voxels: np.ndarray) -> None:
        """Look at some voxels."""
        # NaN wins in both, and stays.
        self._lowest = float(np.minimum(self._lowest, voxels.min()))
        self._highest = float(np.maximum(self._highest, voxels.max()))

    def require(self) -> None:
        """Raise DataError, naming the file, unless all voxels lie from 0 to 1."""
        # Written this way round so that NaN fails as well.
        if not (self._lowest >= 0.0 and self._highest <= 1.0):
            raise DataError(
                f"'{self._path}' must hold values from 0 to 1, got {self._lowest:.4g} to {self._highest:.4g}; "
                "segment it again."
            )


def _read(storage: Any, path: Path, node: Any) -> Any:
    if not storage.ReadData(node) or node.GetImageData() is None:
        raise DataError(f"'{path}' must be an image that Slicer reads; run the segmentation again or restore the file.")
    return node


def _slices_in_order(folder: Path) -> list[Path]:
    """The files of a DICOM series, sorted by position along their normal.

    Sorted by name, as the reader does on its own, they can end up with a wrong spacing and origin, and no warning.
    """
    heights = []
    for file in folder.iterdir():
        if not file.is_file() or file.name.startswith("."):
            continue
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(file))
        storage.SetSingleFile(True)
        node = _read(storage, file, slicer.vtkMRMLScalarVolumeNode())
        normal = [0.0, 0.0, 0.0]
        node.GetKToRASDirection(normal)
        heights.append((float(np.dot(node.GetOrigin(), normal)), file))
    if not heights:
        raise DataError(f"'{folder}' must hold a DICOM series, got no file; restore its files.")
    return [file for _, file in sorted(heights)]


def _corners(node: Any) -> np.ndarray:
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    last = [size - 1 for size in node.GetImageData().GetDimensions()]
    ends = [(i, j, k, 1) for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])]
    return np.array([matrix.MultiplyPoint(end)[:3] for end in ends])


def _grid_in_words(node: Any) -> str:
    size = " x ".join(str(part) for part in node.GetImageData().GetDimensions())
    spacing = " x ".join(f"{part:.4g}" for part in node.GetSpacing())
    origin = ", ".join(f"{part:.4g}" for part in node.GetOrigin())
    return f"{size} voxels of {spacing} mm from ({origin})"
