"""The smallest regions of a map of probabilities that hold each share of its sum: of what is expected to be wrong."""

from __future__ import annotations

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
_ROUNDING = 1e-9


@dataclass(frozen=True)
class NestedRegions:
    """Regions of a map, each of which is where the map is at least a threshold.

    Which voxels a region holds depends on their order and on their relative probability. So cases whose networks are
    more or less sure, and therefore expect more or less errors in all, are compared by such regions.

    Attributes:
        held: (N,), float64: the share of the sum of the map that lies in voxels of each of its stored values or of
            larger ones, descending; all 0 where the map is 0.
    """

    held: Array

    @staticmethod
    def of(probability: Array) -> NestedRegions:
        """Of a map.

        Args:
            probability: float32 in [0, 1], any shape; counted as it is stored (`uncertainty.rounded_down`).
        """
        stored = rounded_down(torch.from_numpy(np.ascontiguousarray(probability, dtype=np.float32))).numpy().ravel()
        sums = np.bincount(stored.view(np.int32) >> _UNUSED_BITS, stored)
        held = np.cumsum(sums[::-1])[::-1]
        return NestedRegions(held / held[0] if len(held) and held[0] > 0 else np.zeros(1))

    def threshold(self, share: float) -> float:
        """From which probability on the voxels are the fewest that hold a share of the sum; 1 where there is none.

        Args:
            share: 0 to 1.
        """
        number = int(np.searchsorted(-self.held, _ROUNDING - share, "right")) - 1
        if number < 0 or share <= 0:
            return 1.0
        value = np.array(max(1, number) << _UNUSED_BITS, dtype=np.int32).view(np.float32)
        return float(value * _JUST_BELOW)
