"""Axes of a scan brought to one order and sense, and back: pure permutations and flips, exact in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Orientation:
    """How the axes of a scan lie to the canonical axes: left, posterior, superior (the axes of LPS, in this order).

    Attributes:
        source_axis: for each canonical axis (L, P, S) the scan's axis (0 = i, 1 = j, 2 = k) that is nearest to it.
        flipped: for each canonical axis whether that axis of the scan runs the other way.
    """

    source_axis: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @staticmethod
    def of(direction: tuple[float, ...]) -> Orientation:
        """The orientation of a scan.

        Args:
            direction: row-major 3 x 3; its columns are the directions of i, j, k in LPS.
        """
        matrix = np.array(direction, dtype=float).reshape(3, 3)
        axes = max(permutations(range(3)), key=lambda columns: np.abs(matrix)[range(3), columns].sum())
        flips = tuple(bool(matrix[row, column] < 0) for row, column in enumerate(axes))
        return Orientation(axes, flips)  # type: ignore[arg-type]

    def to_canonical(self, voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(k, j, i) of the scan -> (S, P, L); a view."""
        canonical: npt.NDArray[Any] = voxels.transpose(2, 1, 0).transpose(self.source_axis)[self._slices()]
        turned: npt.NDArray[Any] = canonical.transpose(2, 1, 0)
        return turned

    def from_canonical(self, voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(S, P, L) -> (k, j, i) of the scan; a view."""
        canonical: npt.NDArray[Any] = voxels.transpose(2, 1, 0)[self._slices()]
        turned: npt.NDArray[Any] = canonical.transpose(np.argsort(self.source_axis)).transpose(2, 1, 0)
        return turned

    def spacing_to_canonical(self, spacing_mm: tuple[float, ...]) -> tuple[float, float, float]:
        """Spacing along i, j, k of the scan -> along L, P, S."""
        first, second, third = (float(spacing_mm[axis]) for axis in self.source_axis)
        return first, second, third

    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
