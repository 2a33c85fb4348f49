"""Dice on the validation cases, in the network's own grid, while training runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..data.cache import PreparedCase
from ..data.class_indices import index_type
from ..inference.network_pass import SlidingWindow
from ..metrics import dice_per_class
from ..uncertainty import named_classes
from .cases import TrainingCases


@dataclass(frozen=True)
class Score:
    """Dice on the validation cases.

    Attributes:
        dice: by name of the class, mean over the cases; None where no case has the class and none is predicted.
        mean: over the classes that have one; 0 if none has.
    """

    dice: dict[str, float | None]
    mean: float


def score(network: nn.Module, cases: TrainingCases, window: SlidingWindow) -> Score:
    """The Dice of a network on the validation cases of a training; see `validate`."""
    names = cases.class_names
    values = validate(network, cases.validation, window, len(names) + 1)
    known = [value for value in values if not math.isnan(value)]
    dice = {name: None if math.isnan(value) else value for name, value in zip(names, values, strict=True)}
    return Score(dice, sum(known) / len(known) if known else 0.0)


def validate(network: nn.Module, cases: Sequence[PreparedCase], window: SlidingWindow, classes: int) -> list[float]:
    """Mean Dice of each foreground class over the cases.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared, with labels; the boxes of one case follow each other, and count together with what lies in
            none of them.
        window: how to cover a whole scan.
        classes: number of classes with background.

    Returns:
        One value a foreground class; NaN where no case has the class and none is predicted.
    """
    scores = [_dice(network, list(boxes), window, classes) for _, boxes in groupby(cases, lambda case: case.case.id)]
    with np.errstate(invalid="ignore"):
        stacked = np.array(scores, dtype=float)
        counts = (~np.isnan(stacked)).sum(0)
        return [float(value) for value in np.where(counts, np.nansum(stacked, 0) / np.maximum(counts, 1), np.nan)]


def _dice(network: nn.Module, boxes: Sequence[PreparedCase], window: SlidingWindow, classes: int) -> list[float]:
    """Dice of each foreground class of one case."""
    predicted, truth = [], []
    for box in boxes:
        predicted.append(_segmented(network, box, window).ravel())
        # Outside of all boxes there is background, whatever the truth.
        missed = np.repeat(np.arange(1, len(box.missed) + 1, dtype=index_type(len(box.missed))), box.missed)
        predicted.append(np.zeros_like(missed))
        truth += [np.asarray(box.labels).ravel(), missed]
    return dice_per_class(np.concatenate(predicted), np.concatenate(truth), classes)


def _segmented(network: nn.Module, case: PreparedCase, window: SlidingWindow) -> npt.NDArray[Any]:
    image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
    predicted = np.empty(image.shape[1:], dtype=index_type(window.classes - 1))
    for first, rows in window.stream(network, image, case.padding):
        named = named_classes(rows.segmentation[None])[0]
        predicted[first : first + len(named)] = named.cpu().numpy()
    return predicted
