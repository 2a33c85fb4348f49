"""Places hold what lies in their balls, once."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
from held_by_places import ball, ball_sums, held_by_balls, mean_of

CUBES = (1.0, 1.0, 1.0)


def test_a_ball_has_its_radius_and_at_least_its_neighbors():
    assert ball(CUBES).sum() == 123
    assert ball((10.0, 4.0, 4.0)).sum() == 9


def test_sums_are_those_of_the_ball_around_each_voxel():
    values = np.zeros((9, 9, 9), np.float32)
    values[4, 4, 4] = 2
    sums = ball_sums(values, ball(CUBES))
    assert sums.sum() == 246
    assert (sums[4, 4, 7], sums[4, 4, 8]) == (2, 0)


def test_the_first_balls_hold_what_lies_in_them_once():
    deep = np.zeros((24, 24, 48), bool)
    deep[12, 12, 6:9], deep[12, 12, 30] = True, True
    found = held_by_balls(deep.astype(np.float32), deep, CUBES)
    assert found == [1, 1, 1]
    blind = np.zeros(deep.shape, np.float32)
    blind[12, 12, 30] = 1
    assert held_by_balls(blind, deep, CUBES)[0] == 0.25


def test_the_mean_is_that_of_the_cases():
    assert mean_of([{"a": [0.0, 1.0]}, {"a": [0.5, 1.0]}]) == {"a": [0.25, 1.0]}
