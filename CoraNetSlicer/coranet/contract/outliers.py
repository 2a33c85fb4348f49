"""A case that is unlike the others: rules of both sides, made so that sets as hospitals have them raise no alarm.

A value is compared with the median of the others, in units of how far the others lie from it. Few cases say little of
how much they vary, so there is a least distance, too, and for three cases it is no smaller than for more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

# Of two cases it is unknown which one is the outlier.
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
PLACE = Distance(0.36, 0.36)


def outliers(values: Sequence[float], least: Distance) -> list[int]:
    """Which values lie far from the others, by their numbers.

    Args:
        values: of all cases.
        least: distance from the median of the others.
    """
    count = len(values)
    if count < FEWEST_CASES:
        return []
    floor = least.of_three if count == FEWEST_CASES else least.of_more
    ordered = sorted(values)
    far = []
    for index, value in enumerate(values):
        middle = _median_without(ordered, value)
        # Sets are large and odd ones are rare: how far the others lie is looked at for these alone.
        if abs(value - middle) > floor:
            distances = sorted(abs(other - middle) for number, other in enumerate(values) if number != index)
            count_near = max(math.ceil(_KEPT * len(distances)), min(len(distances), _FEW_OTHERS))
            if abs(value - middle) > _TIMES * distances[count_near - 1]:
                far.append(index)
    return far


def times_apart(values: Sequence[float], least: Distance) -> list[int]:
    """`outliers` for what is compared by how many times larger or smaller it is; values are above 0."""
    return outliers([math.log(max(value, 1e-30)) for value in values], least)


def other_spacings(spacings: Sequence[Sequence[float]]) -> list[int]:
    """Scans whose voxels are far larger or smaller than the others', or have a spacing that looks like a default.

    Args:
        spacings: of all scans along their axes in any order, mm.
    """
    ordered = [sorted(spacing) for spacing in spacings]
    odd = {index for axis in range(3) for index in times_apart([spacing[axis] for spacing in ordered], SPACING)}
    unknown = [index for index, spacing in enumerate(ordered) if spacing == [_UNKNOWN_MM] * 3]
    if len(unknown) == 1 and len(ordered) >= FEWEST_CASES:
        # Imported where it is needed: it brings decimal and fractions along, which nothing else here needs.
        from statistics import median

        usual = [
            median(spacing[axis] for index, spacing in enumerate(ordered) if index not in unknown) for axis in range(3)
        ]
        if max(max(value, 1 / value) for value in usual) > _UNLIKE_UNKNOWN:
            odd.update(unknown)
    return sorted(odd)


def other_slice_axes(spacings: Sequence[Sequence[float]]) -> list[int]:
    """The scan that has its slices along another axis of the patient than all the others, where they agree.

    Args:
        spacings: of all scans along L, P, S, mm.
    """
    axes = [slice_axis(spacing) for spacing in spacings]
    counts = Counter(axes)
    if len(axes) < FEWEST_CASES or len(counts) != 2 or None in counts or min(counts.values()) > 1:
        return []
    return [axes.index(min(counts, key=lambda axis: counts[axis]))]


def slice_axis(spacing: Sequence[float]) -> Optional[int]:
    """The axis along which a scan has slices that are thicker than their pixels; None: there is none."""
    ordered = sorted(spacing)
    return list(spacing).index(ordered[2]) if ordered[2] > _SLICES * ordered[1] else None


def other_modalities(lowest: Sequence[float]) -> list[int]:
    """Scans that are CT among others that are not, or the other way round; where it is half and half, all of them.

    Args:
        lowest: intensity of all scans.
    """
    kinds = [1 if value < CT_AIR else -1 if value > NO_AIR else 0 for value in lowest]
    total = sum(kinds)
    if len(kinds) < FEWEST_CASES:
        return []
    return [index for index, kind in enumerate(kinds) if kind and kind * (total - kind) < 0]


def _median_without(ordered: Sequence[float], value: float) -> float:
    """The median of sorted values without one of them."""
    left_out, last = bisect_left(ordered, value), len(ordered) - 1

    def kept(number: int) -> float:
        return ordered[number if number < left_out else number + 1]

    return (kept((last - 1) // 2) + kept(last // 2)) / 2
