"""What Dice a training can be expected to miss, in parts that can be planned; where each number comes from.

These are rules of thumb for choosing between plans of one data set, not predictions. Each part is a deficit of mean
Dice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# The spacing. Labels that went to the network's spacing and back differ from themselves by a fraction of a voxel; the
# surface of a trained network is off by about as much again.
_SPACING_WEIGHT = 2.0

# The steps. Left atrium at 1.6 mm, 2 + 2 patches of 98,304 voxels, 8 filters: Dice 0.801, 0.852, 0.867 after 900, 2,700
# and 4,500 steps, towards 0.89.
_STEPS_DEFICIT, _STEPS, _STEPS_POWER = 0.09, 900.0, 0.8

# The batch. Twice as many patches a step are worth less than twice as many steps.
_BATCH_POWER = 0.85

# The patch. Left atrium at 0.625 mm in patches that cover a quarter of it and its surroundings along each axis: 0.463
# after 900 steps, against 0.801 where they cover three quarters.
_COVERAGE_DEFICIT, _COVERAGE_POWER = 0.35, 2.0

# The network. Each halving of the filters, from 32.
_MOST_FILTERS, _FILTERS_DEFICIT = 32, 0.01


def spacing_deficit(kept_dice: float) -> float:
    """Of a spacing at which the labels keep this Dice."""
    return _SPACING_WEIGHT * (1 - kept_dice)


def steps_deficit(steps: float, batch_share: float) -> float:
    """Of so many steps; `batch_share` is the size of a batch by the usual one."""
    worth: float = max(steps, 1.0) * batch_share**_BATCH_POWER
    return float(min(1.0, _STEPS_DEFICIT * (_STEPS / worth) ** _STEPS_POWER))


def coverage(patch_mm: Sequence[float], region_mm: Sequence[float]) -> float:
    """How much of a structure with its surroundings a patch covers along an axis, on the geometric mean, in (0, 1]."""
    shares = [min(1.0, patch / region) for patch, region in zip(patch_mm, region_mm, strict=True) if region > 0]
    return math.prod(shares) ** (1 / len(shares)) if shares else 1.0


def coverage_deficit(covered: float) -> float:
    """Of patches that cover this share; see `coverage`."""
    return float(_COVERAGE_DEFICIT * (1 - covered) ** _COVERAGE_POWER)


def filters_deficit(filters: int) -> float:
    """Of a network with so many filters at full resolution."""
    return _FILTERS_DEFICIT * max(0.0, math.log2(_MOST_FILTERS / filters))
