"""How far two segmentations share their voxels. Arrays are class indices of any shape, class 0 is background."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

OVERLAPS = ("dice", "jaccard", "precision", "recall")

Array = npt.NDArray[Any]


def overlap_per_class(predicted: Array, truth: Array, classes: int) -> dict[str, list[float]]:
    """Overlap of each foreground class, from its true and false positives and negatives.

    Args:
        predicted: class indices.
        truth: class indices, the same shape.
        classes: number of classes with background.

    Returns:
        dice 2 tp / (2 tp + fp + fn), jaccard tp / (tp + fp + fn), precision tp / (tp + fp), recall tp / (tp + fn);
        each classes - 1 values in [0, 1], of 1 to classes - 1 in order. NaN where the denominator is 0: Dice and
        Jaccard of a class that is neither predicted nor true, precision of one that is not predicted, recall of one
        that is not true. Dice and Jaccard are 0 where only one of the two has the class.
    """
    hits, named, true = (
        # Three counts a class: a table of all pairs would grow with the square of their number.
        np.bincount(some.ravel(), minlength=classes)[1:classes]
        for some in (truth[truth == predicted], predicted, truth)
    )
    in_either = named + true - hits
    ratios = ((2 * hits, named + true), (hits, in_either), (hits, named), (hits, true))
    with np.errstate(invalid="ignore"):
        return {name: (part / whole).tolist() for name, (part, whole) in zip(OVERLAPS, ratios, strict=True)}


def dice_per_class(predicted: Array, truth: Array, classes: int) -> list[float]:
    """Dice of each foreground class; see `overlap_per_class`."""
    return overlap_per_class(predicted, truth, classes)["dice"]


def outside_share(conservative: Array, radical: Array) -> float:
    """Share of the conservative foreground that lies outside of the radical foreground: 0 if the heads are nested."""
    foreground = conservative > 0
    return float((foreground & (radical == 0)).sum() / max(int(foreground.sum()), 1))


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are numbers; None if there are none."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else None
