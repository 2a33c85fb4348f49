"""Boxes exchanged between patches: CutMix (Yun et al. 2019).

Within unlabeled patches (French et al. 2020), between labeled and unlabeled ones (bidirectional copy-paste, Bai et al.
2023), or within labeled ones (pretraining of the latter).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

_LEAST_SHARE, _MOST_SHARE = 0.1, 0.5

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Mixing:
    """Which patches of a batch exchange which box.

    The student sees the patches with boxes exchanged; exchanged again, its predictions come back to where the voxels
    belong. So no loss needs to know of the exchange.

    Attributes:
        exchanges: numbers of two patches of the batch, and the box; no patch is in two of them.
    """

    exchanges: tuple[tuple[int, int, Box], ...]

    @staticmethod
    def draw(patch_size: Sequence[int], pairs: Sequence[tuple[int, int, np.random.Generator]]) -> Mixing:
        """Random boxes of 0.1 to 0.5 of the patch, shaped like it.

        Args:
            patch_size: (D, H, W).
            pairs: numbers of two patches, and a stream of random numbers for their box.
        """
        return Mixing(tuple((first, second, _draw_box(patch_size, random)) for first, second, random in pairs))

    def after(self, count: int) -> Mixing:
        """The exchanges among the patches after the first `count`, which are numbered from 0."""
        within = (exchange for exchange in self.exchanges if min(exchange[:2]) >= count)
        return Mixing(tuple((first - count, second - count, box) for first, second, box in within))

    def apply(self, values: Tensor) -> Tensor:
        """Exchange the boxes; applied twice, all is as before.

        Args:
            values: (B, D, H, W) or (B, K, D, H, W), any type; gradients flow through.

        Returns:
            A new tensor of the same shape and type.
        """
        result = values.clone()
        for first, second, box in self.exchanges:
            in_first, in_second = (first, ..., *box), (second, ..., *box)
            result[in_first], result[in_second] = values[in_second], values[in_first]
        return result


def _draw_box(patch_size: Sequence[int], random: np.random.Generator) -> Box:
    dimensions = max(1, sum(size > 1 for size in patch_size))
    side = random.uniform(_LEAST_SHARE, _MOST_SHARE) ** (1 / dimensions)
    lengths = [max(1, round(size * side)) if size > 1 else 1 for size in patch_size]
    starts = [int(random.integers(size - length + 1)) for size, length in zip(patch_size, lengths, strict=True)]
    depth, height, width = (slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
    return depth, height, width
