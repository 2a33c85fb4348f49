from __future__ import annotations

import numpy as np
import pytest
import torch

from coranet.data.mixing import Mixing

SIZE = (8, 10, 12)
# Neither neighbours nor all of a batch of six.
PAIRS = ((0, 3), (4, 1))


def mixing(pairs=PAIRS, size=SIZE, seed=0) -> Mixing:
    return Mixing.draw(size, [(*pair, np.random.default_rng([seed, *pair])) for pair in pairs])


def numbered(count, size=SIZE, dtype=torch.float32) -> torch.Tensor:
    return torch.arange(count * int(np.prod(size))).reshape(count, *size).to(dtype)


def test_boxes_are_exchanged_within_pairs_and_nowhere_else():
    exchange = mixing()
    values = numbered(6)
    result = exchange.apply(values)
    for (first, second, box), pair in zip(exchange.exchanges, PAIRS, strict=True):
        assert (first, second) == pair
        is_inside = torch.zeros(SIZE, dtype=torch.bool)
        is_inside[box] = True
        assert torch.equal(result[first], torch.where(is_inside, values[second], values[first]))
        assert torch.equal(result[second], torch.where(is_inside, values[first], values[second]))
    assert torch.equal(result[[2, 5]], values[[2, 5]])


def test_exchanged_twice_is_as_before_and_what_came_in_is_left_alone():
    values = numbered(5)
    before = values.clone()
    assert torch.equal(mixing().apply(mixing().apply(values)), values)
    assert torch.equal(values, before)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32, torch.bfloat16], ids=str)
def test_channels_and_types_do_not_matter(dtype):
    values = (numbered(5) % 7 > 2).to(dtype)
    exchanged = mixing().apply(values)
    assert exchanged.dtype is dtype and not torch.equal(exchanged, values)
    channels = torch.stack([values, values.flip(0)], 1)
    expected = torch.stack([exchanged, mixing().apply(values.flip(0))], 1)
    assert torch.equal(mixing().apply(channels), expected)


def test_the_layout_in_memory_is_kept():
    values = torch.stack([numbered(5)] * 2, 1).to(memory_format=torch.channels_last_3d)
    assert mixing().apply(values).is_contiguous(memory_format=torch.channels_last_3d)


def test_gradients_go_where_the_values_came_from():
    values, weights = numbered(5).requires_grad_(), numbered(5).flip(1)
    (weights * mixing().apply(values)).sum().backward()
    assert torch.equal(values.grad, mixing().apply(weights))


@pytest.mark.parametrize("size", [(16, 18, 20), (1, 30, 32), (30, 1, 32)], ids=str)
def test_boxes_hold_a_tenth_to_a_half_of_the_patch_and_reach_all_of_it(size):
    shares, covered = [], torch.zeros(size)
    for seed in range(100):
        ((_, _, box),) = mixing(((0, 1),), size, seed).exchanges
        covered[box] += 1
        shares.append(covered[box].numel() / covered.numel())
    assert 0.08 < min(shares) < 0.16 and 0.44 < max(shares) < 0.55
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        assert (covered.amax(others) > 0).all()


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 8), (2, 1, 3)], ids=str)
def test_a_box_lies_inside_of_the_smallest_patch_and_is_never_empty(size):
    for seed in range(50):
        ((_, _, box),) = mixing(((0, 1),), size, seed).exchanges
        assert all(0 <= part.start < part.stop <= length for part, length in zip(box, size, strict=True))


def test_without_pairs_all_stays_as_it_is():
    values = numbered(1)
    assert torch.equal(mixing(()).apply(values), values)
