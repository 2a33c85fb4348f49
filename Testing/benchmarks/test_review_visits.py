"""What visits repair is counted as a share of what was wrong, by visits and by seconds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
from review_visits import SLIDE_S, VIEW_S, Step, deep_voxels, repaired


def test_shares_are_those_of_what_was_wrong_at_first():
    courses = [
        [Step(0, 100, 200), Step(30, 50, 150), Step(90, 20, 100)],
        [Step(0, 0, 50), Step(30, 0, 25)],
    ]
    row = repaired(courses)
    # A case without deep errors has no share of them.
    assert row["5"] == {"seconds": 60.0, "deep": 0.8, "all": 0.5}
    assert row["60 s"] == {"deep": 0.5, "all": pytest.approx(0.375)}
    assert row["120 s"]["deep"] == 0.8


def test_deep_is_farther_from_the_boundary_than_the_tolerance():
    truth = np.zeros((1, 1, 12), np.uint8)
    truth[..., :6] = 1
    deep = deep_voxels(truth, (1.0, 1.0, 1.0), 1.5)
    # Voxels 4 to 7 are 0.5 and 1.5 mm from the boundary at 5.5.
    np.testing.assert_array_equal(np.flatnonzero(~deep), [4, 5, 6, 7])


def test_a_visit_takes_as_long_as_the_order_of_places_expects():
    from coranet.regions.places import PlaceRule

    assert PlaceRule().visit_seconds == pytest.approx(VIEW_S + SLIDE_S)
