from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from coranet.data.cache import PreparedCase
from coranet.inference import SlidingWindow
from coranet.job import Case, Role
from coranet.networks import HeadLogits
from coranet.training.validation import validate
from coranet.windows import WindowRule


class NamesWhatItSees(nn.Module):
    """The class of a voxel is its rounded intensity."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        logits = torch.cat([-(images - index).abs() for index in range(4)], dim=1)
        return HeadLogits(logits, -logits, -logits)


def a_case(image: np.ndarray, labels: np.ndarray) -> PreparedCase:
    case = Case("v", Role.VALIDATION, "v", "l")
    return PreparedCase(case, image[None].astype(np.float16), labels.astype(np.uint8), (), (0.0,))


def test_dice_is_the_mean_over_cases_of_the_segmentation_head(a_cpu):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (7, 9, 11))
    exact = a_case(labels, labels)
    half = labels.copy()
    half[labels == 1] = np.where(np.arange((labels == 1).sum()) % 2, 1, 0)
    scores = validate(
        NamesWhatItSees(), [exact, a_case(half, labels)], SlidingWindow(WindowRule((6, 8, 10), 0.5), a_cpu, 4), 4
    )
    found, there = (half == 1).sum(), (labels == 1).sum()
    assert scores[0] == pytest.approx((1 + 2 * found / (found + there)) / 2)
    assert scores[1] == 1
    assert math.isnan(scores[2])
