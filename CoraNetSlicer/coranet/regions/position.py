"""Where a voxel lies in a structure, in words: seen from the patient, as in anatomy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.orientation import Orientation
from ..volume import Grid

# The words for the lower and the upper third along left, posterior and superior.
_SIDES = (("right", "left"), ("front", "back"), ("lower", "upper"))


def where_in(bounds_ijk: Sequence[tuple[int, int]], center_ijk: Sequence[int], grid: Grid) -> str:
    """Say in which third of a structure's box a voxel lies: "upper left, back"; "in the middle".

    Left and right are the patient's.

    Args:
        bounds_ijk: first and last voxel of the structure along i, j and k.
        center_ijk: the voxel.
        grid: on which they lie.
    """
    orientation = Orientation.of(grid.direction)
    side, depth, height = (
        _third(bounds_ijk[axis], center_ijk[axis], flipped)
        for axis, flipped in zip(orientation.source_axis, orientation.flipped, strict=True)
    )
    in_plane = " ".join(terms[third] for terms, third in ((_SIDES[2], height), (_SIDES[0], side)) if third is not None)
    along_depth = _SIDES[1][depth] if depth is not None else ""
    return ", ".join(filter(None, (in_plane, along_depth))) or "in the middle"


def _third(bounds: tuple[int, int], index: int, flipped: bool) -> int | None:
    """0 in the first third, 1 in the last one, None between them; an axis of one voxel has none."""
    first, last = bounds
    if last == first:
        return None
    share = float(np.clip((index - first) / (last - first), 0, 1))
    share = 1 - share if flipped else share
    return 0 if share < 1 / 3 else 1 if share > 2 / 3 else None
