from __future__ import annotations

import pytest
import torch
from torch import nn

from coranet.methods.discriminator import Discriminator


@pytest.mark.parametrize("size", [(8, 12, 16), (1, 20, 24), (24, 1, 20), (5, 7, 9), (2, 3, 32), (1, 1, 4)])
@pytest.mark.parametrize("classes", [2, 5])
def test_it_says_one_number_a_voxel(size, classes):
    torch.manual_seed(0)
    realness = Discriminator(classes, size)(torch.rand(2, classes, *size))
    assert realness.shape == (2, *size) and realness.dtype is torch.float32
    assert realness.isfinite().all()


def test_single_slices_are_not_convolved_across():
    for module in Discriminator(3, (16, 1, 20)).modules():
        if isinstance(module, nn.Conv3d):
            assert module.kernel_size[1] == module.stride[1] == 1 and module.padding[1] == 0


def test_axes_are_halved_while_there_is_something_left():
    strides = [module.stride for module in Discriminator(3, (4, 8, 32)).modules() if isinstance(module, nn.Conv3d)]
    assert strides == [(2, 2, 2), (1, 2, 2), (1, 1, 2), (1, 1, 1)]


@pytest.mark.slow
def test_it_learns_to_tell_labels_from_predictions():
    torch.manual_seed(0)
    network = Discriminator(2, (4, 8, 8))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    labels = nn.functional.one_hot(torch.randint(2, (2, 4, 8, 8)), 2).movedim(-1, 1).float()
    predictions = torch.randn(2, 2, 4, 8, 8).softmax(1)
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.softplus(-network(labels)).mean() + nn.functional.softplus(network(predictions)).mean()
        loss.backward()
        optimizer.step()
    assert network(labels).mean() > 1 and network(predictions).mean() < -1


@pytest.mark.parametrize("size", [(4, 12, 16), (8, 12, 16)])
def test_its_gradient_in_bfloat16_is_a_number_whatever_lay_in_memory(size):
    # Patches of which two slices are left after some convolutions: oneDNN reads beyond them on some processors.
    for _ in range(5):
        discriminator, probability = Discriminator(4, size), torch.randn(2, 4, *size).softmax(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = discriminator(probability).square().mean()
        loss.backward()
        exact = torch.autograd.grad(discriminator(probability).square().mean(), list(discriminator.parameters()))
        for parameter, expected in zip(discriminator.parameters(), exact, strict=True):
            torch.testing.assert_close(parameter.grad, expected, rtol=0.1, atol=float(expected.abs().max()) * 0.1)
