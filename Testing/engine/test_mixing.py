from __future__ import annotations

import numpy as np
import pytest
import torch

from coranet.data.mixing import Mixing

SIZE = (8, 10, 12)


def mixing(pairs=2, size=SIZE, seed=0) -> Mixing:
    return Mixing.draw(size, [np.random.default_rng([seed, pair]) for pair in range(pairs)])


def numbered(count, size=SIZE, dtype=torch.float32) -> torch.Tensor:
    return torch.arange(count * int(np.prod(size))).reshape(count, *size).to(dtype)


def test_boxes_are_exchanged_within_pairs_and_nowhere_else():
    one = mixing()
    values = numbered(5)
    result = one.apply(values)
    for pair, box in enumerate(one.boxes):
        is_inside = torch.zeros(SIZE, dtype=torch.bool)
        is_inside[box] = True
        first, second = 2 * pair, 2 * pair + 1
        assert torch.equal(result[first], torch.where(is_inside, values[second], values[first]))
        assert torch.equal(result[second], torch.where(is_inside, values[first], values[second]))
    assert torch.equal(result[4], values[4])


def test_exchanged_twice_is_as_before_and_what_came_in_is_left_alone():
    values = numbered(4)
    before = values.clone()
    assert torch.equal(mixing().apply(mixing().apply(values)), values)
    assert torch.equal(values, before)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32, torch.bfloat16], ids=str)
def test_channels_and_types_do_not_matter(dtype):
    values = (numbered(4) % 7 > 2).to(dtype)
    mixed = mixing().apply(values)
    assert mixed.dtype is dtype and not torch.equal(mixed, values)
    channels = torch.stack([values, values.flip(0)], 1)
    expected = torch.stack([mixed, mixing().apply(values.flip(0))], 1)
    assert torch.equal(mixing().apply(channels), expected)


@pytest.mark.parametrize("size", [(16, 18, 20), (1, 30, 32), (30, 1, 32)], ids=str)
def test_boxes_hold_a_tenth_to_a_half_of_the_patch_and_reach_all_of_it(size):
    shares, seen = [], torch.zeros(size)
    for seed in range(100):
        (box,) = mixing(1, size, seed).boxes
        seen[box] += 1
        shares.append(seen[box].numel() / seen.numel())
    assert 0.08 < min(shares) < 0.16 and 0.44 < max(shares) < 0.55
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        assert (seen.amax(others) > 0).all()


def test_a_patch_alone_stays_as_it_is():
    values = numbered(1)
    assert torch.equal(mixing(0).apply(values), values)
