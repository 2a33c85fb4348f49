"""Images in and out: the only file that reads and writes them.

Arrays are indexed (k, j, i), the order of Slicer's ``arrayFromVolume``. Geometry is SimpleITK's (LPS, mm) and is
passed through untouched: nothing here converts between LPS and RAS.
"""

from __future__ import annotations

import errno
import gzip
import math
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from .errors import DataError, storage_error
from .job.files import atomic_path

# Headers store geometry as text or as float32; a hundredth of a voxel is neither visible nor a different grid.
_GRID_TOLERANCE_VOXELS = 1e-2
_DIRECTION_TOLERANCE = 1e-3

# ITK warns on the terminal about harmless header details; what matters here is raised as an error.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True)
class Grid:
    """Where voxels lie in the world.

    Attributes:
        size_ijk: number of voxels along i, j, k.
        spacing_mm: distance of voxel centres along i, j, k.
        origin_mm: centre of voxel (0, 0, 0) in LPS.
        direction: row-major 3 x 3; its columns are the directions of i, j, k in LPS.
    """

    size_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def position_mm(self, ijk: tuple[int, int, int]) -> tuple[float, float, float]:
        """Where the centre of a voxel lies, in LPS."""
        step = np.reshape(self.direction, (3, 3)) @ (np.array(ijk) * self.spacing_mm)
        left, posterior, superior = (np.array(self.origin_mm) + step).tolist()
        return left, posterior, superior

    def difference(self, other: Grid) -> str:
        """In words, what differs from another grid by more than rounding; "" if nothing does."""
        spacing = np.array(self.spacing_mm)
        if self.size_ijk != other.size_ijk:
            return f"size {_by(self.size_ijk)} and {_by(other.size_ijk)}"
        if np.any(np.abs(spacing - other.spacing_mm) * np.array(self.size_ijk) > _GRID_TOLERANCE_VOXELS * spacing):
            return f"spacing {_by(self.spacing_mm)} mm and {_by(other.spacing_mm)} mm"
        if np.any(np.abs(np.subtract(self.origin_mm, other.origin_mm)) > _GRID_TOLERANCE_VOXELS * spacing.min()):
            return f"origin {_by(self.origin_mm)} mm and {_by(other.origin_mm)} mm"
        if np.any(np.abs(np.subtract(self.direction, other.direction)) > _DIRECTION_TOLERANCE):
            return "direction of the axes"
        return ""


@dataclass(frozen=True)
class Volume:
    """Voxels and where they lie. `voxels` has shape (k, j, i); of a scan with several channels (C, k, j, i)."""

    voxels: npt.NDArray[Any]
    grid: Grid

    @property
    def channels(self) -> npt.NDArray[Any]:
        """The voxels as (C, k, j, i), a view; C is 1 where there are no channels."""
        return self.voxels if self.voxels.ndim == 4 else self.voxels[None]


def read_image(path: str | Path, channel: int | None = None) -> Volume:
    """Read one scan.

    Args:
        path: a file in any format SimpleITK reads, or a folder that holds exactly one DICOM series.
        channel: which volume of a file of four dimensions, or of several values a voxel; None: the file holds one.

    Returns:
        The scan, float32.

    Raises:
        DataError: absent, unreadable, not a single 3D scalar volume of several slices, without such a channel, or with
            NaN or infinite voxels.
    """
    image = _read(path, channel)
    voxels = sitk.GetArrayFromImage(image).astype(np.float32, copy=False)
    wrong = int(voxels.size - np.isfinite(voxels).sum())
    if wrong:
        raise DataError(
            f"'{path}' has {wrong} voxels that are not numbers (NaN or infinite); replace them by the background value."
        )
    return Volume(voxels, _grid_of(image))


def read_grid(path: str | Path, channel: int | None = None) -> Grid:
    """The grid of a scan or label map; reads the header only where the format allows it. Arguments as `read_image`."""
    path = Path(path)
    if path.is_dir():
        return read_image(path).grid
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(_existing(path)))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if channel is None:
        _require_3d(path, size, components)
    else:
        _require_3d(path, size[:3], 1)
    return Grid(
        tuple(size[:3]), tuple(reader.GetSpacing()[:3]), tuple(reader.GetOrigin()[:3]), _axes(reader.GetDirection())
    )


def read_label_map(path: str | Path) -> Volume:
    """Read a label map; voxels come as int32.

    Raises:
        DataError: as for `read_image`, or a voxel is not a whole number of at least 0.
    """
    image = _read(path)
    voxels = sitk.GetArrayFromImage(image)
    with np.errstate(invalid="ignore"):
        whole = voxels.astype(np.int32)
    if not np.array_equal(whole, voxels) or whole.min(initial=0) < 0:
        raise DataError(
            f"'{path}' is not a label map: its voxels must be whole numbers of at least 0, "
            f"got values from {voxels.min()} to {voxels.max()}; give the segmentation, not the image."
        )
    return Volume(whole, _grid_of(image))


def write_volume(path: str | Path, voxels: npt.NDArray[Any], grid: Grid) -> None:
    """Write a compressed NRRD that is either whole or absent.

    Args:
        path: file to write; its suffix chooses the format.
        voxels: (k, j, i), any scalar dtype.
        grid: geometry; its size must be that of `voxels`.

    Raises:
        StorageError: the file could not be written.
    """
    image = _image_of(voxels, grid)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
        except RuntimeError as error:
            raise _write_error(temporary, error) from error


def on_grid(volume: Volume, grid: Grid) -> Volume:
    """A scan on another grid, by where voxels lie in the world: linear between them, its lowest intensity around it.

    Args:
        volume: (k, j, i), float32.
        grid: of the result.

    Raises:
        DataError: no voxel of the grid lies in the scan.
    """
    image = _image_of(volume.voxels, volume.grid)
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(_image_of(np.zeros(grid.size_ijk[::-1], np.uint8), grid))
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(float(volume.voxels.min()))
    covered = sitk.ResampleImageFilter()
    covered.SetReferenceImage(_image_of(np.zeros(grid.size_ijk[::-1], np.uint8), grid))
    covered.SetInterpolator(sitk.sitkNearestNeighbor)
    ones = _image_of(np.ones(volume.voxels.shape, np.uint8), volume.grid)
    if not sitk.GetArrayFromImage(covered.Execute(ones)).any():
        raise DataError("it lies elsewhere in the world, beside the first image; register both, or export them anew.")
    return Volume(sitk.GetArrayFromImage(resampler.Execute(image)), grid)


def holds_dicom(folder: str | Path) -> bool:
    """Whether a folder directly holds at least one DICOM series."""
    return bool(_dicom_series(folder))


def _read(path: str | Path, channel: int | None = None) -> sitk.Image:
    path = _existing(path)
    try:
        image = _read_dicom(path) if path.is_dir() else sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    if not _is_whole(path):
        raise DataError(f"'{path}' cannot be read: voxels are missing at its end; copy or download the file again.")
    if channel is not None:
        image = _channel(path, image, channel)
    _require_3d(path, image.GetSize(), image.GetNumberOfComponentsPerPixel())
    return image


def _is_whole(path: Path) -> bool:
    """Whether a NIfTI file has all its voxels: ITK takes missing ones for zeros. Other formats are checked by ITK."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return True
    with open(path, "rb") as raw:
        is_compressed = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_compressed else open(path, "rb") as file:
            missing = _nifti_bytes(file.read(540))
            file.seek(0)
            while missing > 0 and (part := file.read(min(missing, 1 << 20))):
                missing -= len(part)
    except (EOFError, OSError, zlib.error):
        return False
    return missing <= 0


def _nifti_bytes(header: bytes) -> int:
    """Length of a NIfTI-1 or NIfTI-2 file, uncompressed; 0 if this is not its header."""
    for order in "<>":
        size = struct.unpack_from(f"{order}i", header)[0]
        if size == 348:
            dim, bits = struct.unpack_from(f"{order}8h", header, 40), struct.unpack_from(f"{order}h", header, 72)[0]
            offset = struct.unpack_from(f"{order}f", header, 108)[0]
        elif size == 540:
            dim, bits = struct.unpack_from(f"{order}8q", header, 16), struct.unpack_from(f"{order}h", header, 14)[0]
            offset = struct.unpack_from(f"{order}q", header, 168)[0]
        else:
            continue
        voxels = math.prod(max(int(count), 1) for count in dim[1 : dim[0] + 1])
        return int(offset) + voxels * int(bits) // 8
    return 0


def _read_dicom(folder: Path) -> sitk.Image:
    series = _dicom_series(folder)
    if len(series) != 1:
        raise DataError(
            f"'{folder}' holds {len(series)} DICOM series, expected exactly 1; put each series in a folder of its own."
        )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series[0]))
    image: sitk.Image = reader.Execute()
    return image


def _dicom_series(folder: str | Path) -> tuple[str, ...]:
    return tuple(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise DataError(f"'{path}' does not exist; correct the path.")
    # Asked for x.nii.gz, ITK reads x.nii where that exists, without a word.
    if path.name.lower().endswith(".nii.gz") and path.with_name(path.name[:-3]).exists():
        raise DataError(f"'{path}' has a file without '.gz' beside it, for which it would be taken; move one of them.")
    return path


def _require_3d(path: str | Path, size: tuple[int, ...], components: int) -> None:
    if len(size) > 3:
        raise DataError(
            f"'{path}' has {len(size)} dimensions ({_by(size)}), expected 3; "
            "save one of its frames as a volume of its own, or name its volumes in 'channels'."
        )
    if len(size) != 3 or min(size) < 2:
        raise DataError(f"'{path}' is a single slice ({_by(size)}), expected a volume of several slices.")
    if components != 1:
        raise DataError(
            f"'{path}' has {components} values in each voxel, expected 1; convert it to a grey-value volume."
        )


def _channel(path: Path, image: sitk.Image, channel: int) -> sitk.Image:
    """One of the volumes of a file; of a file that holds one, the first is all."""
    is_series = image.GetDimension() == 4
    count = image.GetSize()[3] if is_series else image.GetNumberOfComponentsPerPixel()
    if channel >= count:
        raise DataError(
            f"'{path}' holds {count} {'volume' if count == 1 else 'volumes'}, expected at least {channel + 1}, one a "
            "channel; add the others, or correct 'channels'."
        )
    if is_series:
        one: sitk.Image = sitk.Extract(image, [*image.GetSize()[:3], 0], [0, 0, 0, channel])
        return one
    if count > 1:
        image = sitk.VectorIndexSelectionCast(image, channel)
    return image


def _axes(direction: tuple[float, ...]) -> tuple[float, ...]:
    """The first three axes of a direction matrix of three or four."""
    size = math.isqrt(len(direction))
    return tuple(float(part) for part in np.reshape(direction, (size, size))[:3, :3].ravel())


def _image_of(voxels: npt.NDArray[Any], grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def _grid_of(image: sitk.Image) -> Grid:
    return Grid(
        tuple(image.GetSize()), tuple(image.GetSpacing()), tuple(image.GetOrigin()), tuple(image.GetDirection())
    )


def _unreadable(path: Path, error: RuntimeError) -> DataError:
    reason = str(error).strip().splitlines()[-1].strip()
    return DataError(
        f"'{path}' cannot be read as an image ({reason}); check that the file is whole and open it in Slicer."
    )


def _write_error(path: Path, error: RuntimeError) -> Exception:
    # ITK reports a full disk as a plain RuntimeError without errno; ask the disk itself.
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    code = errno.ENOSPC if free < 64 * 2**20 else errno.EIO
    return storage_error(path, OSError(code, str(error).strip().splitlines()[-1].strip()))


def _by(values: tuple[Any, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
