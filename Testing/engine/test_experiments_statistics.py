from __future__ import annotations

import itertools

import numpy as np
import pytest

from coranet_experiments.statistics import distance_closed, mean, paired_difference, spread


def test_what_is_not_known_is_left_out():
    assert mean([1.0, None, 3.0]) == 2
    assert spread([1.0, None, 3.0]) == pytest.approx(2**0.5)
    assert mean([None]) is None and mean([]) is None
    assert spread([1.0, None]) is None


def test_a_difference_is_paired_by_case_and_seed():
    own = {("a", 0): 0.9, ("a", 1): 0.8, ("b", 0): 0.5, ("c", 0): 0.1, ("d", 0): None}
    other = {("a", 0): 0.7, ("a", 1): 0.7, ("b", 0): 0.6, ("d", 0): 0.3, ("e", 0): 0.3}
    # a: mean of 0.2 and 0.1; b: -0.1; the others have no partner.
    difference = paired_difference(own, other)
    assert difference.mean == pytest.approx((0.15 - 0.1) / 2)
    assert (difference.low, difference.high) == (pytest.approx(-0.1), pytest.approx(0.15))


def test_the_interval_is_that_of_all_resamples():
    values = [0.01, 0.02, 0.05, -0.01]
    everyone = [np.mean(drawn) for drawn in itertools.product(values, repeat=4)]
    low, high = np.percentile(everyone, (2.5, 97.5))
    difference = paired_difference({(str(i), 0): v for i, v in enumerate(values)}, {(str(i), 0): 0.0 for i in range(4)})
    assert difference.low == pytest.approx(low, abs=0.003) and difference.high == pytest.approx(high, abs=0.003)


def test_the_interval_is_always_the_same_and_turns_round_with_the_methods():
    rng = np.random.default_rng(0)
    first, second = ({(str(case), 0): float(rng.random()) for case in range(9)} for _ in range(2))
    there, back = paired_difference(first, second), paired_difference(second, first)
    assert there == paired_difference(first, second)
    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high, abs=0.01)
    same = paired_difference(first, first)
    assert tuple(same) == (0, 0, 0)


def test_a_single_case_has_no_interval_and_no_case_no_difference():
    assert paired_difference({("a", 0): 1.0}, {("a", 0): 0.25}) == (0.75, None, None)
    assert paired_difference({("a", 0): 1.0}, {("a", 1): 0.25}) is None


@pytest.mark.parametrize(
    ("value", "lower", "upper", "closed"),
    [(0.8, 0.8, 0.9, 0), (0.9, 0.8, 0.9, 1), (0.85, 0.8, 0.9, 0.5), (0.7, 0.8, 0.9, -1), (0.8, 0.9, 0.9, None),
     (None, 0.8, 0.9, None), (0.8, None, 0.9, None), (0.8, 0.8, None, None)],
)  # fmt: skip
def test_the_distance_between_the_bounds(value, lower, upper, closed):
    assert distance_closed(value, lower, upper) == (None if closed is None else pytest.approx(closed))
