"""Whether a number may come from where a few others do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

# Few cases say little of how much they vary: a usual spread is assumed beside theirs, and counts as so many cases.
_USUAL_CASES = 4
_FEWEST_CASES = 2


def is_plausible(
    known: Sequence[float] | npt.NDArray[Any], value: float, usual_spread: float, plausible_share: float
) -> bool:
    """Whether a value may come from where some others do, by Student's t, with a usual spread beside theirs.

    Args:
        known: the others; of fewer than two, any value is like them.
        value: to compare.
        usual_spread: standard deviation that is usual.
        plausible_share: so many of their kind lie in the range that is called plausible.
    """
    count = len(known)
    if count < _FEWEST_CASES:
        return True
    mean, freedom = float(np.mean(known)), count - 1 + _USUAL_CASES
    squares = float(np.square(np.subtract(known, mean)).sum()) + _USUAL_CASES * usual_spread**2
    reach = float(stdtrit(freedom, (1 + plausible_share) / 2)) * math.sqrt(squares / freedom * (1 + 1 / count))
    return abs(value - mean) <= reach
