from __future__ import annotations

import numpy as np
import pytest

from coranet.training_set.drawn_slices import DrawnSlices, drawn_slices


def a_ball(size: int = 24, radius: float = 9.0) -> np.ndarray:
    grid = np.indices((size, size, size)) - (size - 1) / 2
    return (grid**2).sum(0) <= radius**2


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize(("step", "expected"), [(2, (9, 17)), (4, (5, 17)), (6, (3, 13))])
def test_every_few_slices_are_found_along_any_axis(axis, step, expected):
    is_drawn = np.zeros(24, bool)
    is_drawn[3::step] = True
    drawn = np.moveaxis(np.moveaxis(a_ball(), axis, 0) & is_drawn[:, None, None], 0, axis)
    assert drawn_slices(drawn) == DrawnSlices(*expected)


def test_neighbours_may_be_drawn_now_and_then():
    is_drawn = np.isin(np.arange(24), (4, 5, 9, 12, 15, 18, 20))
    assert drawn_slices(a_ball() & is_drawn[:, None, None]) == DrawnSlices(7, 17)


def test_whole_structures_and_several_ones_are_none():
    ball, two = a_ball(), np.zeros((24, 24, 24), bool)
    two[2:9, 4:20, 4:20] = two[15:22, 4:20, 4:20] = True
    # Small ones lie one above the other by chance alone.
    spots = np.zeros((24, 24, 24), bool)
    spots[4, 2:5, 2:5] = spots[9, 12:15, 3:6] = spots[13, 5:8, 18:21] = spots[20, 18:20, 18:20] = True
    forgotten = ball.copy()
    forgotten[11] = False
    for mask in (ball, two, spots, forgotten, ball[:2], np.zeros((5, 5, 5), bool)):
        assert drawn_slices(mask) is None
