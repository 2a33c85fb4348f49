"""Where the dial should stand: the caution that flags a stated share of the errors on validation cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..data.cache import PreparedCase
from ..inference.network_pass import SlidingWindow
from ..uncertainty import caution_at, named_classes, uncertainty_map

# Beyond this, the heads of a network that learns as they do say nothing more about its errors.
MOST_CAUTION = 10.0


def calibrate_caution(
    network: nn.Module, cases: Sequence[PreparedCase], window: SlidingWindow, classes: int, share: float = 0.8
) -> float | None:
    """The smallest caution whose uncertain region holds a share of the wrong voxels.

    Wrong voxels of all cases are counted together, on the network's grid; those that lie in no box of a case are left
    out, as no caution would flag them.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared, with labels.
        window: how to cover a whole scan.
        classes: number of classes with background; with the background alone there is nothing to doubt.
        share: of the wrong voxels, in (0, 1].

    Returns:
        Natural logarithm of a cost ratio, from -10 to 10; None where there is no wrong voxel or no case.
    """
    uncertainties = [_uncertainty_of_errors(network, case, window) for case in cases if case.labels is not None]
    errors = np.sort(np.concatenate([np.empty(0, dtype=np.float32), *uncertainties]))[::-1]
    if classes < 2 or not len(errors):
        return None
    least_flagged = errors[max(1, math.ceil(share * len(errors))) - 1]
    return float(np.clip(caution_at(float(least_flagged)), -MOST_CAUTION, MOST_CAUTION))


def _uncertainty_of_errors(network: nn.Module, case: PreparedCase, window: SlidingWindow) -> np.ndarray:
    image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
    # Row by row: the logits of all classes of a whole scan take many times its memory.
    uncertainty, labels = np.empty(image.shape[1:], dtype=np.float32), np.asarray(case.labels)
    wrong = np.empty(image.shape[1:], dtype=bool)
    for first, rows in window.stream(network, image, case.padding):
        place = slice(first, first + rows.segmentation.shape[1])
        uncertainty[place] = uncertainty_map(rows.conservative[None], rows.radical[None])[0].cpu().numpy()
        wrong[place] = named_classes(rows.segmentation[None])[0].cpu().numpy() != labels[place]
    return uncertainty[wrong]
