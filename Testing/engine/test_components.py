from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from coranet.inference.components import (
    hang_together,
    keep_largest_components,
    large_removed_parts,
    single_component_classes,
    sure_voxels,
)

SHAPE = (7, 9, 11)


def boxes(*corners, value=1, shape=SHAPE):
    """A label map with boxes from corner to corner, both in it."""
    labels = np.zeros(shape, np.uint8)
    for (k, j, i), (k2, j2, i2) in corners:
        labels[k : k2 + 1, j : j2 + 1, i : i2 + 1] = value
    return labels


LARGE, SMALL, FAR = ((0, 0, 0), (3, 3, 3)), ((5, 5, 5), (6, 6, 6)), ((0, 7, 9), (0, 8, 10))


def test_the_largest_component_is_kept_and_islands_go_in_all_heads():
    segmentation = boxes(LARGE, SMALL)
    conservative = boxes(((1, 1, 1), (2, 2, 2)), ((5, 5, 5), (5, 5, 5)))
    radical = boxes(((0, 0, 0), (3, 4, 4)), ((5, 5, 5), (6, 7, 7)), FAR)
    keep_largest_components(segmentation, conservative, radical, (1,))
    np.testing.assert_array_equal(segmentation, boxes(LARGE))
    np.testing.assert_array_equal(conservative, boxes(((1, 1, 1), (2, 2, 2))))
    np.testing.assert_array_equal(radical, boxes(((0, 0, 0), (3, 4, 4))))


def test_corners_touch_and_other_classes_are_left_alone():
    segmentation = boxes(((0, 0, 0), (1, 1, 1)), ((2, 2, 2), (3, 3, 3)))
    segmentation[6] = 2
    segmentation[4, 0, 0] = 2
    before = segmentation.copy()
    keep_largest_components(segmentation, segmentation.copy(), segmentation.copy(), (1,))
    np.testing.assert_array_equal(segmentation, before)


def test_a_component_of_a_head_that_touches_what_is_kept_stays():
    segmentation, radical = boxes(LARGE), boxes(((0, 0, 4), (1, 1, 5)), ((0, 0, 7), (1, 1, 8)))
    keep_largest_components(segmentation, boxes(), radical, (1,))
    np.testing.assert_array_equal(radical, boxes(((0, 0, 4), (1, 1, 5))))


def test_what_the_segmentation_has_not_found_stays_in_the_other_heads():
    radical = boxes(LARGE, SMALL)
    keep_largest_components(boxes(), boxes(), radical, (1,))
    np.testing.assert_array_equal(radical, boxes(LARGE, SMALL))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_scipy_and_conservative_stays_inside_of_radical(seed):
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(12, 14, 16)), 1.2)
    radical, segmentation, conservative = ((smooth > level).astype(np.uint8) for level in (0.08, 0.12, 0.16))
    parts, count = ndimage.label(segmentation, np.ones((3, 3, 3)))
    sizes = ndimage.sum(segmentation, parts, range(1, count + 1))
    assert count > 1
    keep_largest_components(segmentation, conservative, radical, (1,))
    np.testing.assert_array_equal(segmentation, parts == 1 + np.argmax(sizes))
    assert (conservative <= segmentation).all() and (segmentation <= radical).all()


def test_a_large_second_part_is_reported_where_the_network_is_sure_of_it():
    second = ((0, 6, 6), (2, 8, 10))
    segmentation, conservative = boxes(LARGE, second, SMALL), boxes(((0, 0, 0), (3, 3, 2)), second)
    before = sure_voxels(segmentation, conservative)
    keep_largest_components(segmentation, conservative, segmentation.copy(), (1,))
    after = sure_voxels(segmentation, conservative)
    assert (before[1], after[1]) == (48 + 45, 48)
    assert large_removed_parts(before, after) == {1: 45}
    # Islands are small, or the network is not sure of them.
    assert large_removed_parts(np.array([0, 48 + 12]), after) == large_removed_parts(after, after) == {}
    assert large_removed_parts(np.array([0, 48, 0, 7]), after) == {3: 7}


def test_a_class_is_one_component_if_it_is_so_in_each_case():
    single, double, speck = boxes(LARGE), boxes(LARGE, SMALL), boxes(((0, 0, 0), (6, 8, 5)))
    speck[6, 8, 10] = 1
    assert single_component_classes([single, speck], (1,)) == (1,)
    assert single_component_classes([single, double, single], (1,)) == ()
    assert single_component_classes([single, boxes(SMALL, value=2), boxes()], (1, 2, 3)) == (1, 2)


def test_classes_hang_together_that_are_in_pieces_each():
    ring = boxes(((0, 0, 0), (2, 8, 12)))
    ring[:, :, 4:8] = 2
    assert single_component_classes([ring], (1, 2)) == (2,)
    assert hang_together([ring, boxes()])
    assert not hang_together([ring, boxes(LARGE, SMALL)]) and not hang_together([boxes()])


def test_an_island_is_not_taken_for_the_largest_component_of_a_class_that_hangs_on_others():
    # A small class beside a large one, and far away an island that is larger than the small class.
    segmentation = np.zeros((4, 12, 20), np.uint8)
    segmentation[:, 2:8, 2:8], segmentation[1:3, 3:5, 8], segmentation[:, 8:12, 14:18] = 1, 2, 2
    truth = segmentation.copy()
    truth[:, :, 14:] = 0
    alone = [segmentation.copy() for _ in range(3)]
    keep_largest_components(*alone, (1, 2))
    assert not (alone[0][:, :, 8] == 2).any()
    heads = [segmentation.copy() for _ in range(3)]
    keep_largest_components(*heads, (1, 2), together=True)
    for labels in heads:
        np.testing.assert_array_equal(labels, truth)


def test_the_component_that_has_all_structures_is_kept_though_an_island_is_larger():
    segmentation = np.zeros((4, 12, 30), np.uint8)
    segmentation[:, 2:6, 2:5], segmentation[:, 2:6, 5:8] = 1, 2
    truth = segmentation.copy()
    segmentation[:, 0:12, 14:26] = 1
    heads = [segmentation.copy() for _ in range(3)]
    keep_largest_components(*heads, (1, 2), together=True)
    for labels in heads:
        np.testing.assert_array_equal(labels, truth)


def test_an_island_that_has_grown_to_a_corner_of_the_others_goes_though_it_is_larger():
    """As where the stomach is taken for the right ventricle, and touches the heart."""
    segmentation = np.zeros((4, 16, 24), np.uint8)
    segmentation[:, 4:9, 4:9], segmentation[:, 4:9, 1:4] = 2, 1
    truth = segmentation.copy()
    segmentation[:, 9:16, 9:20] = 1  # touches the class 2 by the edges of four voxels
    alone, heads = ([segmentation.copy() for _ in range(3)] for _ in range(2))
    keep_largest_components(*alone, (1, 2))
    assert (alone[0][:, 4:9, 1:4] == 0).all()
    keep_largest_components(*heads, (1, 2), together=True)
    for labels in heads:
        np.testing.assert_array_equal(labels, truth)


def test_where_no_component_has_all_structures_the_largest_is_kept_and_nothing_stays_nothing():
    segmentation = np.zeros((4, 12, 30), np.uint8)
    segmentation[:, 2:6, 2:5], segmentation[:, 0:12, 14:26] = 1, 2
    heads = [segmentation.copy() for _ in range(3)]
    keep_largest_components(*heads, (), together=True)
    assert not heads[0][:, :, :10].any() and (heads[0][:, :, 14:26] == 2).all()
    heads = [np.zeros_like(segmentation) for _ in range(3)]
    keep_largest_components(*heads, (1, 2), together=True)
    assert not any(labels.any() for labels in heads)


def test_an_island_of_which_the_conservative_head_is_not_sure_goes_though_it_is_larger():
    segmentation = np.zeros((4, 12, 30), np.uint8)
    segmentation[:, 2:6, 2:6], segmentation[:, 0:10, 14:26] = 1, 1
    conservative, radical = segmentation.copy(), segmentation.copy()
    conservative[:, :, 15:] = 0
    keep_largest_components(segmentation, conservative, radical, (1,))
    for labels in (segmentation, conservative, radical):
        assert (labels[:, 2:6, 2:6] == 1).all() and not labels[:, :, 14:].any()
