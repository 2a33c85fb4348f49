from __future__ import annotations

import numpy as np
import pytest

from coranet.coarse.boxes import MOST_BOXES, boxes_around, looked_at, margin_voxels, missed_mm, outside_of, parts_of
from coranet.data.box import Box

SHAPE = (12, 16, 20)
SPACING_DHW = (2.0, 1.25, 1.0)


def mask_of(*boxes: Box) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    for box in boxes:
        mask[box.slices] = True
    return mask


LARGE, SMALL = Box((1, 1, 1), (5, 6, 7)), Box((8, 12, 15), (10, 14, 17))


def test_parts_come_with_their_boxes_and_volumes_the_largest_first():
    parts = parts_of(mask_of(SMALL, LARGE), SPACING_DHW)
    assert [part.box for part in parts] == [LARGE, SMALL]
    assert [part.mm3 for part in parts] == [4 * 5 * 6 * 2.5, 2 * 2 * 2 * 2.5]


def test_parts_that_touch_by_a_corner_are_one():
    parts = parts_of(mask_of(Box((0, 0, 0), (2, 2, 2)), Box((2, 2, 2), (4, 4, 4))), SPACING_DHW)
    assert [part.box for part in parts] == [Box((0, 0, 0), (4, 4, 4))]


def test_an_empty_mask_has_no_part_and_no_box():
    assert parts_of(np.zeros(SHAPE), SPACING_DHW) == []
    assert boxes_around([], 0.0, (1, 1, 1), SHAPE) == []


def test_separate_parts_have_boxes_of_their_own_specks_have_none():
    parts = parts_of(mask_of(LARGE, SMALL, Box((11, 0, 19), (12, 1, 20))), SPACING_DHW)
    assert boxes_around(parts, 10.0, (1, 1, 2), SHAPE) == [Box((0, 0, 0), (6, 7, 9)), Box((7, 11, 13), (11, 15, 19))]


def test_boxes_whose_margins_meet_are_one():
    parts = parts_of(mask_of(LARGE, SMALL), SPACING_DHW)
    assert boxes_around(parts, 0.0, (2, 4, 5), SHAPE) == [Box((0, 0, 0), (12, 16, 20))]


@pytest.mark.parametrize("count", [MOST_BOXES, MOST_BOXES + 1, 5 * MOST_BOXES**2])
def test_more_boxes_than_a_few_are_one_around_all(count):
    mask = np.zeros((1, 1, 4 * count), dtype=bool)
    mask[..., ::4] = True
    boxes = boxes_around(parts_of(mask, (1, 1, 1)), 0.0, (0, 0, 0), mask.shape)
    expected = count if count == MOST_BOXES else 1
    assert len(boxes) == expected
    assert not outside_of(mask, boxes).any()


def test_a_margin_in_voxels_follows_the_spacing_and_is_never_less():
    assert margin_voxels((10.0, 10.0, 16.0), SPACING_DHW) == (8, 8, 10)
    assert margin_voxels((0.1, 0.0, 2.0), SPACING_DHW) == (1, 0, 1)


def test_how_much_is_looked_at():
    assert looked_at([LARGE, SMALL], SHAPE) == pytest.approx((120 + 8) / (12 * 16 * 20))
    assert looked_at([], SHAPE) == 1


def test_what_is_missed_is_told_along_each_axis():
    # The mask reaches 1, 2 and 3 voxels beyond the box at one side of each axis.
    mask = mask_of(Box((3, 4, 5), (9, 10, 11)))
    assert missed_mm(mask, [Box((4, 6, 8), (9, 10, 11))], SPACING_DHW) == (2.0, 2.5, 3.0)
    assert missed_mm(mask, [Box((3, 4, 5), (8, 8, 8))], SPACING_DHW) == (2.0, 2.5, 3.0)
    assert missed_mm(mask, [Box.whole(SHAPE)], SPACING_DHW) == (0.0, 0.0, 0.0)


def test_what_is_missed_counts_to_the_nearest_box():
    mask = mask_of(LARGE, SMALL)
    nearly = Box((1, 1, 2), (5, 6, 7))
    assert missed_mm(mask, [nearly, SMALL], SPACING_DHW) == (0.0, 0.0, 1.0)


def test_boxes_that_grow_by_what_they_miss_hold_everything():
    random = np.random.default_rng(0)
    for _ in range(20):
        mask = random.random(SHAPE) < 0.01
        start = random.integers(0, 6, 3)
        box = Box(tuple(start.tolist()), tuple((start + random.integers(1, 6, 3)).tolist()))
        missed = missed_mm(mask, [box], SPACING_DHW)
        margin = [round(gap / step) for gap, step in zip(missed, SPACING_DHW, strict=True)]
        assert not outside_of(mask, [box.grown(margin, SHAPE)]).any()
