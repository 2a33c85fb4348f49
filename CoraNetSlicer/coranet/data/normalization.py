"""Intensities brought to a common scale, measured on a whole scan and applied to any part of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Percentiles of a larger scan are those of its voxels at a fixed stride: sorting them all takes seconds and gigabytes.
_MOST_SORTED = 1 << 24
_PERCENTILES = (0.5, 99.5)
_RESOLUTION = float(np.finfo(np.float32).eps)
# Voxels that are looked at together.
_PORTION = 1 << 21


@dataclass(frozen=True)
class IntensityMapping:
    """What is done to each voxel: limited, then moved and scaled.

    Attributes:
        lower, upper: limits of the intensity.
        centre: subtracted then.
        scale: factor then.
        offset: added then.
    """

    lower: float
    upper: float
    centre: float
    scale: float
    offset: float = 0.0

    def apply(self, voxels: Array) -> Array:
        """The normalized voxels, float32, in a new array of the same shape."""
        normalized = np.empty(voxels.shape, dtype=np.float32)
        np.clip(voxels, self.lower, self.upper, out=normalized, casting="same_kind")
        normalized -= np.float32(self.centre)
        normalized *= np.float32(self.scale)
        if self.offset:
            normalized += np.float32(self.offset)
        return normalized


@dataclass(frozen=True)
class IntensityNormalization:
    """How the intensities of one channel are brought to a common scale.

    Attributes:
        intensity: "zscore" or "window".
        window: lower and upper limit for "window", mapped to [-1, 1]; None for "zscore".
    """

    intensity: str
    window: tuple[float, float] | None = None

    def fit(self, scan: Array) -> IntensityMapping:
        """The mapping for all voxels of a scan.

        Args:
            scan: one channel, whole, (D, H, W), float32.

        Returns:
            For "zscore": limited to the 0.5 and 99.5 percentile, then to mean 0 and deviation 1. Where both are the
            same, as in a mostly empty scan, the limits are those of the other voxels.
        """
        if self.window is not None:
            lower, upper = self.window
            return IntensityMapping(lower, upper, lower, 2 / (upper - lower), -1.0)
        lower, upper = _limits(scan)
        total = squares = 0.0
        for rows in portions(scan):
            limited = np.clip(rows, lower, upper).astype(np.float64)
            total += float(limited.sum())
            squares += float(np.square(limited, out=limited).sum())
        mean = total / scan.size
        deviation = math.sqrt(max(squares / scan.size - mean**2, 0.0))
        # Below what float32 resolves at these intensities there is nothing but rounding: the scan is of one intensity.
        least = _RESOLUTION * max(abs(lower), abs(upper))
        return IntensityMapping(lower, upper, mean, 1 / (max(deviation, least) or 1.0))


def _limits(scan: Array) -> tuple[float, float]:
    stride = max(1, math.ceil((scan.size / _MOST_SORTED) ** (1 / 3)))
    lower, upper = (float(limit) for limit in np.percentile(scan[::stride, ::stride, ::stride], _PERCENTILES))
    if lower < upper:
        return lower, upper
    others = scan[scan != np.float32(lower)]
    if not others.size:
        return lower, upper
    low, high = (float(limit) for limit in np.percentile(others, _PERCENTILES))
    return min(lower, low), max(upper, high)


def without_border(scan: Array) -> Array:
    """A scan without its outer planes of one intensity, such as those that padding adds; a view.

    Args:
        scan: (D, H, W); at least one plane of each axis is left.
    """
    inside = scan
    for axis in range(scan.ndim):
        planes = np.moveaxis(inside, axis, 0)
        first, last = 0, len(planes)
        while first < last - 1 and _is_of_one_intensity(planes[first]):
            first += 1
        while last > first + 1 and _is_of_one_intensity(planes[last - 1]):
            last -= 1
        inside = np.moveaxis(planes[first:last], 0, axis)
    return inside


def _is_of_one_intensity(plane: Array) -> bool:
    return bool((plane == plane.flat[0]).all())


def portions(scan: Array) -> Iterator[Array]:
    """The rows of a scan (D, H, W) in parts of a few million voxels."""
    rows = max(1, _PORTION // max(1, scan[0].size))
    for first in range(0, len(scan), rows):
        yield scan[first : first + rows]
