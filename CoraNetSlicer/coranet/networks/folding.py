"""Voxels folded into channels and back (space-to-depth; Shi et al. 2016, sub-pixel convolution).

A network whose stem folds has no layer at full resolution: its first level sees blocks of voxels as channels, and its
logits are those of all voxels of a block. Nothing is lost, and on a processor, where few channels at full resolution
are what takes longest, a step is several times faster.
"""

from __future__ import annotations

import math

from torch import Tensor

from .blocks import Extent


def fold(values: Tensor, block: Extent) -> Tensor:
    """Move the voxels of each block into channels.

    Args:
        values: (B, C, ...), each spatial axis a multiple of `block`.
        block: voxels of a block along each spatial axis.

    Returns:
        (B, C * voxels of a block, ...), each axis divided by `block`.
    """
    axes = len(block)
    sizes = [part for size, step in zip(values.shape[2:], block, strict=True) for part in (size // step, step)]
    split = values.reshape(*values.shape[:2], *sizes)
    within, between = [3 + 2 * axis for axis in range(axes)], [2 + 2 * axis for axis in range(axes)]
    return split.permute(0, 1, *within, *between).flatten(1, 1 + axes)


def unfold(values: Tensor, block: Extent) -> Tensor:
    """The inverse of `fold`.

    Args:
        values: (B, C * voxels of a block, ...).
        block: voxels of a block along each spatial axis.

    Returns:
        (B, C, ...), each axis multiplied by `block`.
    """
    axes = len(block)
    size = [count * step for count, step in zip(values.shape[2:], block, strict=True)]
    split = values.unflatten(1, (values.shape[1] // math.prod(block), *block))
    pairs = [part for axis in range(axes) for part in (2 + axes + axis, 2 + axis)]
    voxels: Tensor = split.permute(0, 1, *pairs).reshape(len(values), -1, *size)
    return voxels
