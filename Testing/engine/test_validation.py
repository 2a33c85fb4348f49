from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from coranet.contract import Case, Role
from coranet.data.cache import PreparedCase
from coranet.inference.network_pass import SlidingWindow
from coranet.inference.windows import WindowRule
from coranet.networks import HeadLogits
from coranet.training.cases import TrainingCases
from coranet.training.validation import Score, score, validate


class NamesWhatItSees(nn.Module):
    """The class of a voxel is its rounded intensity."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        logits = torch.cat([-(images - index).abs() for index in range(4)], dim=1)
        return HeadLogits(logits, -logits, -logits)


def a_case(image: np.ndarray, labels: np.ndarray, name: str = "v") -> PreparedCase:
    case = Case(name, Role.VALIDATION, "v", "l")
    return PreparedCase(case, image[None].astype(np.float16), labels.astype(np.uint8), (), (0.0,))


def test_dice_is_the_mean_over_cases_of_the_segmentation_head(a_cpu):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (7, 9, 11))
    exact = a_case(labels, labels)
    half = labels.copy()
    half[labels == 1] = np.where(np.arange((labels == 1).sum()) % 2, 1, 0)
    scores = validate(
        NamesWhatItSees(), [exact, a_case(half, labels, "w")], SlidingWindow(WindowRule((6, 8, 10), 0.5), a_cpu, 4), 4
    )
    found, there = (half == 1).sum(), (labels == 1).sum()
    assert scores[0] == pytest.approx((1 + 2 * found / (found + there)) / 2)
    assert scores[1] == 1
    assert math.isnan(scores[2])


def test_the_score_names_classes_and_its_mean_is_of_those_that_have_one(a_cpu):
    labels = np.random.default_rng(0).integers(0, 2, (7, 9, 11))
    cases = TrainingCases((), (), (a_case(labels, labels),), ("organ", "cyst", "lesion"))
    scored = score(NamesWhatItSees(), cases, SlidingWindow(WindowRule((6, 8, 10), 0.5), a_cpu, 4))
    assert scored == Score({"organ": 1.0, "cyst": None, "lesion": None}, 1.0)


def test_boxes_of_a_case_count_together_with_what_lies_in_none_of_them(a_cpu):
    labels = np.random.default_rng(1).integers(0, 3, (7, 9, 11))
    first, second = a_case(labels[:3], labels[:3]), a_case(labels[3:], labels[3:])
    # Two voxels of class 1 and one of class 2 were missed: 2 tp / (2 tp + fn).
    window = SlidingWindow(WindowRule((6, 8, 10), 0.5), a_cpu, 4)
    scores = validate(NamesWhatItSees(), [replace(first, missed=(2, 1, 0)), second], window, 4)
    ones, twos = ((labels == index).sum() for index in (1, 2))
    assert scores[:2] == [pytest.approx(2 * ones / (2 * ones + 2)), pytest.approx(2 * twos / (2 * twos + 1))]
    assert math.isnan(scores[2])
