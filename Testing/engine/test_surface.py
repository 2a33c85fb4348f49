from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scans import nested_ellipsoids

from coranet.metrics import SURFACE_DISTANCES, surface_distances_per_class

SHAPE = (7, 9, 12)
SPACING_KJI = (3.0, 0.5, 1.25)


def surface_oracle(mask: np.ndarray) -> list[tuple[int, ...]]:
    """Voxels of a mask with a face neighbour that is not of it."""
    found = []
    for voxel in map(tuple, np.argwhere(mask)):
        for axis, step in product(range(3), (-1, 1)):
            beside = list(voxel)
            beside[axis] += step
            outside = not 0 <= beside[axis] < mask.shape[axis]
            if outside or not mask[tuple(beside)]:
                found.append(voxel)
                break
    return found


def distances_oracle(predicted: np.ndarray, truth: np.ndarray, spacing) -> dict[str, float]:
    first, second = surface_oracle(predicted), surface_oracle(truth)

    def distance(here, far) -> float:
        return math.sqrt(sum((step * (a - b)) ** 2 for a, b, step in zip(here, far, spacing, strict=True)))

    there = [min(distance(here, far) for far in second) for here in first]
    back = [min(distance(here, far) for far in first) for here in second]
    return {
        "hausdorff_mm": max(there + back),
        "hd95_mm": max(np.percentile(there, 95), np.percentile(back, 95)),
        "assd_mm": sum(there + back) / len(there + back),
    }


def shifted_ellipsoids() -> tuple[np.ndarray, np.ndarray]:
    truth = nested_ellipsoids(SHAPE, (1, 2))
    predicted = np.roll(truth, (1, -2, 1), axis=(0, 1, 2))
    predicted[0, 0, 0] = 2
    return predicted, truth


def test_distances_are_those_between_all_pairs_of_surface_voxels():
    predicted, truth = shifted_ellipsoids()
    distances = surface_distances_per_class(predicted, truth, 3, SPACING_KJI)
    assert tuple(distances) == SURFACE_DISTANCES
    for index in (1, 2):
        expected = distances_oracle(predicted == index, truth == index, SPACING_KJI)
        assert {name: values[index - 1] for name, values in distances.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("axis", "expected"), [(0, 6.0), (1, 1.0), (2, 2.5)])
def test_two_planes_are_apart_by_the_spacing_of_their_axis(axis, expected):
    planes = [np.zeros(SHAPE, dtype=np.uint8) for _ in range(2)]
    for number, plane in enumerate(planes):
        np.moveaxis(plane, axis, 0)[1 + 2 * number] = 1
    for values in surface_distances_per_class(*planes, 2, SPACING_KJI).values():
        assert values == pytest.approx([expected])


def test_equal_segmentations_are_not_apart():
    _, truth = shifted_ellipsoids()
    for values in surface_distances_per_class(truth, truth, 3, SPACING_KJI).values():
        assert values == [0, 0]


def test_distances_do_not_care_which_is_the_truth_nor_how_the_axes_lie():
    predicted, truth = shifted_ellipsoids()
    expected = surface_distances_per_class(predicted, truth, 3, SPACING_KJI)
    swapped = surface_distances_per_class(truth, predicted, 3, SPACING_KJI)
    turned = surface_distances_per_class(predicted.T[::-1], truth.T[::-1], 3, SPACING_KJI[::-1])
    for name, values in expected.items():
        assert swapped[name] == pytest.approx(values) and turned[name] == pytest.approx(values)


def test_distances_grow_with_the_spacing():
    predicted, truth = shifted_ellipsoids()
    once = surface_distances_per_class(predicted, truth, 3, SPACING_KJI)
    twice = surface_distances_per_class(predicted, truth, 3, [2 * step for step in SPACING_KJI])
    for name, values in once.items():
        assert twice[name] == pytest.approx([2 * value for value in values])


@pytest.mark.parametrize(("in_prediction", "in_truth"), [(0, 0), (0, 1), (1, 0)])
def test_from_and_to_nothing_there_is_no_distance(in_prediction, in_truth):
    predicted, truth = (np.full(SHAPE, value, dtype=np.uint8) for value in (in_prediction, in_truth))
    for values in surface_distances_per_class(predicted, truth, 2, SPACING_KJI).values():
        assert math.isnan(values[0])
