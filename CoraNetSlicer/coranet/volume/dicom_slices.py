"""What DICOM files say of their slices: read with pydicom, headers alone.

pydicom comes with Slicer (docs/explanation/adr/0003-dependencies.md). ITK, which decodes the voxels, does not hand out
what is needed to see that slices are missing, double or of several kinds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import CoraNetError, DataError, PackageError

if TYPE_CHECKING:
    from pydicom import Dataset

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Slice:
    """One slice: a file of its own, or a frame of a file.

    Attributes:
        path: its file.
        frame: its number in the file, from 0; None: the file holds it alone.
        series: series instance UID.
        title: what the series is called.
        size: columns and rows.
        spacing_mm: along columns and rows, as (i, j).
        position_mm: centre of its first voxel, LPS; None: not said.
        axes: (2, 3), directions of i and j.
        features: what tells phases, echoes, ... apart, in the order in which it is asked: {name: value}.
        is_localizer: whether it says that it is a scout.
        rescale: slope and intercept.
        compression: how its voxels are compressed; "": they are not.
        has_own_scale: whether frames of its file are scaled differently.
    """

    path: Path
    frame: int | None
    series: str
    title: str
    size: tuple[int, int]
    spacing_mm: tuple[float, float]
    position_mm: tuple[float, float, float] | None
    axes: tuple[float, ...]
    features: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    is_localizer: bool = False
    rescale: tuple[float, float] = (1.0, 0.0)
    compression: str = ""
    has_own_scale: bool = False

    @property
    def normal(self) -> Array:
        """Unit vector across the slice."""
        return np.cross(self.axes[:3], self.axes[3:])


def read_slices(path: Path) -> list[Slice]:
    """The slices of a file; [] where it holds no image, such as a report or a directory.

    Raises:
        DataError: it is damaged, is in colour, or does not say how large its voxels are.
        PackageError: pydicom is missing.
    """
    try:
        with warnings.catch_warnings():
            # Of values that are not as the standard wants them; what is needed is looked at below.
            warnings.simplefilter("ignore")
            return _slices(path)
    except CoraNetError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged file makes it raise, at each element anew
        raise DataError(
            f"'{path}' cannot be read as DICOM ({error}); copy or export the file again, or take it out of the folder."
        ) from error


def _slices(path: Path) -> list[Slice]:
    header = _header(path)
    if not header.get("Rows") or not header.get("Columns"):
        _require_other_kind(path, header)
        return []
    samples = int(header.get("SamplesPerPixel") or 1)
    if samples != 1:
        raise DataError(
            f"'{path}' has {samples} values in each voxel (colour), expected 1; convert it to a grey-value volume."
        )
    if "PerFrameFunctionalGroupsSequence" in header or int(header.get("NumberOfFrames") or 1) > 1:
        from .dicom_frames import read_frames

        return read_frames(path, header)
    return [_slice(path, header)]


def _header(path: Path) -> Dataset:
    try:
        import pydicom
    except ImportError as error:
        raise PackageError(
            "reading DICOM needs the package pydicom, which is missing; install it with 'pip install pydicom'."
        ) from error
    with open(path, "rb") as file:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        _require_voxels(path, header, file.tell())
    return header


def _require_other_kind(path: Path, header: Dataset) -> None:
    """Look whether a file without rows and columns is one of another kind, such as a report, and not a damaged one."""
    kind = getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    if kind is None or "Image Storage" in kind.name:
        raise DataError(
            f"'{path}' cannot be read as DICOM: its header ends too early; copy or export the file again, or take it "
            "out of the folder."
        )


def _require_voxels(path: Path, header: Dataset, begin: int) -> None:
    """Look whether the voxels of a file that is not compressed are all there."""
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    if (
        syntax is None
        or syntax.is_compressed
        or syntax.is_deflated
        or not header.get("Rows")
        or not header.get("Columns")
    ):
        return
    bits = int(header.Rows) * int(header.Columns) * int(header.get("BitsAllocated") or 0)
    bits *= int(header.get("SamplesPerPixel") or 1) * int(header.get("NumberOfFrames") or 1)
    found = path.stat().st_size - begin
    if found < bits // 8:
        raise DataError(
            f"'{path}' cannot be read: voxels are missing at its end (it has {max(0, found)} bytes of voxels, expected "
            f"{bits // 8}); copy or download the file again."
        )


def _slice(path: Path, header: Dataset) -> Slice:
    return Slice(
        path=path,
        frame=None,
        series=str(header.get("SeriesInstanceUID", "")),
        title=title_of(header),
        size=(int(header.Columns), int(header.Rows)),
        spacing_mm=spacing_of(path, header.get("PixelSpacing")),
        position_mm=position_of(path, header.get("ImagePositionPatient")),
        axes=axes_of(path, header.get("ImageOrientationPatient")),
        features=dict(_features(header)),
        is_localizer="LOCALIZER" in values_of(header.get("ImageType")),
        rescale=scale_of(path, header.get("RescaleSlope"), header.get("RescaleIntercept")),
        compression=compression_of(header),
    )


def compression_of(header: Dataset) -> str:
    """The name of a file's compression; "" where there is none."""
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    return str(syntax.name) if syntax is not None and syntax.is_compressed else ""


def title_of(header: Dataset) -> str:
    """What a series is called, for a person."""
    number_, words = header.get("SeriesNumber"), str(header.get("SeriesDescription") or "").strip()
    return " ".join(filter(None, (f"series {number_}" if number_ is not None else "a series", words and f"'{words}'")))


def spacing_of(path: Path, values: Any) -> tuple[float, float]:
    """Pixel spacing, rows then columns as DICOM has it, as (i, j).

    Raises:
        DataError: it is missing, or not above 0.
    """
    numbers = _numbers(values, 2)
    if numbers is None or min(numbers) <= 0:
        raise DataError(
            f"'{path}' does not say how large its voxels are (PixelSpacing is {_shown(values)}); export the series "
            "anew, or put an image with a known spacing in its place."
        )
    return numbers[1], numbers[0]


def position_of(path: Path, values: Any) -> tuple[float, float, float] | None:
    """Where the first voxel lies, LPS; None: not said."""
    numbers = _numbers(values, 3)
    if numbers is None and values:
        raise DataError(f"'{path}' has a position that is no place ({_shown(values)}); export the series anew.")
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def axes_of(path: Path, values: Any) -> tuple[float, ...]:
    """Directions of i and j, six numbers of length 1 each; () where not said.

    Raises:
        DataError: they are no directions, or not at right angles.
    """
    if not values:
        return ()
    numbers = _numbers(values, 6)
    pair = np.reshape(numbers or [0.0] * 6, (2, 3))
    lengths = np.linalg.norm(pair, axis=1)
    if np.abs(lengths - 1).max() > 1e-2 or abs(float(pair[0] @ pair[1])) > 1e-2:
        raise DataError(
            f"'{path}' has axes that are no directions at right angles (ImageOrientationPatient is {_shown(values)}); "
            "export the series anew."
        )
    return tuple(float(part) for part in (pair / lengths[:, None]).ravel())


def scale_of(path: Path, slope: Any, intercept: Any) -> tuple[float, float]:
    """Slope and intercept of the intensities; 1 and 0 where there are none.

    Raises:
        DataError: they are no numbers, or the slope is 0.
    """
    factor = _numbers(slope, 1) if values_of(slope) else [1.0]
    added = _numbers(intercept, 1) if values_of(intercept) else [0.0]
    if not factor or not added or factor[0] == 0:
        raise DataError(
            f"'{path}' scales its intensities by {_shown(slope)} and adds {_shown(intercept)} (RescaleSlope, "
            "RescaleIntercept), expected numbers and no 0 as slope; export the series anew."
        )
    return factor[0], added[0]


# What tells the parts of a series apart, in the order in which it is asked; those after the first four may also differ
# between slices of one and the same part.
FEATURES = {
    "EchoTime": "echo time",
    "DiffusionBValue": "b-value",
    "TemporalPositionIdentifier": "temporal position",
    "KVP": "tube voltage",
    "EchoNumbers": "echo",
    "ImageType": "kind of image",
    "NominalPercentageOfCardiacPhase": "cardiac phase",
    "InversionTime": "inversion time",
    "FlipAngle": "flip angle",
    "DiffusionGradientOrientation": "diffusion direction",
    "AcquisitionNumber": "acquisition",
    "TriggerTime": "trigger time",
    "ContrastBolusAgent": "contrast agent",
    "ConvolutionKernel": "kernel",
    "SeriesTime": "time of the series",
    "AcquisitionTime": "time of acquisition",
    "AcquisitionDateTime": "time of acquisition",
}
TELLING = ("echo time", "b-value", "temporal position", "tube voltage")


def _features(header: Dataset) -> Iterator[tuple[str, Any]]:
    for keyword, name in FEATURES.items():
        value = header.get(keyword)
        if value is None or value == "":
            continue
        yield name, feature(value)


def feature(value: Any) -> Any:
    """A value by which slices are compared, rounded as headers are."""
    numbers = _numbers(value, None)
    if numbers is None:
        return "\\".join(values_of(value))
    return round(numbers[0], 3) if len(numbers) == 1 else tuple(round(number, 3) for number in numbers)


def values_of(value: Any) -> list[str]:
    """The values of an element as texts; [] where it is absent or empty."""
    if value is None or value == "":
        return []
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return [str(value)]
    return [str(one) for one in value]


def _numbers(values: Any, count: int | None) -> list[float] | None:
    """Finite numbers of a header's element; None where it has not as many, or others."""
    try:
        numbers = [float(value) for value in values_of(values)]
    except ValueError:
        return None
    if not numbers or not all(map(math.isfinite, numbers)) or (count is not None and len(numbers) != count):
        return None
    return numbers


def _shown(values: Any) -> str:
    return "\\".join(values_of(values)) or "absent"
