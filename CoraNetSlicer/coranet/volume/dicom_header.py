"""The elements of a DICOM header that describe a slice, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Slice:
    """One slice: a file of its own, or a frame of a file.

    Attributes:
        path: its file.
        frame: its number in the file, from 0; None: the file holds it alone.
        series: series instance UID and the number of the patient.
        study: study instance UID.
        title: what the series is called.
        size: columns and rows.
        spacing_mm: along columns and rows, as (i, j).
        position_mm: centre of its first voxel, LPS; None: unknown.
        axes: (2, 3), directions of i and j.
        features: what distinguishes phases, echoes, ..., in order of priority: {name: value}.
        is_localizer: whether it is marked as a scout.
        rescale: slope and intercept.
        compression: how its voxels are compressed; "": they are not.
        has_own_scale: whether frames of its file are scaled differently.
    """

    path: Path
    frame: int | None
    series: str
    study: str
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


def compression_of(header: Dataset) -> str:
    """The name of a file's compression; "" where there is none."""
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    return str(syntax.name) if syntax is not None and syntax.is_compressed else ""


def series_of(header: Dataset) -> str:
    """What slices of one series share. Files of several patients may have one number after they were anonymized."""
    return "\n".join(str(header.get(keyword) or "").strip() for keyword in ("SeriesInstanceUID", "PatientID"))


def study_of(header: Dataset) -> str:
    """The number of the study."""
    return str(header.get("StudyInstanceUID") or "").strip()


def title_of(header: Dataset) -> str:
    """What a series is called, for a person."""
    number_, description = header.get("SeriesNumber"), str(header.get("SeriesDescription") or "").strip()
    return " ".join(
        filter(None, (f"series {number_}" if number_ is not None else "a series", description and f"'{description}'"))
    )


def spacing_of(path: Path, values: Any) -> tuple[float, float]:
    """Pixel spacing, rows then columns as DICOM has it, as (i, j).

    Raises:
        DataError: it is missing, or not above 0.
    """
    numbers = _numbers(values, 2)
    if numbers is None or min(numbers) <= 0:
        raise DataError(
            f"'{path}' does not say how large its voxels are (PixelSpacing is {_shown(values)}); export the series "
            "again, or put an image with a known spacing in its place."
        )
    return numbers[1], numbers[0]


def position_of(path: Path, values: Any) -> tuple[float, float, float] | None:
    """Where the first voxel lies, LPS; None: unknown."""
    numbers = _numbers(values, 3)
    if numbers is None and values:
        raise DataError(
            f"'{path}' has a position that is not a point in space ({_shown(values)}); export the series again."
        )
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def axes_of(path: Path, values: Any) -> tuple[float, ...]:
    """Directions of i and j, six numbers of length 1 each; () where unknown.

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
            f"'{path}' has axes that are not at right angles (ImageOrientationPatient is {_shown(values)}); "
            "export the series again."
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
            "RescaleIntercept), expected numbers and no 0 as slope; export the series again."
        )
    return factor[0], added[0]


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
    return [str(item) for item in value]


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
