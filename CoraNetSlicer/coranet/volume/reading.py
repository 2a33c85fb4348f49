"""Images and label maps read, looked at before ITK does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..contract.errors import DataError
from ..contract.image_files import IMAGE_ENDINGS, ending_of, is_dicom_file, require_readable
from ..contract.label_values import require_label_volume, whole_label_values
from .dicom_folder import chosen_part
from .dicom_parts import require_stack
from .dicom_voxels import read_part
from .grid import Grid, Volume, by, upright_grid
from .integrity import require_whole
from .itk import grid_of, itk_reads
from .nifti_header import is_nifti, nifti_grid, read_nifti_header, require_one_meaning
from .notes import note
from .text_geometry import in_millimetres

# What float32 holds, with room for differences and scales on both sides.
_LARGEST, _SMALLEST = 1e30, 1e-30


def read_image(path: str | Path, channel: int | None = None, part: str = "") -> Volume:
    """Read one scan.

    Args:
        path: a file in any format SimpleITK reads; a folder that holds exactly one DICOM series, or a file of it.
        channel: which volume of a file of four dimensions, of several values a voxel, or of a DICOM series of several
            phases or echoes; None: there is one.
        part: which image of a DICOM series, by its name (`parts_of`); "": there is one.

    Returns:
        The scan, float32.

    Raises:
        DataError: absent, unreadable, damaged, not a single 3D scalar volume of several slices, without such a channel,
            of unclear geometry, or with NaN or infinite voxels.
        PackageError: pydicom is needed and missing.
    """
    volume = _read(_existing(path), channel, part)
    with np.errstate(over="ignore"):
        voxels = volume.voxels.astype(np.float32, copy=False)
    wrong = int(volume.voxels.size - np.isfinite(volume.voxels).sum())
    if wrong:
        raise DataError(
            f"'{path}' has {wrong} voxels that are not numbers (NaN or infinite); replace them by the background value."
        )
    lowest, highest = float(volume.voxels.min()), float(volume.voxels.max())
    largest = max(abs(lowest), abs(highest))
    if largest > _LARGEST or 0 < largest < _SMALLEST:
        raise DataError(
            f"'{path}' has intensities of up to {largest:.3g}, expected a scale between {_SMALLEST:g} and "
            f"{_LARGEST:g}; multiply the image by a factor."
        )
    if np.float32(lowest) == np.float32(highest):
        note(f"'{path}' has the intensity {lowest:g} in every voxel: it shows nothing; check its export.")
    return Volume(voxels, volume.grid)


def read_grid(path: str | Path, channel: int | None = None, part: str = "") -> Grid:
    """The grid of a scan or label map; reads headers only. Arguments and errors as `read_image`."""
    path = _existing(path)
    if _is_of_dicom(path):
        return require_stack(path, chosen_part(path, channel, part))
    header = read_nifti_header(path) if is_nifti(path) else None
    if header is not None:
        require_one_meaning(path, header)
    reader = sitk.ImageFileReader()
    with itk_reads(path) as names:
        reader.SetFileName(names[0])
        reader.ReadImageInformation()
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    _require_3d(path, size if channel is None and not _is_one_volume(size) else size[:3], components, channel)
    grid = in_millimetres(path, grid_of(reader))
    return upright_grid(path, nifti_grid(path, header, grid) if header is not None else grid)


def read_label_map(path: str | Path) -> Volume:
    """Read a label map; voxels come as int32.

    Raises:
        DataError: as for `read_image`, or a voxel is not a whole number from 0 to 65535.
    """
    existing = _existing(path)
    require_label_volume(existing)
    volume = _read(existing)
    return Volume(whole_label_values(volume.voxels, path), volume.grid)


def _read(path: Path, channel: int | None = None, part: str = "") -> Volume:
    """Voxels in the type of their file, and their grid; `path` is of `_existing`."""
    if _is_of_dicom(path):
        return read_part(path, chosen_part(path, channel, part))
    require_whole(path)
    header = read_nifti_header(path) if is_nifti(path) else None
    if header is not None:
        require_one_meaning(path, header)
    with itk_reads(path) as names:
        image = sitk.ReadImage(names[0])
    if channel is not None or _is_one_volume(image.GetSize()):
        image = _channel(path, image, channel or 0)
    _require_3d(path, image.GetSize(), image.GetNumberOfComponentsPerPixel())
    grid = in_millimetres(path, grid_of(image))
    grid = upright_grid(path, nifti_grid(path, header, grid) if header is not None else grid)
    voxels: npt.NDArray[Any] = sitk.GetArrayFromImage(image)
    if np.iscomplexobj(voxels):
        raise DataError(f"'{path}' has complex voxels; save their magnitude as a separate image.")
    return Volume(voxels, grid)


def _is_of_dicom(path: Path) -> bool:
    return path.is_dir() or is_dicom_file(path)


def _is_one_volume(size: tuple[int, ...]) -> bool:
    """Whether what has four dimensions is one volume."""
    return len(size) == 4 and size[3] == 1


def _existing(path: str | Path) -> Path:
    path = Path(path)
    require_readable(path)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"'{path}' cannot be read: it is empty (0 bytes); copy or download the file again.")
    if not path.is_dir() and not ending_of(path.name) and not is_dicom_file(path):
        # ITK reads more, and makes up a spacing for pictures that have none.
        raise DataError(
            f"'{path}' cannot be read as an image: it is not a DICOM file, and its name ends with none of "
            f"{', '.join(IMAGE_ENDINGS)}; save it as NRRD (in Slicer: Save)."
        )
    return path


def _require_3d(path: str | Path, size: tuple[int, ...], components: int, channel: int | None = None) -> None:
    if len(size) > 3:
        raise DataError(
            f"'{path}' has {len(size)} dimensions ({by(size)}), expected 3; "
            "save one of its frames as a separate volume, or name its volumes in 'channels'."
        )
    if len(size) != 3 or min(size) < 2:
        raise DataError(
            f"'{path}' is a single slice ({by(size)}), expected a volume of several slices; give the whole scan."
        )
    if components != 1 and channel is None:
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
        volume: sitk.Image = sitk.Extract(image, [*image.GetSize()[:3], 0], [0, 0, 0, channel])
        return volume
    if count > 1:
        image = sitk.VectorIndexSelectionCast(image, channel)
    return image
