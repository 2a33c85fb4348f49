"""Linear resampling between grids that cover the same extent, exact at equal sizes, in slabs where memory matters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Mask = npt.NDArray[np.bool_]


def resampled_size(
    size: tuple[int, ...], spacing_mm: tuple[float, ...], target_mm: tuple[float, ...]
) -> tuple[int, ...]:
    """Number of voxels that cover the same extent at another spacing, at least 1 along each axis."""
    return tuple(
        max(1, int(round(count * here / there))) for count, here, there in zip(size, spacing_mm, target_mm, strict=True)
    )


def resample(
    volume: Tensor, size: tuple[int, int, int], rows: range | None = None, held: tuple[int, int] | None = None
) -> Tensor:
    """Trilinear resampling onto a grid of `size` voxels over the same extent (voxel faces align at the border).

    Args:
        volume: (C, D, H, W), float; of a whole volume, or some of its rows.
        size: of the whole result, (D', H', W').
        rows: which of the D' rows to compute; None: all.
        held: where `volume` is not whole: the number of its first row, and how many rows the whole has. They must be
            what `rows` need (`rows_ready`).

    Returns:
        (C, len(rows), H', W').
    """
    first, whole = held or (0, volume.shape[1])
    result = _resample_axis(volume, 1, (whole, size[0]), rows if rows is not None else range(size[0]), first)
    for axis, count in enumerate(size[1:], start=2):
        result = _resample_axis(result, axis, (result.shape[axis], count), range(count))
    return result


def rows_ready(known: int, whole: int, count: int) -> int:
    """How many rows of a result can be computed, in order, from the first rows of its source.

    The next rows after these then need none before the last known one.

    Args:
        known: how many of the source's rows are there.
        whole: how many rows the source has.
        count: how many rows the result has.
    """
    if known >= whole:
        return count
    if count == whole:
        return known
    _, upper, _ = neighbours(whole, count, range(count))
    return int((upper < known).sum())


def neighbours(source_count: int, count: int, voxels: range) -> tuple[Tensor, Tensor, Tensor]:
    """Between which voxels of a source some voxels of a result lie, along one axis over the same extent.

    Args:
        source_count: voxels of the source.
        count: voxels of the result.
        voxels: which of the result's.

    Returns:
        Numbers of the source's voxels below and above, int64, and how far the result's lie on the way between them,
        0 to 1, float64.
    """
    position = (torch.arange(voxels.start, voxels.stop, dtype=torch.float64) + 0.5) * (source_count / count) - 0.5
    position = position.clamp(0, source_count - 1)
    lower = position.floor().long()
    return lower, (lower + 1).clamp_max(source_count - 1), position - lower


def mask_at_centres(mask: Mask, size: tuple[int, int, int]) -> Mask:
    """Which voxels of a grid of `size` voxels over the same extent have their centre in a mask.

    A centre between two voxels of the mask is in it where both are.

    Args:
        mask: (D, H, W), bool.
        size: (D', H', W').

    Returns:
        (D', H', W'), bool; the mask itself at equal sizes.
    """
    for axis, count in enumerate(size):
        # Twice the count times the centre's place, in whole numbers: no border is missed by rounding.
        place = (2 * np.arange(count) + 1) * mask.shape[axis]
        at_or_above, at_or_below = place // (2 * count), -(-place // (2 * count)) - 1
        mask = mask.take(at_or_above, axis) & mask.take(at_or_below, axis)
    return mask


def _resample_axis(volume: Tensor, axis: int, counts: tuple[int, int], voxels: range, first: int = 0) -> Tensor:
    """One axis from `counts[0]` to `counts[1]` voxels; `volume` begins with the voxel `first` of the former."""
    source_count, count = counts
    if count == source_count:
        start = voxels.start - first
        return volume.narrow(axis, start, len(voxels)) if len(voxels) != volume.shape[axis] else volume
    lower, upper, share = neighbours(source_count, count, voxels)
    shape = [1] * volume.ndim
    shape[axis] = len(voxels)
    weight = share.to(volume.dtype).to(volume.device).reshape(shape)
    lower, upper = (lower - first).to(volume.device), (upper - first).to(volume.device)
    return torch.lerp(volume.index_select(axis, lower), volume.index_select(axis, upper), weight)
