"""Volumes as batches of slices and back, for 2D networks."""

from __future__ import annotations

from torch import Tensor


def to_slices(volumes: Tensor, axis: int) -> Tensor:
    """Move an axis into the batch.

    Args:
        volumes: (B, C, D, H, W).
        axis: 0, 1 or 2 of (D, H, W).

    Returns:
        (B * N, C, ., .), N slices of the first volume first.
    """
    return volumes.movedim(2 + axis, 1).flatten(0, 1)


def from_slices(slices: Tensor, axis: int, batch: int) -> Tensor:
    """The inverse of `to_slices`.

    Args:
        slices: (B * N, C, ., .).
        axis: 0, 1 or 2 of (D, H, W).
        batch: B.

    Returns:
        (B, C, D, H, W).
    """
    volumes: Tensor = slices.unflatten(0, (batch, -1)).movedim(1, 2 + axis)
    return volumes
