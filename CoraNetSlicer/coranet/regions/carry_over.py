"""Decisions on a result, carried over to another result of the same scan where both agree.

NumPy alone: the Slicer side uses it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Choice, Decision, RegionList

Array = npt.NDArray[Any]

# So much of a region must be known from before...
_KNOWN_SHARE = 0.9
# ... and so much of that must be what an answer says.
_AGREED_SHARE = 0.98

# Of answers that agree as well, the first one is taken.
ANSWERS = (Choice.KEEP, Choice.CONSERVATIVE, Choice.RADICAL)


@dataclass(frozen=True)
class EarlierReview:
    """The decisions of a reviewer on a scan, on the voxels of the new result.

    Attributes:
        labels: (k, j, i), label values: reviewed.nrrd.
        known: (k, j, i), above 0 where they are truth: known.nrrd.
        author: who decided; "" if unknown.
        time: of the decisions, seconds since 1970.
    """

    labels: Array
    known: Array
    author: str = ""
    time: float = 0.0


def carried_over(
    regions: RegionList, region_map: Array, answers: Mapping[Choice, Array], earlier: EarlierReview
) -> dict[int, Decision]:
    """Decide the regions of a new result of which the truth is known from an earlier review.

    A region is decided where at least 90 % of its voxels are known, and an answer agrees with the truth in 98 % of
    these. The others stay open, also those in which the truth lies between the answers: a person looks at them again.

    Args:
        regions: of the new result.
        region_map: (k, j, i), number of each voxel's region.
        answers: by choice of `ANSWERS`, the label map (k, j, i) of the new result that it takes.
        earlier: the review of another result of the same scan.

    Returns:
        By number of the region, what is decided.
    """
    decided = {}
    for region in regions.regions:
        k, j, i = (slice(first, last + 1) for first, last in reversed(region.bounds_ijk))
        inside = region_map[k, j, i] == region.number
        known = inside & (earlier.known[k, j, i] > 0)
        count = int(np.count_nonzero(known))
        if not count or count < _KNOWN_SHARE * np.count_nonzero(inside):
            continue
        truth = earlier.labels[k, j, i][known]
        agreed = {choice: np.count_nonzero(answers[choice][k, j, i][known] == truth) for choice in ANSWERS}
        best = max(ANSWERS, key=lambda choice: agreed[choice])
        if agreed[best] >= _AGREED_SHARE * count:
            decided[region.number] = Decision(best, earlier.author, earlier.time)
    return decided
