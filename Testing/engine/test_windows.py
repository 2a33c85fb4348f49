from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from coranet.inference.windows import AxisCover, WindowRule

MANY_ROWS = 10_000
# The patch of a network that is halved once along D and twice within its slices.
RULE = WindowRule((8, 12, 16), 0.25, factors=(2, 4, 4), grows=True, voxels=8 * 12 * 16)


@pytest.mark.parametrize(
    ("size", "sizes", "overlap", "window", "starts"),
    [
        (10, range(2, 11, 2), 4, 10, (0,)),
        (7, range(2, 11, 2), 4, 10, (-1,)),
        (16, range(2, 11, 2), 4, 10, (0, 6)),
        (17, range(2, 11, 2), 4, 10, (0, 4, 7)),
        (17, range(1, 11), 4, 9, (0, 4, 8)),
        (11, range(1, 11), 0, 6, (0, 5)),
        (11, range(8, 11), 0, 8, (0, 3)),
        (11, range(10, 11), 0, 10, (0, 1)),
        (30, range(2, 11, 2), 0, 10, (0, 10, 20)),
    ],
)
def test_windows_are_few_and_no_larger_than_needed(size, sizes, overlap, window, starts):
    cover = AxisCover.of(size, sizes, overlap)
    assert (cover.window, cover.starts) == (window, starts)


@pytest.mark.parametrize(("most", "factor"), list(product((16, 24), (1, 4, 8))))
def test_an_axis_is_covered_with_at_least_the_overlap_and_weights_that_sum_to_one(most, factor):
    for size, overlap in product((3, 16, 37, 64, 100), (0, 3, 8, 15)):
        cover = AxisCover.of(size, range(factor, most + 1, factor), overlap)
        assert cover.window % factor == 0 and cover.window <= most, (size, overlap)
        total = torch.zeros(size)
        spans = [cover.span(number) for number in range(len(cover.starts))]
        for (first, end), weight in zip(spans, cover.weights(), strict=True):
            assert weight.dtype == torch.float32 and len(weight) == end - first and weight.min() >= 0, (size, overlap)
            total[first:end] += weight
        torch.testing.assert_close(total, torch.ones(size), msg=f"of {size} with {overlap}: {total}")
        overlaps = [end - first for (_, end), (first, _) in zip(spans, spans[1:], strict=False)]
        assert min(overlaps, default=overlap) >= overlap, (size, overlap)
        assert spans[0][0] == 0 and spans[-1][1] == size, (size, overlap)


def test_where_two_windows_overlap_the_nearer_middle_counts_more():
    first, second = AxisCover.of(28, range(16, 17), 4).weights()
    assert (first[:12] == 1).all() and (second[4:] == 1).all()
    assert (first[12:].diff() < 0).all()
    torch.testing.assert_close(first[12:] + second[:4], torch.ones(4))


@pytest.mark.parametrize(
    ("size", "window"),
    [((8, 12, 16), (8, 12, 16)), ((10, 15, 20), (10, 12, 20)), ((3, 4, 5), (8, 12, 16)), ((30, 13, 19), (8, 12, 20))],
)
def test_a_scan_a_little_longer_than_the_patch_is_taken_whole(size, window):
    assert replace(RULE, grows=False).cover(size, MANY_ROWS).window == window


def test_a_network_that_takes_one_size_only_gets_no_other():
    assert replace(RULE, grows=False, factors=None).cover((9, 13, 17), 1).window == (8, 12, 16)


@pytest.mark.parametrize("times", [1, 2, 8, 50])
@pytest.mark.parametrize("size", [(40, 60, 80), (8, 200, 300), (300, 20, 20)], ids=str)
def test_windows_grow_to_the_voxels_they_may_have(size, times):
    voxels = times * 8 * 12 * 16
    window = replace(RULE, voxels=voxels).cover(size, MANY_ROWS).window
    assert all(here % factor == 0 for here, factor in zip(window, RULE.factors, strict=True))
    # Taking a little longer axes whole may come on top.
    assert math.prod(window) <= voxels * 1.25**3
    largest = replace(RULE, voxels=10**9).cover(size, MANY_ROWS)
    assert largest.count == 1


def test_windows_have_no_more_rows_than_there_is_memory_for_but_those_of_the_patch():
    rule = replace(RULE, voxels=10**6)
    assert rule.cover((200, 60, 80), 21).window[0] == 20
    assert rule.cover((200, 60, 80), 1).window[0] == 8


def test_the_overlap_is_a_share_of_the_patch_however_large_windows_are():
    cover = replace(RULE, voxels=8 * 8 * 12 * 16, overlap=0.5).cover((100, 200, 200), MANY_ROWS)
    for axis, patch in zip(cover.axes, RULE.patch_size, strict=True):
        shared = [axis.starts[0] + axis.window - axis.starts[1] for _ in axis.starts]
        assert patch // 2 <= min(shared) < patch


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("slices", [1, 2, 7, 35, 61])
def test_slices_are_taken_together_and_once(axis, slices):
    patch, factors = [8, 12], [2, 4]
    patch.insert(axis, 1)
    factors.insert(axis, 1)
    rule = WindowRule(tuple(patch), 0.5, tuple(factors), axis, grows=True, voxels=12 * 8 * 12)
    size = [8, 12]
    size.insert(axis, slices)
    cover = rule.cover(size, MANY_ROWS)
    assert cover.window[axis] <= 12
    assert slices <= cover.count * cover.window[axis] < slices + cover.count


def test_the_place_of_a_window_and_what_of_it_lies_in_the_scan():
    cover = replace(RULE, voxels=0, grows=False).cover((30, 9, 16), MANY_ROWS)
    assert cover.window == (8, 12, 16) and cover.count == len(cover.depth.starts) == 5
    last = list(cover.layer(4))[-1]
    assert cover.place(last) == [slice(22, 30), slice(0, 9), slice(0, 16)]
    assert cover.inside(last) == [slice(0, 8), slice(1, 10), slice(0, 16)]
