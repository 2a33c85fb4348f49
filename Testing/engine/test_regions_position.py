"""Where a place is, in words, whatever the axes of the scan."""

from __future__ import annotations

import numpy as np
import pytest
from scans import grid_of, tilted

from coranet.regions.position import where_in

BOUNDS = ((10, 40), (10, 40), (10, 40))


@pytest.mark.parametrize(
    ("center_ijk", "text"),
    [
        # Along i to the patient's left, along j to the back, along k up.
        ((12, 25, 38), "upper right"),
        ((38, 39, 38), "upper left, back"),
        ((25, 11, 25), "front"),
        ((25, 25, 10), "lower"),
        ((38, 25, 25), "left"),
        ((25, 25, 25), "in the middle"),
        ((45, 2, 9), "lower left, front"),
    ],
)
@pytest.mark.parametrize("turn", [lambda axes: axes, tilted], ids=["straight", "tilted"])
def test_thirds_of_the_box_have_words(center_ijk, text, turn):
    assert where_in(BOUNDS, center_ijk, grid_of((50, 50, 50), direction=turn(np.eye(3)))) == text


def test_axes_that_run_the_other_way_or_change_places_give_the_same_words():
    # i runs down, j to the right, k to the front.
    direction = np.array([[0, -1, 0], [0, 0, -1], [-1, 0, 0]], float)
    assert where_in(BOUNDS, (11, 12, 11), grid_of((50, 50, 50), direction=direction)) == "upper left, back"


def test_a_flat_structure_has_no_side_across():
    assert where_in(((10, 40), (10, 40), (7, 7)), (12, 25, 7), grid_of((50, 50, 50), direction=np.eye(3))) == "right"
