"""Volumes written, and brought to another grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..contract.errors import DataError
from ..contract.files import atomic_path
from .file_names import utf8_names
from .grid import Grid, Volume
from .itk import image_of, write_error


def write_volume(path: str | Path, voxels: npt.NDArray[Any], grid: Grid) -> None:
    """Write a compressed NRRD that is either whole or absent.

    Args:
        path: file to write; its suffix chooses the format.
        voxels: (k, j, i), any scalar dtype.
        grid: geometry; its size must be that of `voxels`.

    Raises:
        StorageError: the file could not be written.
    """
    image = image_of(voxels, grid)
    with atomic_path(path) as temporary:
        try:
            with utf8_names([temporary]) as names:
                sitk.WriteImage(image, names[0], useCompression=True, compressionLevel=1)
        except RuntimeError as error:
            raise write_error(temporary, error) from error


def on_grid(volume: Volume, grid: Grid) -> Volume:
    """A scan on another grid, by where voxels lie in the world: linear between them, its lowest intensity around it.

    Args:
        volume: (k, j, i), float32.
        grid: of the result.

    Raises:
        DataError: no voxel of the grid lies in the scan.
    """
    image = image_of(volume.voxels, volume.grid)
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image_of(np.zeros(grid.size_ijk[::-1], np.uint8), grid))
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(float(volume.voxels.min()))
    covered = sitk.ResampleImageFilter()
    covered.SetReferenceImage(image_of(np.zeros(grid.size_ijk[::-1], np.uint8), grid))
    covered.SetInterpolator(sitk.sitkNearestNeighbor)
    ones = image_of(np.ones(volume.voxels.shape, np.uint8), volume.grid)
    if not sitk.GetArrayFromImage(covered.Execute(ones)).any():
        raise DataError("it does not overlap the first image; register both, or export them again.")
    return Volume(sitk.GetArrayFromImage(resampler.Execute(image)), grid)
