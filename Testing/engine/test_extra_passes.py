from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from coranet.methods.extra_passes import dropout_switched_on, entropy, leaving_no_trace
from coranet.networks import FeatureDropout


def a_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(1, 4, 1), nn.BatchNorm3d(4), FeatureDropout(0.5), nn.BatchNorm3d(4, momentum=None))


def images() -> torch.Tensor:
    return torch.randn(3, 1, 2, 3, 4, generator=torch.Generator().manual_seed(0))


def test_passes_without_a_trace_are_repeatable_normalize_by_the_batch_and_keep_the_statistics():
    torch.manual_seed(0)
    network = a_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with leaving_no_trace(network):
        first, second = network(images()), network(images())
        assert network[1].training
    assert torch.equal(first, second)
    torch.testing.assert_close(first.mean((0, 2, 3, 4)), torch.zeros(4), atol=1e-5, rtol=0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("context", [leaving_no_trace, dropout_switched_on])
@pytest.mark.parametrize("training", [True, False])
def test_afterwards_all_is_as_before_even_after_an_error(context, training):
    network = a_network().train(training)
    with pytest.raises(ZeroDivisionError), context(network):
        raise ZeroDivisionError
    assert all(module.training == training for module in network.modules())
    network.train()(images())
    assert network[1].num_batches_tracked == network[3].num_batches_tracked == 1


def test_dropout_alone_is_switched_on():
    torch.manual_seed(0)
    network = a_network().eval()
    with dropout_switched_on(network):
        assert network[2].training and not network[1].training and not network.training
        assert not torch.equal(network(images()), network(images()))
    assert torch.equal(network(images()), network(images()))


def test_entropy_is_zero_where_sure_and_largest_where_nothing_is_known():
    probability = torch.tensor([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.25, 0.25]])[:, :, None, None, None]
    expected = torch.tensor([0, math.log(3), 0.5 * math.log(2) + 0.5 * math.log(4)])
    torch.testing.assert_close(entropy(probability).flatten(), expected)
