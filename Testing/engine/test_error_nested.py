from __future__ import annotations

import numpy as np
import pytest
import torch

from coranet.error_model import NestedRegions, usual_voxels
from coranet.uncertainty import rounded_down


def test_the_most_probable_voxels_are_found_by_hand():
    probability = np.array([[0.5, 0.125], [0.25, 0.125], [0.0, 1e-6]], dtype=np.float32)
    regions = NestedRegions.of(probability)
    # Equal ones come together; those that are stored as 0 never come.
    for size, voxels in [(0, 0), (0.1, 1), (1, 1), (1.5, 2), (2, 2), (3, 4), (4, 4), (99, 4)]:
        assert np.count_nonzero(probability >= np.float32(regions.threshold(size))) == voxels


def test_regions_are_those_of_a_sorted_list():
    random = np.random.default_rng(1)
    stored = rounded_down(torch.from_numpy((random.random(500) ** 3).astype(np.float32))).numpy()
    regions, ordered = NestedRegions.of(stored), np.sort(stored)[::-1]
    for voxels in (1, 17, 200, 400):
        expected = np.count_nonzero(stored >= ordered[voxels - 1])
        assert np.count_nonzero(stored >= np.float32(regions.threshold(voxels))) == expected


@pytest.mark.parametrize("probability", [np.zeros(5, np.float32), np.zeros((0, 3), np.float32), np.full(3, 1e-6)])
def test_where_nothing_is_probable_nothing_is_flagged(probability):
    assert not (probability >= NestedRegions.of(probability).threshold(2)).any()


def test_what_is_usual_is_computed_by_hand():
    labels, spacing = np.zeros((6, 7, 8), np.uint8), (2.0, 1.0, 0.5)
    labels[2:4, 2:5, 3:7] = 1
    differs = np.zeros(labels.shape, dtype=bool)
    differs[2, 2, :5] = True
    # Voxels of 1 mm3. Faces of 0.5, 1 and 2 mm2: 12, 8 and 6 on each side.
    area = 2 * (12 * 0.5 + 8 * 1.0 + 6 * 2.0)
    assert usual_voxels(differs, labels, spacing) == pytest.approx((5 * area) ** 0.5)
    assert usual_voxels(~differs, 0 * labels, spacing) == 0


def test_what_is_usual_is_a_volume_whatever_the_grid():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:6, 2:6, 2:6] = 1
    differs = np.roll(labels, 1, axis=0) != labels
    fine = [array.repeat(2, 0).repeat(2, 1).repeat(2, 2) for array in (differs, labels)]
    coarse_mm3 = 8 * usual_voxels(differs, labels, (2.0, 2.0, 2.0))
    assert usual_voxels(*fine, (1.0, 1.0, 1.0)) == pytest.approx(coarse_mm3)
