from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from coranet.contract import Case, Role
from coranet.contract.doubt import uncertainty_threshold
from coranet.data.cache import PreparedCase
from coranet.inference.network_pass import SlidingWindow
from coranet.inference.windows import WindowRule
from coranet.networks import HeadLogits
from coranet.training.dial import MOST_CAUTION, calibrate_caution
from coranet.uncertainty import uncertainty_map

SIZE = (5, 7, 6)


class AnswersWithNoise(nn.Module):
    """Three heads whose logits are fixed linear functions of the intensity, times `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, images: torch.Tensor) -> HeadLogits:
        segmentation, conservative, radical = images, images - 0.7 - 0.1 * images**2, images + 0.6
        return HeadLogits(*(torch.cat([-head, head], 1) * self.scale for head in (segmentation, conservative, radical)))


def a_case(seed: int, wrong_share: float = 0.3) -> PreparedCase:
    """Labels are the sign of the intensity, but the opposite at random voxels, near 0 more often."""
    random = np.random.default_rng(seed)
    image = random.normal(0, 2, SIZE).astype(np.float16)
    wrong = random.random(SIZE) < wrong_share * np.exp(-np.abs(image.astype(float)))
    labels = ((image > 0) != wrong).astype(np.uint8)
    return PreparedCase(Case(f"v{seed}", Role.VALIDATION, "v", "l"), image[None], labels, (), (0.0,))


@pytest.fixture
def a_window(a_cpu):
    return SlidingWindow(WindowRule(SIZE, 0.5), a_cpu, 2)


def wrong_and_uncertainty(network: nn.Module, cases: list[PreparedCase]) -> tuple[np.ndarray, np.ndarray]:
    wrong, uncertainty = [], []
    for case in cases:
        logits = network(torch.from_numpy(case.image.astype(np.float32))[None])
        wrong.append(logits.segmentation.argmax(1)[0].numpy() != case.labels)
        uncertainty.append(uncertainty_map(logits.conservative, logits.radical)[0].numpy())
    return np.stack(wrong), np.stack(uncertainty)


@pytest.mark.parametrize("share", [0.2, 0.8, 1.0])
def test_it_is_the_smallest_caution_that_holds_the_share_of_all_errors(a_window, share):
    cases = [a_case(0), a_case(1, 0.9)]
    caution = calibrate_caution(AnswersWithNoise(), cases, a_window, 2, share)
    wrong, uncertainty = wrong_and_uncertainty(AnswersWithNoise(), cases)
    held = (wrong & (uncertainty >= uncertainty_threshold(caution))).sum()
    just_less = (wrong & (uncertainty >= uncertainty_threshold(caution - 1e-3))).sum()
    assert just_less < math.ceil(share * wrong.sum()) <= held


def test_a_larger_share_takes_at_least_as_much_caution(a_window):
    cautions = [calibrate_caution(AnswersWithNoise(), [a_case(0)], a_window, 2, share) for share in (0.1, 0.5, 0.8, 1)]
    assert cautions == sorted(cautions) and cautions[0] < cautions[-1]


@pytest.mark.parametrize(("scale", "share", "expected"), [(1000, 1.0, MOST_CAUTION), (1000, 0.01, -MOST_CAUTION)])
def test_the_dial_has_ends(a_window, scale, share, expected):
    assert calibrate_caution(AnswersWithNoise(scale), [a_case(0, 0.9)], a_window, 2, share) == expected


def test_without_errors_or_cases_there_is_nothing_to_set(a_window):
    right = a_case(0, 0.0)
    assert calibrate_caution(AnswersWithNoise(), [right], a_window, 2) is None
    assert calibrate_caution(AnswersWithNoise(), [], a_window, 2) is None
