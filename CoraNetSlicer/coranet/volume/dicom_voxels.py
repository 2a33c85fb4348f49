"""The voxels of a part of a DICOM series, decoded by ITK, in the order of its slices."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..contract.errors import DataError
from .dicom_header import Slice
from .dicom_parts import Part, require_stack
from .grid import Volume
from .itk import itk_reads

Array = npt.NDArray[Any]
_log = logging.getLogger("coranet")


def read_part(path: Path, part: Part) -> Volume:
    """Read all slices of a part.

    Args:
        path: what was asked for, for messages.
        part: of the series.

    Returns:
        (k, j, i), float32: slices of one series may be scaled differently, which whole numbers would round away.

    Raises:
        DataError: slices are missing, or a file cannot be decoded.
    """
    grid = require_stack(path, part)
    is_enhanced = any(dicom_slice.frame is not None for dicom_slice in part.slices)
    voxels = _frames(part) if is_enhanced else _files(path, part)
    if voxels.shape != grid.size_ijk[::-1]:
        raise DataError(
            f"'{path}' was decoded to {voxels.shape[::-1]} voxels, expected {grid.size_ijk}; export the series again."
        )
    return Volume(voxels, grid)


def _files(path: Path, part: Part) -> Array:
    reader = sitk.ImageSeriesReader()
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        with itk_reads(path, [dicom_slice.path for dicom_slice in part.slices], _compression(part)) as names:
            reader.SetFileNames(names)
            return sitk.GetArrayFromImage(reader.Execute())
    except DataError:
        # ITK's decoder refuses some files that are sound: run lengths of other writers, overlays of before 2004.
        try:
            return np.stack([_decoded_by_pydicom(dicom_slice) for dicom_slice in part.slices])
        except Exception:  # noqa: BLE001 - pydicom raises whatever a file makes it raise; ITK's sentence holds
            _log.debug("pydicom cannot decode '%s' either", path, exc_info=True)
        raise


def _decoded_by_pydicom(dicom_slice: Slice) -> Array:
    """The intensities of a file of one slice; without bits that are no part of them, such as those of an overlay."""
    import pydicom

    with warnings.catch_warnings():
        # What it would put right by a guess.
        warnings.simplefilter("error")
        stored = pydicom.dcmread(dicom_slice.path)
        voxels = stored.pixel_array.astype(np.int64)
    bits = int(stored.BitsStored)
    voxels &= (1 << bits) - 1
    if stored.PixelRepresentation:
        voxels -= (voxels >> (bits - 1)) << bits
    slope, intercept = dicom_slice.rescale
    return (voxels * slope + intercept).astype(np.float32)


def _compression(part: Part) -> str:
    """What to do where a part cannot be decoded."""
    names = dict.fromkeys(dicom_slice.compression for dicom_slice in part.slices if dicom_slice.compression)
    if not names:
        return ""
    return f"its voxels are compressed ({', '.join(names)}); decompress the files (gdcmconv --raw, dcmdjpeg)."


def _frames(part: Part) -> Array:
    files: dict[Path, Array] = {}
    for dicom_slice in part.slices:
        if dicom_slice.path not in files:
            read = _stored if dicom_slice.has_own_scale else _decoded
            files[dicom_slice.path] = read(dicom_slice.path, part)
    frames = np.stack([files[dicom_slice.path][dicom_slice.frame or 0] for dicom_slice in part.slices])
    for dicom_slice, frame in zip(part.slices, frames, strict=True):
        if dicom_slice.has_own_scale:
            frame *= dicom_slice.rescale[0]
            frame += dicom_slice.rescale[1]
    return frames


def _decoded(file: Path, part: Part) -> Array:
    with itk_reads(file, (), _compression(part)) as names:
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(names[0], sitk.sitkFloat32))
    return voxels.reshape(-1, *voxels.shape[-2:])


def _stored(file: Path, part: Part) -> Array:
    """All frames of a file as they are stored: ITK scales all of them as the first one."""
    import pydicom

    if any(dicom_slice.compression for dicom_slice in part.slices if dicom_slice.path == file):
        raise DataError(f"'{file}' scales each frame differently and is compressed; decompress it (gdcmconv --raw).")
    voxels = pydicom.dcmread(file, force=True).pixel_array.astype(np.float32)
    return voxels.reshape(-1, *voxels.shape[-2:])
