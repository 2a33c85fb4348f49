"""Regions are connected, not too large and, where they touch another one, not too small."""

from __future__ import annotations

import numpy as np
import pytest
from region_cases import flooded

from coranet.data.components import SparseVoxels
from coranet.regions.division import NO_REGION, Limits, divide

SHAPE = (8, 12, 14)
SPACING_KJI = (2.0, 1.25, 1.0)


def divided(pairs: np.ndarray, fewest: float = 0, most: float = 1e9) -> np.ndarray:
    """The region of each voxel of the grid; -1 where `pairs` is 0 and where it is left out."""
    mask = pairs > 0
    result = np.full(pairs.shape, NO_REGION)
    result[mask] = divide(
        SparseVoxels(np.flatnonzero(mask), pairs.shape), pairs[mask], SPACING_KJI, Limits(fewest, most)
    )
    return result


@pytest.fixture(params=range(4))
def random_pairs(request):
    random = np.random.default_rng(request.param)
    return random.integers(1, 4, SHAPE) * (random.random(SHAPE) < 0.25)


def sizes_of(region: np.ndarray) -> np.ndarray:
    return np.bincount(region[region >= 0])


def test_without_limits_a_region_is_what_hangs_together_and_has_one_pair(random_pairs):
    region = divided(random_pairs)
    found = [set(map(tuple, np.argwhere(region == number).tolist())) for number in range(region.max() + 1)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, flooded(random_pairs > 0, random_pairs)))


@pytest.mark.parametrize("fewest", [2, 5, 20])
def test_every_region_has_enough_voxels_and_what_is_left_out_touches_nothing(random_pairs, fewest):
    region = divided(random_pairs, fewest)
    assert sizes_of(region).min() >= fewest
    whole = flooded(random_pairs > 0, random_pairs, over_faces=True)
    for part in whole:
        is_in_one = {region[voxel] >= 0 for voxel in part}
        assert is_in_one == {len(part) >= fewest}


@pytest.mark.parametrize("fewest", [2, 5, 20])
def test_a_region_that_smaller_ones_were_joined_to_hangs_together(random_pairs, fewest):
    region = divided(random_pairs, fewest)
    assert len(flooded(region >= 0, region)) == region.max() + 1


@pytest.mark.parametrize("most", [4, 30, 100])
def test_no_region_has_too_many_voxels(random_pairs, most):
    region = divided(random_pairs, most=most)
    assert sizes_of(region).max() <= most
    assert np.array_equal(region >= 0, random_pairs > 0)
    assert len(flooded(region >= 0, region)) == region.max() + 1


def test_a_region_is_cut_across_its_longest_side_in_millimetres():
    pairs = np.zeros(SHAPE, int)
    pairs[0:8, 2:6, 3:12] = 1  # 16 x 5 x 9 mm, though it has more voxels along i
    region = divided(pairs, most=150)
    assert sizes_of(region).tolist() == [144, 144]
    assert len(np.unique(region[:4][pairs[:4] > 0])) == len(np.unique(region[4:][pairs[4:] > 0])) == 1


def test_pieces_that_do_not_hang_together_are_regions_of_their_own():
    pairs = np.zeros(SHAPE, int)
    pairs[3, 1:11, 1:13] = 1
    pairs[3, 4:8, 1:12] = 0  # a U: two arms joined at one end
    region = divided(pairs, most=40)
    assert len(flooded(region >= 0, region)) == region.max() + 1
    assert sizes_of(region).max() <= 40


def test_a_small_part_goes_to_its_own_pair_first():
    pairs = np.zeros(SHAPE, int)
    pairs[2, 2, 2:12] = 1
    pairs[2, 3, 2:12] = 2
    pairs[2, 4, 2:4] = 3
    region = divided(pairs, fewest=4)
    assert region[2, 4, 2] == region[2, 3, 2]
    assert len(sizes_of(region)) == 2


def test_a_small_piece_goes_back_to_its_own_pair_though_another_one_shares_more_faces():
    pairs = np.zeros(SHAPE, int)
    pairs[2, 2, 1:10] = 1  # is cut into 5 and 4 voxels
    pairs[2, 3, 1:13] = 2
    region = divided(pairs, fewest=5, most=8)
    assert len(np.unique(region[2, 2, 1:10])) == 1
    assert len(sizes_of(region)) == 3


def test_large_regions_that_touch_the_same_small_one_stay_two():
    pairs = np.zeros(SHAPE, int)
    pairs[2, 2, 1:6] = 1
    pairs[2, 2, 6] = 2
    pairs[2, 2, 7:13] = 3
    assert sizes_of(divided(pairs, fewest=3)).tolist() in ([6, 6], [5, 7])


def test_small_parts_that_touch_only_each_other_become_one():
    pairs = np.zeros(SHAPE, int)
    pairs[2, 2, 1:3], pairs[2, 2, 3:5] = 1, 2
    assert sizes_of(divided(pairs, fewest=4)).tolist() == [4]
    assert not len(sizes_of(divided(pairs, fewest=5)))


def test_the_same_voxels_give_the_same_regions(random_pairs):
    np.testing.assert_array_equal(divided(random_pairs, 5, 60), divided(random_pairs, 5, 60))


def test_of_no_voxels_there_are_no_regions():
    assert np.all(divided(np.zeros(SHAPE, int), 3, 10) == NO_REGION)
