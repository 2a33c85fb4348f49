"""Structures that were drawn on some of their slices only: the slices between would teach that there is background."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# A person draws single slices, at least so many; where nearly all stand alone, none was forgotten.
_FEWEST_SLICES = 3
_MOST_NOT_ALONE = 0.2
# Share of the smaller one of two slices that lies over the other: they are of one object.
_SAME_OBJECT = 0.5


class DrawnSlices(NamedTuple):
    """How many slices hold a structure, of how many from the first to the last one."""

    drawn: int
    of: int


def drawn_slices(mask: Array) -> DrawnSlices | None:
    """Where a structure is drawn on single slices with empty ones between them; None: it is not.

    Small objects one above the other also leave slices empty, so what is drawn must overlap from one to the next.

    Args:
        mask: (D, H, W), bool, of one structure.
    """
    for axis in range(3):
        slices = np.moveaxis(mask, axis, 0)
        drawn = np.flatnonzero(slices.any((1, 2)))
        steps = np.diff(drawn)
        if len(drawn) < _FEWEST_SLICES or np.mean(steps == 1) > _MOST_NOT_ALONE:
            continue
        overlaps = [_overlap(slices[one], slices[next_]) for one, next_ in zip(drawn, drawn[1:], strict=False)]
        if np.median(overlaps) >= _SAME_OBJECT:
            return DrawnSlices(len(drawn), int(drawn[-1] - drawn[0]) + 1)
    return None


def _overlap(one: Array, other: Array) -> float:
    return float(np.count_nonzero(one & other)) / min(np.count_nonzero(one), np.count_nonzero(other))
