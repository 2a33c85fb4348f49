"""A scan brought to another grid a few rows at a time, smoothed where that grid is coarser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .resampling import neighbours

Array = npt.NDArray[Any]
Size = tuple[int, int, int]

# Voxels of the source, and rows of the result, that are worked on at once.
_PORTION_VOXELS = 4_000_000
_ROWS = 16
# Where a Gaussian ends, in standard deviations, as in scipy.
_TRUNCATE = 4.0


def reduced(read: Callable[[slice], Array], before: Size, after: Size) -> Array:
    """Resample, linearly, onto a grid over the same extent, after what a coarser grid cannot hold was removed.

    Along an axis on which voxels become larger by a factor f, a Gaussian of 0.5 (f - 1) voxels comes first, so that
    detail does not fold into false patterns. Both together are one matrix an axis.

    Args:
        read: gives rows of the source, (n, H, W), float32; may be asked for some rows again.
        before: (D, H, W) of the source.
        after: (D', H', W') of the result.

    Returns:
        (D', H', W'), float32.
    """
    result = np.empty(after, dtype=np.float32)
    along_h, along_w = (axis_matrix(before[axis], after[axis]) for axis in (1, 2))
    for first in range(0, after[0], _ROWS):
        rows = slice(first, min(first + _ROWS, after[0]))
        planes = _mixed_rows(read, before, (after[0], rows))
        if along_h is not None:
            planes = along_h @ planes
        if along_w is not None:
            planes = planes @ along_w.T
        result[rows] = planes.numpy()
    return result


def axis_matrix(before: int, after: int) -> Tensor | None:
    """What smoothing and interpolation do along an axis, (after, before), float32; None: nothing."""
    if before == after:
        return None
    lower, upper, share = (part.numpy() for part in neighbours(before, after, range(after)))
    matrix = np.zeros((after, before))
    rows = np.arange(after)
    np.add.at(matrix, (rows, lower), 1 - share)
    np.add.at(matrix, (rows, upper), share)
    sigma = 0.5 * max(before / after - 1, 0.0)
    if sigma:
        matrix = matrix @ _gaussian_matrix(before, sigma)
    return torch.from_numpy(matrix.astype(np.float32))


def _gaussian_matrix(count: int, sigma: float) -> Array:
    """A Gaussian along an axis of `count` voxels that goes on mirrored at both ends, (count, count)."""
    radius = int(_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((count, count))
    for offset, weight in zip(offsets, weights, strict=True):
        place = (np.arange(count) + offset) % (2 * count)
        np.add.at(matrix, (np.arange(count), np.minimum(place, 2 * count - 1 - place)), weight)
    return matrix


def _mixed_rows(read: Callable[[slice], Array], before: Size, target: tuple[int, slice]) -> Tensor:
    """Some of the rows along D of the result, still with the source's H and W: (n, H, W)."""
    count, rows = target
    matrix = axis_matrix(before[0], count)
    if matrix is None:
        return torch.from_numpy(np.ascontiguousarray(read(rows)))
    weights = matrix[rows]
    used = torch.nonzero(weights.abs().sum(0)).flatten()
    first, end = int(used[0]), int(used[-1]) + 1
    step = max(1, _PORTION_VOXELS // (before[1] * before[2]))
    mixed = torch.zeros(len(weights), before[1] * before[2])
    for start in range(first, end, step):
        some = slice(start, min(start + step, end))
        source = torch.from_numpy(np.ascontiguousarray(read(some))).flatten(1)
        mixed.addmm_(weights[:, some], source)
    return mixed.reshape(-1, *before[1:])
