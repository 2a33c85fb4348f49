"""A case that is unlike the others: rules of both sides, made so that sets as hospitals have them raise no alarm.

A value is compared with the median of the others, in units of how far the others lie from it. Few cases say little of
how much they vary, so there is a least distance, too, and it is larger for three cases than for more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Optional

# Of two cases nobody can say which is the odd one.
FEWEST_CASES = 3
# Other cases vary by as much as this share of them keeps, so that one or two that are as odd do not hide the next one;
# few of them vary by as much as the one that varies most.
_KEPT, _FEW_OTHERS = 0.7, 4
_TIMES = 4.0
# Air in CT has about -1000 HU, and no other modality has values like that.
CT_AIR, NO_AIR = -800.0, -200.0
# Spacings that programs write who know none.
_UNKNOWN_MM, _UNLIKE_UNKNOWN = 1.0, 1.3
# From this ratio of its thickest to its thinnest axis on a scan has slices.
_SLICES = 2.0


@dataclass(frozen=True)
class Distance:
    """How far from the others a value must lie to be named, at least.

    Attributes:
        of_three: where there are three cases.
        of_more: where there are more.
    """

    of_three: float
    of_more: float


# Volumes, spacings and ranges of intensity are compared by their natural logarithms: so many times larger or smaller.
VOLUME_ML = Distance(math.log(20), math.log(12))
SPACING = Distance(math.log(4), math.log(2.5))
# Units of MR are arbitrary: in one set of the Decathlon they differ by 50 times.
INTENSITY_RANGE = Distance(math.log(200), math.log(100))
# Shares of the extent of a scan.
PLACE = Distance(0.4, 0.3)


def is_far(values: Sequence[float], index: int, least: Distance) -> bool:
    """Whether a value lies far from the others.

    Args:
        values: of all cases.
        index: of the value.
        least: distance from the median of the others.
    """
    others = [value for number, value in enumerate(values) if number != index]
    if len(values) < FEWEST_CASES:
        return False
    middle = median(others)
    distances = sorted(abs(value - middle) for value in others)
    usual = distances[max(math.ceil(_KEPT * len(distances)), min(len(distances), _FEW_OTHERS)) - 1]
    floor = least.of_three if len(values) == FEWEST_CASES else least.of_more
    return abs(values[index] - middle) > max(floor, _TIMES * usual)


def is_times_apart(values: Sequence[float], index: int, least: Distance) -> bool:
    """`is_far` for what is compared by how many times larger or smaller it is; values are above 0."""
    return is_far([math.log(max(value, 1e-30)) for value in values], index, least)


def is_other_spacing(spacings: Sequence[Sequence[float]], index: int) -> bool:
    """Whether the voxels of a scan are far larger or smaller than the others', or look as if nobody knew their size.

    Args:
        spacings: of all scans along their axes in any order, mm.
        index: of the scan.
    """
    ordered = [sorted(spacing) for spacing in spacings]
    if any(is_times_apart([spacing[axis] for spacing in ordered], index, SPACING) for axis in range(3)):
        return True
    others = [spacing for number, spacing in enumerate(ordered) if number != index]
    if len(ordered) < FEWEST_CASES or ordered[index] != [_UNKNOWN_MM] * 3 or ordered[index] in others:
        return False
    usual = [median(spacing[axis] for spacing in others) for axis in range(3)]
    return max(max(value, 1 / value) for value in usual) > _UNLIKE_UNKNOWN


def slice_axis(spacing: Sequence[float]) -> Optional[int]:
    """The axis along which a scan has slices that are thicker than their pixels; None: there is none."""
    ordered = sorted(spacing)
    return list(spacing).index(ordered[2]) if ordered[2] > _SLICES * ordered[1] else None


def is_other_slice_axis(spacings: Sequence[Sequence[float]], index: int) -> bool:
    """Whether a scan has its slices along another axis of the patient than all the others.

    Args:
        spacings: of all scans along L, P, S, mm.
        index: of the scan.
    """
    axes = [slice_axis(spacing) for spacing in spacings]
    others = {axis for number, axis in enumerate(axes) if number != index}
    return len(axes) >= FEWEST_CASES and axes[index] is not None and len(others) == 1 and others.isdisjoint(
        (None, axes[index])
    )  # fmt: skip


def is_other_modality(lowest: Sequence[float], index: int) -> bool:
    """Whether a scan is CT among others that are not, or the other way round.

    Args:
        lowest: intensity of all scans.
        index: of the scan.
    """
    kinds = [1 if value < CT_AIR else -1 if value > NO_AIR else 0 for value in lowest]
    others = [kind for number, kind in enumerate(kinds) if number != index]
    # The odd one is of the smaller number.
    return len(kinds) >= FEWEST_CASES and kinds[index] != 0 and kinds[index] * sum(others) < 0
