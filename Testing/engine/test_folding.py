from __future__ import annotations

import itertools

import pytest
import torch

from coranet.networks.folding import fold, unfold

BLOCKS = [(2, 2, 2), (1, 2, 3), (2, 1), (3, 2)]


def volume(block: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(2, 3, *(step * count for step, count in zip(block, (2, 3, 4), strict=False)))


@pytest.mark.parametrize("block", BLOCKS)
def test_each_channel_holds_the_voxels_at_one_place_of_their_blocks(block):
    values = volume(block)
    folded = fold(values, block)
    voxels = list(itertools.product(*(range(step) for step in block)))
    assert folded.shape[:2] == (2, 3 * len(voxels))
    for channel, (number, place) in itertools.product(range(3), enumerate(voxels)):
        every = tuple(slice(first, None, step) for first, step in zip(place, block, strict=True))
        assert torch.equal(folded[:, channel * len(voxels) + number], values[(slice(None), channel, *every)])


@pytest.mark.parametrize("block", BLOCKS)
def test_there_and_back_is_the_same(block):
    values = volume(block)
    assert torch.equal(unfold(fold(values, block), block), values)
    assert torch.equal(fold(unfold(fold(values, block), block), block), fold(values, block))


def test_gradients_come_back_to_their_voxels():
    values = volume((2, 2, 2)).requires_grad_()
    weight = torch.randn_like(values)
    (unfold(fold(values, (2, 2, 2)), (2, 2, 2)) * weight).sum().backward()
    assert torch.equal(values.grad, weight)
