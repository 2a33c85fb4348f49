"""The regions of a map of probabilities, by how large they are: the most probable voxels of a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..uncertainty import rounded_down

Array = npt.NDArray[Any]

# Float32 as it is stored has so many bits; those behind them are 0.
_UNUSED_BITS = 13
# Between a stored number and the one below lies this part of it: a threshold there is met by no rounding.
_JUST_BELOW = np.float32(1 - 2.0**-13)


@dataclass(frozen=True)
class NestedRegions:
    """Regions of a map, each of which is where the map is at least a threshold.

    Attributes:
        counts: (N,), number of voxels with each of the stored values above 0, or a larger one, descending.
    """

    counts: Array

    @staticmethod
    def of(probability: Array) -> NestedRegions:
        """Of a map.

        Args:
            probability: float32 in [0, 1], any shape; counted as it is stored (`uncertainty.rounded_down`).
        """
        stored = rounded_down(torch.from_numpy(np.ascontiguousarray(probability, dtype=np.float32))).numpy().ravel()
        counts = np.bincount(stored[stored > 0].view(np.int32) >> _UNUSED_BITS)
        return NestedRegions(np.cumsum(counts[::-1])[::-1])

    def threshold(self, voxels: float) -> float:
        """From which probability on there are so many voxels, or all above 0; 1 where there is none.

        Args:
            voxels: at least 0.
        """
        return float(self.thresholds(np.array([voxels]))[0])

    def thresholds(self, voxels: Array) -> Array:
        """`threshold` of many sizes of a region, (N,) -> (N,) float32."""
        sizes = np.minimum(np.ceil(voxels), self.counts[0] if len(self.counts) else 0)
        number = np.searchsorted(-self.counts, -sizes, "right") - 1
        found: Array = (number << _UNUSED_BITS).astype(np.int32).view(np.float32) * _JUST_BELOW
        return np.where(sizes < 1, np.float32(1), found)


def usual_voxels(differs: Array, segmentation: Array, spacing: Sequence[float]) -> float:
    """How many voxels an uncertain region has in a case, as far as that is known without an error model.

    With V the volume in which the heads differ, and A the area of all boundaries, it is sqrt(V A 1 mm). The volume
    alone depends on how sure the heads are, and short trainings, from which an error model learns, doubt more than the
    model itself. The area alone takes all cases to be as doubtful.

    Args:
        differs: bool, where the conservative and the radical head name different classes.
        segmentation: the result, the same shape.
        spacing: mm along the axes.

    Returns:
        0 where nothing is named.
    """
    voxel = float(np.prod(spacing))
    area = 0.0
    for axis, step in enumerate(spacing):
        along = np.moveaxis(segmentation, axis, 0)
        area += np.count_nonzero(along[1:] != along[:-1]) * voxel / step
    doubted = int(np.count_nonzero(differs)) or 1
    return float(np.sqrt(doubted * voxel * area)) / voxel
