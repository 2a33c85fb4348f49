"""Volumes brought to the axes of another grid that holds the same voxels in another order."""

from __future__ import annotations

import numpy as np

from ..contract.axis_order import axis_order
from ..volume import Grid, Volume


def on_axes_of(volume: Volume, grid: Grid) -> Volume:
    """A volume in the order of another grid's voxels.

    A label map that Slicer has saved of a left-handed scan (as FSL writes them) has its slices in reverse order; other
    programs let axes change places. Each voxel then lies where one of the scan lies, so that this is no guess.

    Args:
        volume: of one channel, (k, j, i).
        grid: whose order is wanted.

    Returns:
        Voxels in that order, on that grid; the volume as it is where both grids do not hold the same voxels, or are
        one.
    """
    order = axis_order(volume.grid.placement, grid.placement)
    if order is None or order.changes_nothing:
        return volume
    return Volume(np.ascontiguousarray(order.applied(volume.voxels)), grid)


def is_reordered(grid: Grid, other: Grid) -> bool:
    """Whether two grids hold the same voxels, in one order or another."""
    return axis_order(grid.placement, other.placement) is not None
