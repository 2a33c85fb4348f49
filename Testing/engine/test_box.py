from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from coranet.data.box import Box, without_overlap

SHAPE = (9, 12, 15)


def mask_of(*boxes: Box) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for box in boxes:
        mask[box.slices] = 1
    return mask


def random_box(random: np.random.Generator) -> Box:
    ends = [sorted(random.choice(size + 1, 2, replace=False).tolist()) for size in SHAPE]
    return Box(*(tuple(end[side] for end in ends) for side in (0, 1)))


def test_size_and_number_of_voxels_by_hand():
    box = Box((1, 2, 3), (4, 4, 8))
    assert (box.size, box.voxels) == ((3, 2, 5), 30)
    assert mask_of(box).sum() == 30
    assert Box.whole(SHAPE).voxels == 9 * 12 * 15


def test_the_box_around_a_box_is_itself():
    random = np.random.default_rng(0)
    for _ in range(20):
        box = random_box(random)
        assert Box.around(mask_of(box)) == box


def test_there_is_no_box_around_nothing():
    assert Box.around(np.zeros(SHAPE)) is None


def test_a_box_grows_to_both_sides_as_far_as_the_scan_goes():
    assert Box((1, 4, 10), (3, 6, 14)).grown((2, 1, 3), SHAPE) == Box((0, 3, 7), (5, 7, 15))


def test_boxes_that_touch_do_not_overlap():
    first, second = Box((0, 0, 0), (3, 3, 3)), Box((3, 0, 0), (5, 3, 3))
    assert not first.overlaps(second)
    assert first.overlaps(Box((2, 2, 2), (9, 9, 9)))
    assert first.united(second) == Box((0, 0, 0), (5, 3, 3))


def test_a_chain_of_boxes_becomes_one():
    # The first two do not overlap, the third joins them, and what they become reaches the fourth.
    chain = [Box((0, 0, 0), (3, 3, 3)), Box((4, 4, 4), (6, 6, 6)), Box((2, 2, 2), (5, 5, 5)), Box((5, 0, 0), (8, 2, 2))]
    assert without_overlap(chain) == [Box((0, 0, 0), (8, 6, 6))]


def test_boxes_apart_stay_as_they_are_in_order():
    far, near = Box((6, 0, 0), (9, 4, 4)), Box((0, 0, 0), (2, 2, 2))
    assert without_overlap([far, near]) == [near, far]
    assert without_overlap([near, near]) == [near]
    assert without_overlap([]) == []


def test_merged_boxes_cover_all_and_share_nothing():
    random = np.random.default_rng(1)
    for _ in range(50):
        boxes = [random_box(random) for _ in range(random.integers(1, 6))]
        merged = without_overlap(boxes)
        assert not any(first.overlaps(second) for first, second in combinations(merged, 2))
        assert (mask_of(*merged) >= mask_of(*boxes)).all()
        assert merged == without_overlap(boxes[::-1])


def test_a_box_is_read_as_it_was_written():
    box = Box((1, 2, 3), (4, 5, 6))
    assert Box.from_lists(box.to_lists()) == box


@pytest.mark.parametrize(("start", "stop"), [((0, 0, 3), (1, 1, 3)), ((-1, 0, 0), (1, 1, 1))], ids=["empty", "outside"])
def test_a_box_holds_a_voxel_of_the_scan(start, stop):
    with pytest.raises(ValueError, match="0 <= start < stop"):
        Box(start, stop)
