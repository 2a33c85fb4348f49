from __future__ import annotations

import numpy as np
import pytest

from coranet.error_model import NestedRegions
from coranet.error_model.promise import RELATIVE_SIZES, SHARES, Promise, RiskCurve


def step_curve(at: float) -> RiskCurve:
    """A case whose deep errors are all found in a region of some size."""
    return RiskCurve((at > RELATIVE_SIZES).astype(float), (at <= RELATIVE_SIZES).astype(float))


def test_the_curve_of_a_case_is_counted():
    probability = np.array([0.9, 0.5, 0.2, 0.2, 0.01, 0.01], dtype=np.float32)
    deep = np.array([True, True, False, True, False, True])
    curve, regions = RiskCurve.of(probability, deep, 2.0), NestedRegions.of(probability)
    for place in range(0, len(RELATIVE_SIZES), 7):
        flagged = probability >= np.float32(regions.threshold(2.0 * RELATIVE_SIZES[place]))
        assert curve.missed[place] == pytest.approx(np.mean(~flagged[deep]))
        assert curve.flagged[place] == pytest.approx(np.mean(flagged))


def test_a_case_without_deep_errors_misses_none():
    curve = RiskCurve.of(np.linspace(0, 1, 20, dtype=np.float32), np.zeros(20, dtype=bool), 3.0)
    assert not curve.missed.any()


def test_no_curves_promise_nothing():
    promise = Promise.of([], 0.8)
    assert (promise.relative_size, promise.promised, promise.cases) == (None, None, 0)


def test_where_no_region_holds_the_share_none_is_known():
    never = RiskCurve(np.ones(len(RELATIVE_SIZES)), np.zeros(len(RELATIVE_SIZES)))
    assert Promise.of([never] * 5, 0.8).relative_size is None


def test_the_region_is_the_first_that_the_rule_of_risk_control_allows_for_what_is_promised():
    random = np.random.default_rng(3)
    curves = [RiskCurve.of(random.random(50).astype(np.float32), random.random(50) < 0.5, 10.0) for _ in range(12)]
    promise = Promise.of(curves, 0.8)
    risk = np.mean([curve.missed for curve in curves], axis=0)
    allowed = (12 * risk + 1) / 13 <= 1 - promise.promised + 1e-9
    assert promise.relative_size == RELATIVE_SIZES[allowed].min()
    assert promise.flagged == pytest.approx(np.mean([curve.flagged[allowed.argmax()] for curve in curves]))


def test_one_case_suffices_to_expect_something():
    promise = Promise.of([step_curve(0.3)], 0.9)
    assert promise.relative_size == RELATIVE_SIZES[RELATIVE_SIZES >= 0.3].min()
    assert promise.promised == pytest.approx(0.5)


def cases_of_chance(count: int, seed: int) -> list[RiskCurve]:
    """Cases that differ in how many errors they have, in how sure the network is, and in how well they are seen."""
    random = np.random.default_rng(seed)
    curves = []
    for _ in range(count):
        errors, level = int(random.integers(5, 200)), random.normal(0, 1)
        odds = np.concatenate([random.normal(level, 1.5, errors), random.normal(-4, 1, 400)]) - random.exponential(1)
        curves.append(
            RiskCurve.of((1 / (1 + np.exp(-odds))).astype(np.float32), np.arange(errors + 400) < errors, errors)
        )
    return curves


@pytest.fixture(scope="module")
def many_curves() -> list[RiskCurve]:
    return cases_of_chance(120, seed=4)


@pytest.mark.parametrize("count", [4, 8, 60])
@pytest.mark.parametrize("share", SHARES)
def test_what_is_expected_is_held_in_the_mean_from_few_cases_too(many_curves, count, share):
    curves, random, held = many_curves, np.random.default_rng(5), []
    for _ in range(80):
        order = random.permutation(len(curves))
        promise = Promise.of([curves[number] for number in order[:count]], share)
        place = np.searchsorted(RELATIVE_SIZES, promise.relative_size)
        held.append(1 - np.mean([curves[number].missed[place] for number in order[count:]]))
    # Of few cases a part of the rest is kept in reserve.
    assert share - 0.005 <= np.mean(held) <= share + (1 - share) / count + 0.01
    assert np.mean(held) >= promise.promised
