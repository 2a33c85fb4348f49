"""What of a labeled case is compared with the others: sizes, places and intensities, in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..data.orientation import Orientation
from ..volume import Grid, Volume
from .drawn_slices import DrawnSlices, drawn_slices

Array = npt.NDArray[Any]
Triple = tuple[float, float, float]

# Voxels that suffice for percentiles and ranks.
_SCAN_SAMPLE, _CLASS_SAMPLE = 200_000, 4_000
# A structure in a larger box than this along an axis is looked at with gaps.
_LONGEST_BOX = 96
# How many voxels the surroundings of a structure are thick.
_SHELL = 3


@dataclass(frozen=True)
class Intensities:
    """Of one channel: its lowest value, and the 2nd and 98th percentile."""

    lowest: float
    low: float
    high: float

    @staticmethod
    def of(voxels: Array) -> Intensities:
        """Those of a scan."""
        step = max(1, voxels.size // _SCAN_SAMPLE) | 1  # odd, so that it does not run down one column
        low, high = np.percentile(voxels.ravel()[::step], [2, 98]).tolist()
        return Intensities(float(voxels.min()), low, high)

    def relative(self, value: float) -> float:
        """Where a value lies between the 2nd (0) and the 98th percentile (1)."""
        return (value - self.low) / max(self.high - self.low, 1e-30)


@dataclass(frozen=True)
class StructureTraits:
    """Of one structure in one case.

    Attributes:
        voxels: of the label map.
        ml: its volume.
        centre: along L, P, S, as a share of the scan's extent.
        intensity: median under the label in the first channel, relative to the scan's (`Intensities.relative`).
        intensity_range: 2nd and 98th percentile, the same way.
        contrast: -1 to 1: how often a voxel inside is brighter than one just outside, less how often it is darker.
        drawn: where it was drawn on some of its slices only, on how many.
    """

    voxels: int
    ml: float
    centre: Triple
    intensity: float
    intensity_range: tuple[float, float]
    contrast: float
    drawn: DrawnSlices | None = None


@dataclass(frozen=True)
class Traits:
    """Of one case.

    Attributes:
        spacing_mm: along L, P, S.
        extent_mm: along L, P, S.
        axes: where i, j and k point, such as "LPS".
        channels: intensities of each.
        structures: by label value, of those that occur.
    """

    spacing_mm: Triple
    extent_mm: Triple
    axes: str
    channels: tuple[Intensities, ...]
    structures: Mapping[int, StructureTraits] = field(default_factory=dict)

    @staticmethod
    def of(image: Volume, labels: Volume | None = None, values: Sequence[int] = ()) -> Traits:
        """Measure a case.

        Args:
            image: the scan.
            labels: on the same grid; None: unlabeled.
            values: of the structures.
        """
        orientation = Orientation.of(image.grid.direction)
        spacing = orientation.spacing_to_canonical(image.grid.spacing_mm)
        canonical = orientation.to_canonical(image.channels[0])
        along_l, along_p, along_s = (
            float(count * step) for count, step in zip(canonical.shape[::-1], spacing, strict=True)
        )
        channels = tuple(Intensities.of(voxels) for voxels in image.channels)
        structures = {}
        if labels is not None:
            maps = orientation.to_canonical(labels.voxels)
            boxes = ndimage.find_objects(maps, max_label=max(values, default=1))
            for value in (value for value in values if boxes[value - 1] is not None):
                structures[value] = _structure((maps, value), boxes[value - 1], canonical, (spacing, channels[0]))
        return Traits(spacing, (along_l, along_p, along_s), axes_of(image.grid), channels, structures)


def axes_of(grid: Grid) -> str:
    """Where the axes i, j and k of a grid point: L or R, P or A, S or I."""
    matrix = np.reshape(grid.direction, (3, 3))
    rows = np.argsort(Orientation.of(grid.direction).source_axis)
    return "".join(("LR", "PA", "SI")[row][int(matrix[row, axis] < 0)] for axis, row in enumerate(rows))


def _structure(
    label: tuple[Array, int], box: tuple[slice, ...], scan: Array, of_scan: tuple[Triple, Intensities]
) -> StructureTraits:  # fmt: skip
    """Of the structure with a value in a label map; looked at in its box alone, for there may be many of them."""
    (maps, value), (spacing, intensities) = label, of_scan
    mask = maps[box] == value
    count = int(np.count_nonzero(mask))
    middle = [
        at.start + float(np.average(np.arange(at.stop - at.start), weights=_profile(mask, axis))) + 0.5
        for axis, at in enumerate(box)
    ]
    centre = [place / size for place, size in zip(middle[::-1], maps.shape[::-1], strict=True)]
    inside, around = _samples(label, box, scan)
    low, median, high = (intensities.relative(float(value)) for value in np.percentile(inside, [2, 50, 98]))
    return StructureTraits(
        count, count * math.prod(spacing) / 1000.0, _triple(centre), median, (low, high),
        _contrast(inside, around), drawn_slices(mask),
    )  # fmt: skip


def _profile(mask: Array, axis: int) -> Array:
    counts: Array = np.count_nonzero(mask, axis=tuple(other for other in range(3) if other != axis))
    return counts


def _samples(label: tuple[Array, int], box: tuple[slice, ...], scan: Array) -> tuple[Array, Array]:
    """Intensities of some voxels of a structure, and of some just outside of it."""
    maps, value = label
    steps = [max(1, -(-(at.stop - at.start) // _LONGEST_BOX)) for at in box]
    grown = tuple(
        slice(max(0, at.start - _SHELL * step), at.stop + _SHELL * step, step)
        for at, step in zip(box, steps, strict=True)
    )
    near, voxels = maps[grown] == value, scan[grown]
    shell = ndimage.binary_dilation(near, iterations=_SHELL) & ~near
    inside, around = _some(voxels[near]), _some(voxels[shell])
    # A thin structure may fall into the gaps.
    return (inside if inside.size else _some(scan[box][maps[box] == value])), around


def _some(voxels: Array) -> Array:
    return voxels[:: max(1, voxels.size // _CLASS_SAMPLE)]


def _contrast(inside: Array, around: Array) -> float:
    if not around.size:
        return 0.0
    ordered = np.sort(around)
    darker = np.searchsorted(ordered, inside, side="left")
    not_brighter = np.searchsorted(ordered, inside, side="right")
    return float((darker + not_brighter).mean() / around.size - 1)


def _triple(values: Sequence[float]) -> Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third
