from __future__ import annotations

import pytest
import torch

from coranet.networks.slices import from_slices, to_slices


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_slice_of_each_volume_lies_in_the_batch(axis):
    volumes = torch.randn(2, 3, 4, 5, 6)
    slices = to_slices(volumes, axis)
    count = volumes.shape[2 + axis]
    for batch in range(2):
        for number in range(count):
            assert torch.equal(slices[batch * count + number], volumes[batch].select(1 + axis, number))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_there_and_back_is_the_same(axis):
    volumes = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(from_slices(to_slices(volumes, axis), axis, 2), volumes)
