from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch

from coranet.data.resampling import mask_at_centres, resample, resampled_size, rows_ready

SIZES = [(9, 12, 15), (4, 5, 3), (18, 6, 15), (1, 31, 7), (5, 7, 16)]


def a_volume(channels: int = 2) -> torch.Tensor:
    return torch.randn(channels, 9, 12, 15, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resampling_is_that_of_torch(size):
    volume = a_volume()
    expected = torch.nn.functional.interpolate(volume[None], size=size, mode="trilinear", align_corners=False)[0]
    torch.testing.assert_close(resample(volume, size), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_slabs_together_are_the_whole(size, rows):
    volume = a_volume()
    slabs = [resample(volume, size, range(at, min(at + rows, size[0]))) for at in range(0, size[0], rows)]
    assert torch.equal(torch.cat(slabs, dim=1), resample(volume, size))


def test_the_same_size_is_the_same_volume_bit_for_bit():
    volume = a_volume()
    assert torch.equal(resample(volume, (9, 12, 15)), volume)


def test_constants_stay_and_ramps_stay_straight():
    assert torch.equal(resample(torch.full((1, 4, 5, 6), 7.0), (9, 3, 8)), torch.full((1, 9, 3, 8), 7.0))
    ramp = torch.arange(12.0).reshape(1, 1, 12, 1).expand(1, 4, 12, 5)
    finer = resample(ramp, (4, 24, 5))[0, 0, :, 0]
    # Voxel faces align: the centres of the finer voxels lie a quarter of a voxel beside those of the coarser.
    torch.testing.assert_close(finer[1:-1], torch.arange(22) / 2 + 0.25)
    assert finer[0] == 0 and finer[-1] == 11


@pytest.mark.parametrize(
    ("size", "spacing", "target", "expected"),
    [
        ((10, 20, 30), (2.0, 1.0, 0.5), (1.0, 1.0, 1.0), (20, 20, 15)),
        ((10, 20, 30), (0.7, 0.8, 3.0), (0.7, 0.8, 3.0), (10, 20, 30)),
        ((3, 3, 3), (1.0, 1.0, 1.0), (10.0, 2.0, 0.9), (1, 2, 3)),
    ],
)
def test_resampled_grids_cover_the_same_extent(size, spacing, target, expected):
    assert resampled_size(size, spacing, target) == expected


@pytest.mark.parametrize("size", [*SIZES, (9, 12, 15), (9, 6, 5), (27, 4, 30)], ids=str)
def test_a_mask_is_asked_at_the_centres_and_a_centre_between_voxels_asks_both(size):
    mask = np.random.default_rng(1).random((9, 12, 15)) < 0.8
    sampled = mask_at_centres(mask, size)
    assert sampled.shape == size and sampled.dtype == bool
    for target in np.ndindex(*size):
        centres = [Fraction((2 * at + 1) * count, 2 * new) for at, count, new in zip(target, mask.shape, size)]  # noqa: B905
        touched = [
            [place for place in range(count) if place <= centre <= place + 1]
            for centre, count in zip(centres, mask.shape, strict=True)
        ]
        assert sampled[target] == all(mask[place] for place in product(*touched))


def test_a_mask_at_its_own_size_is_the_same_and_all_or_nothing_stays_so():
    mask = np.random.default_rng(1).random((9, 12, 15)) < 0.5
    np.testing.assert_array_equal(mask_at_centres(mask, mask.shape), mask)
    assert mask_at_centres(np.ones_like(mask), (5, 17, 8)).all()
    assert not mask_at_centres(np.zeros_like(mask), (5, 17, 8)).any()


@pytest.mark.parametrize(("whole", "count"), [(9, 9), (9, 20), (9, 4), (1, 7), (5, 6), (31, 9)])
def test_rows_that_are_ready_need_no_further_row_and_the_next_ones_none_before_the_last(whole, count):
    volume = torch.randn(2, whole, 3, 4, generator=torch.Generator().manual_seed(2))
    expected = resample(volume, (count, 6, 4))
    done = 0
    for known in range(1, whole + 1):
        ready = rows_ready(known, whole, count)
        first = max(known - 2, 0)
        if ready > done:
            rows = resample(volume[:, first:known], (count, 6, 4), range(done, ready), (first, whole))
            torch.testing.assert_close(rows, expected[:, done:ready])
        done = ready
    assert done == count
