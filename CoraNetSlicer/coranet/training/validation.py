"""Dice on the validation cases, in the network's own grid, while training runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..data.cache import PreparedCase
from ..inference import SlidingWindow
from ..metrics import dice_per_class
from ..uncertainty import named_classes


def validate(network: nn.Module, cases: Sequence[PreparedCase], window: SlidingWindow, classes: int) -> list[float]:
    """Mean Dice of each foreground class over the cases.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared, with labels.
        window: how to cover a whole scan.
        classes: number of classes with background.

    Returns:
        One value a foreground class; NaN where no case has the class and none is predicted.
    """
    scores = []
    for case in cases:
        image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
        predicted = np.empty(image.shape[1:], dtype=np.uint8)
        for first, rows in window.stream(network, image, case.padding):
            named = named_classes(rows.segmentation[None])[0]
            predicted[first : first + len(named)] = named.to(torch.uint8).cpu().numpy()
        scores.append(dice_per_class(predicted, np.asarray(case.labels), classes))
    with np.errstate(invalid="ignore"):
        stacked = np.array(scores, dtype=float)
        counts = (~np.isnan(stacked)).sum(0)
        return [float(value) for value in np.where(counts, np.nansum(stacked, 0) / np.maximum(counts, 1), np.nan)]
