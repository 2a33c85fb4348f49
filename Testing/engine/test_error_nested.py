from __future__ import annotations

import numpy as np
import pytest
import torch

from coranet.error_model import NestedRegions
from coranet.uncertainty import rounded_down


def test_the_fewest_voxels_that_hold_a_share_are_found_by_hand():
    probability = np.array([[0.5, 0.125], [0.25, 0.125]], dtype=np.float32)
    regions = NestedRegions.of(probability)
    for share, voxels in [(0.3, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.76, 4), (1.0, 4)]:
        assert np.count_nonzero(probability >= np.float32(regions.threshold(share))) == voxels


@pytest.mark.parametrize("sure", [1.0, 0.3, 0.01])
def test_a_network_that_is_more_sure_in_all_has_the_same_regions(sure):
    random = np.random.default_rng(0)
    probability = (random.random(2000) ** 4).astype(np.float32)
    whole = probability >= np.float32(NestedRegions.of(probability).threshold(0.7))
    part = np.float32(sure) * probability
    # Values are stored with 11 bits, so a voxel at the border may be on its other side.
    assert np.count_nonzero(whole != (part >= np.float32(NestedRegions.of(part).threshold(0.7)))) <= 2


def test_regions_are_those_of_a_sorted_list():
    random = np.random.default_rng(1)
    stored = rounded_down(torch.from_numpy((random.random(500) ** 3).astype(np.float32))).numpy()
    regions, ordered = NestedRegions.of(stored), np.sort(stored.astype(np.float64))[::-1]
    for share in (0.1, 0.5, 0.8, 0.99):
        count = int(np.searchsorted(np.cumsum(ordered) / ordered.sum(), share)) + 1
        assert np.count_nonzero(stored >= np.float32(regions.threshold(share))) == count


@pytest.mark.parametrize("probability", [np.zeros(5, np.float32), np.zeros((0, 3), np.float32), np.full(3, 1e-6)])
def test_where_nothing_is_probable_nothing_is_flagged(probability):
    threshold = NestedRegions.of(probability).threshold(0.9)
    assert not (probability >= threshold).any()


def test_no_share_is_no_region_and_all_is_all_that_is_stored():
    probability = np.array([1.0, 0.5, 1e-6, 0.0], dtype=np.float32)
    regions = NestedRegions.of(probability)
    assert regions.threshold(0.0) == 1.0
    assert np.array_equal(probability >= np.float32(regions.threshold(1.0)), [True, True, False, False])
