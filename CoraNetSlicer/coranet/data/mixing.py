"""CutMix: boxes exchanged between the patches of a batch (Yun et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

_LEAST_SHARE, _MOST_SHARE = 0.1, 0.5

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Mixing:
    """A box for each pair of patches: 0 and 1, 2 and 3, ...; an odd last patch stays as it is."""

    boxes: tuple[Box, ...]

    @staticmethod
    def draw(patch_size: Sequence[int], streams: Sequence[np.random.Generator]) -> Mixing:
        """Random boxes of 0.1 to 0.5 of the patch, shaped like it.

        Args:
            patch_size: (D, H, W).
            streams: one stream of random numbers for each pair.
        """
        return Mixing(tuple(_draw_box(patch_size, random) for random in streams))

    def apply(self, values: Tensor) -> Tensor:
        """Exchange the boxes.

        Args:
            values: (B, D, H, W) or (B, K, D, H, W), any type.

        Returns:
            A new tensor of the same shape and type.
        """
        result = values.clone()
        for pair, box in enumerate(self.boxes):
            first, second = (2 * pair, ..., *box), (2 * pair + 1, ..., *box)
            result[first], result[second] = values[second], values[first]
        return result


def _draw_box(patch_size: Sequence[int], random: np.random.Generator) -> Box:
    dimensions = max(1, sum(size > 1 for size in patch_size))
    side = random.uniform(_LEAST_SHARE, _MOST_SHARE) ** (1 / dimensions)
    lengths = [max(1, round(size * side)) if size > 1 else 1 for size in patch_size]
    starts = [int(random.integers(size - length + 1)) for size, length in zip(patch_size, lengths, strict=True)]
    depth, height, width = (slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
    return depth, height, width
