"""Measures of a segmentation against the truth. Arrays are class indices of any shape, class 0 is background."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.metrics import compute_dice

Array = npt.NDArray[Any]


def dice_per_class(predicted: Array, truth: Array, classes: int) -> list[float]:
    """Dice of each foreground class.

    Args:
        predicted: class indices.
        truth: class indices, the same shape.
        classes: number of classes with background.

    Returns:
        classes - 1 values in [0, 1]; 1 to classes - 1 in order. NaN where a class is neither predicted nor true; 0
        where it is predicted but not true.
    """
    # MONAI counts a class that is absent in both as 1; here it says nothing about the model.
    scores = compute_dice(
        _batch(predicted), _batch(truth), include_background=False, ignore_empty=False, num_classes=classes
    )[0].tolist()
    absent = [not ((predicted == index).any() or (truth == index).any()) for index in range(1, classes)]
    return [float("nan") if gone else float(score) for score, gone in zip(scores, absent, strict=True)]


def outside_share(conservative: Array, radical: Array) -> float:
    """Share of the conservative foreground that lies outside of the radical foreground: 0 if the heads are nested."""
    foreground = conservative > 0
    return float((foreground & (radical == 0)).sum() / max(int(foreground.sum()), 1))


def error_coverage(predicted: Array, truth: Array, flagged: Array) -> tuple[float, float]:
    """How well a flagged region points at the errors.

    Args:
        predicted: class indices.
        truth: class indices.
        flagged: bool.

    Returns:
        Share of the wrong voxels that are flagged (NaN without errors), and share of all voxels that are flagged.
    """
    wrong = predicted != truth
    covered = float((wrong & flagged).sum() / wrong.sum()) if wrong.any() else float("nan")
    return covered, float(flagged.mean())


def mean_or_none(values: list[float]) -> float | None:
    """Mean of the values that are numbers; None if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def _batch(classes: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(classes, dtype=np.int64))[None, None]
