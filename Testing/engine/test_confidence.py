"""How sure a network is, and another one made as sure: what it names stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prepared import a_prepared_case
from torch import nn

from coranet.contract.config import InferenceConfig
from coranet.inference.network_pass import SlidingWindow
from coranet.networks import HeadLogits
from coranet.training.confidence import ScaledNetwork, as_sure_as, mean_margin


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


def test_the_margin_near_the_structures_is_the_mean(a_window):
    cases = [a_prepared_case((16, 16, 32)), a_prepared_case((16, 16, 32), "b", labeled=False)]
    assert mean_margin(Sure(3.0), cases, a_window) == pytest.approx(3.0, rel=1e-4)
    assert mean_margin(Sure(3.0), [], a_window) is None


@pytest.mark.parametrize(("wanted", "found", "factor"), [(6.0, 3.0, 2.0), (1.0, 2.0, 0.5), (90.0, 1.0, 4.0)])
def test_a_network_is_made_as_sure(wanted, found, factor):
    image = torch.randn(1, 1, 4, 4, 8)
    network = Sure(3.0)
    scaled = as_sure_as(network, wanted, found)
    for head, before in zip(scaled(image), network(image), strict=True):
        torch.testing.assert_close(head, factor * before)
        assert torch.equal(head.argmax(1), before.argmax(1))


def test_where_nothing_is_known_it_stays_as_it_is(a_window):
    network = Sure(3.0)
    assert as_sure_as(network, None, 3.0) is network and as_sure_as(network, 3.0, None) is network
    scaled = as_sure_as(network, 6.0, mean_margin(network, [a_prepared_case((16, 16, 32))], a_window))
    assert isinstance(scaled, ScaledNetwork)
    assert mean_margin(scaled, [a_prepared_case((16, 16, 32))], a_window) == pytest.approx(6.0, rel=1e-3)
