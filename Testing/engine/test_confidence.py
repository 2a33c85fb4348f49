"""How sure a network is, and another one made as sure: what it names stays."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from prepared import a_prepared_case
from torch import nn

from coranet.contract.config import InferenceConfig
from coranet.inference.network_pass import SlidingWindow
from coranet.networks import HeadLogits
from coranet.training.confidence import FACTORS, as_sure_as, entropies


class Sure(nn.Module):
    """Names class 1 in the left half with a margin, and background in the right half, far from any structure."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, image: torch.Tensor) -> HeadLogits:
        half = torch.zeros_like(image[:, 0])
        half[..., : half.shape[-1] // 2] = 1
        logits = torch.stack([20 * (1 - half), self.margin * half], 1)
        return HeadLogits(logits, logits, logits)


@pytest.fixture
def a_window(a_tiny_architecture, a_cpu) -> SlidingWindow:
    architecture = replace(a_tiny_architecture, classes=2, patch_size_kji=(16, 16, 32))
    return SlidingWindow.of(architecture, InferenceConfig(), a_cpu)


@pytest.fixture
def some_cases():
    return [a_prepared_case((16, 16, 32)), a_prepared_case((16, 16, 32), "b", labeled=False)]


def test_the_entropy_is_that_of_each_voxel_once(a_window, some_cases):
    found = entropies(Sure(2.0), some_cases, a_window)

    def of(margin: float) -> float:
        rest = math.exp(-margin) / (1 + math.exp(-margin))
        return -rest * math.log(rest) + (1 - rest) * math.log(1 + math.exp(-margin))

    half = 2 * 16 * 16 * 16
    expected = [half * (of(2.0 * factor) + of(20 * factor)) for factor in FACTORS]
    assert found == pytest.approx(expected, rel=1e-3)
    assert list(found) == sorted(found, reverse=True)
    assert entropies(Sure(2.0), [], a_window) is None


@pytest.mark.parametrize(("margin", "other"), [(3.0, 6.0), (4.0, 2.0)])
def test_a_network_is_made_as_sure_and_names_the_same(a_window, some_cases, margin, other):
    wanted, network = entropies(Sure(other), some_cases, a_window), Sure(margin)
    scaled = as_sure_as(network, wanted, entropies(network, some_cases, a_window))
    middle = len(FACTORS) // 2
    assert entropies(scaled, some_cases, a_window)[middle] == pytest.approx(wanted[middle], rel=0.03)
    image = torch.randn(1, 1, 4, 4, 8)
    for head, before in zip(scaled(image), network(image), strict=True):
        assert torch.equal(head.argmax(1), before.argmax(1))
        torch.testing.assert_close(head / head.max(), before / before.max())


def test_where_nothing_is_known_it_stays_as_it_is(a_window, some_cases):
    network = Sure(3.0)
    known = entropies(network, some_cases, a_window)
    assert as_sure_as(network, None, known) is network and as_sure_as(network, known, None) is network
