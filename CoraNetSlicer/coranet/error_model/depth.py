"""How probably an error is deep, from how probably each voxel is wrong: a deep error is not alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from ..uncertainty import SMALLEST_STORED

# Less probable errors are none: no map stores them, and of their odds it does not matter how deep they are.
_LEAST = math.log(SMALLEST_STORED)
# The classes behind the first two have these log-odds less than the second one.
_THIRD_CLASS = 4.0
# Spacings come from files: 1.0000001 mm is no more than 1 mm.
ROUNDING = 1e-4
_NO_CLASS = -1


def deep_log_odds(
    wrong: Tensor, classes: Tensor, second: Tensor, spacing_dhw: Sequence[float], tolerance_mm: float
) -> Tensor:
    """The log-odds that the class of a voxel is true nowhere within the tolerance, which is what a deep error is.

    Errors of neighbours go together, so this is as probable as in the neighbour in which it is least probable.

    Args:
        wrong: (D, H, W), float32, the log-odds that the class of each voxel is wrong.
        classes: (D, H, W), the class that is named.
        second: (D, H, W), the class that is true where the first one is wrong, as far as that is known.
        spacing_dhw: mm along D, H, W.
        tolerance_mm: of deep errors.

    Returns:
        (D, H, W), float32, at most `wrong`; the same where that is less than any map holds.
    """
    offsets = _offsets_within(tolerance_mm, spacing_dhw)
    reach = [max((offset[axis] for offset in offsets), default=0) for axis in range(3)]
    pads = [side for count in reversed(reach) for side in (count, count)]
    odds = functional.pad(wrong, pads, value=math.inf)
    named, other = (functional.pad(labels.int(), pads, value=_NO_CLASS) for labels in (classes, second))
    strides = odds.stride()
    odds_there, named_there, other_there = odds.flatten(), named.flatten(), other.flatten()
    places = torch.nonzero((odds_there > _LEAST) & (named_there != _NO_CLASS))[:, 0]
    least, own = odds_there[places], named_there[places]
    for offset in offsets:
        near = places + sum(step * stride for step, stride in zip(offset, strides, strict=True))
        there = odds_there[near]
        of_another = torch.where(other_there[near] == own, -there, there.abs() + _THIRD_CLASS)
        torch.minimum(least, torch.where(named_there[near] == own, there, of_another), out=least)
    odds_there[places] = least
    inside = tuple(slice(count, count + size) for count, size in zip(reach, wrong.shape, strict=True))
    return odds[inside]


def _offsets_within(distance_mm: float, spacing_dhw: Sequence[float]) -> list[tuple[int, int, int]]:
    """Steps along D, H and W to the other voxels that are no farther than a distance."""
    reach = distance_mm * (1 + ROUNDING)
    counts = [int(reach // step) for step in spacing_dhw]
    around = product(*(range(-count, count + 1) for count in counts))
    return [
        (d, h, w)
        for d, h, w in around
        if 0 < math.hypot(*(index * step for index, step in zip((d, h, w), spacing_dhw, strict=True))) <= reach
    ]
