"""A stack of slices in which the structures are found only when the slices are turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..contract.events import Warned
from ..data.box import Box
from ..data.orientation import Orientation
from ..volume import Volume
from .finding import CoarseNetwork


@dataclass(frozen=True)
class TurnedScan:
    """A scan as it is looked at.

    Attributes:
        volume: its voxels as they are, with other directions; what is decided on its grid belongs to the scan's voxels.
        degrees: by how much its slices are turned.
        boxes: where the structures are, in canonical voxels of `volume`.
    """

    volume: Volume
    degrees: int
    boxes: tuple[Box, ...]


def find_turned(
    coarse: CoarseNetwork, volume: Volume, slice_axis: int, before_window: Callable[[float], None] | None = None
) -> TurnedScan | None:
    """Look for the structures with the slices turned by a right angle to either side, and upside down.

    Args:
        coarse: the network that finds them.
        volume: the scan, in which nothing was found as it is.
        slice_axis: 0, 1 or 2 of the canonical (D, H, W), across the slices.
        before_window: as for `CoarseNetwork.boxes`.

    Returns:
        That in which the boxes are largest; None where nothing is found either.
    """
    turns = [
        TurnedScan(turned, 90 * quarter, tuple(coarse.boxes(turned, before_window)))
        for quarter, turned in enumerate(quarter_turns(volume, slice_axis), start=1)
    ]
    best = max(turns, key=lambda turn: sum(box.voxels for box in turn.boxes))
    return best if best.boxes else None


def quarter_turns(volume: Volume, slice_axis: int) -> Iterator[Volume]:
    """The scan with its slices turned by 90, 180 and 270 degrees: no voxel moves, the directions of the axes turn.

    Args:
        volume: the scan.
        slice_axis: 0, 1 or 2 of the canonical (D, H, W), across the slices.
    """
    source = Orientation.of(volume.grid.direction).source_axis
    # Canonical axes are L, P, S, which is W, H, D.
    first, second = (source[axis] for axis in range(3) if axis != 2 - slice_axis)
    direction = np.reshape(np.array(volume.grid.direction, dtype=float), (3, 3))
    for _ in range(3):
        direction = direction.copy()
        direction[:, [first, second]] = np.column_stack([direction[:, second], -direction[:, first]])
        yield replace(volume, grid=replace(volume.grid, direction=tuple(direction.ravel().tolist())))


def found_turned(case_id: str, degrees: int) -> Warned:
    """The warning for a case in which the structures are found only when its slices are turned."""
    return Warned(
        "found_turned",
        f"in '{case_id}' the structures are found only with the slices turned by {degrees} degrees; look at the result "
        "with care, and label such a case if there are more of them.",
    )
