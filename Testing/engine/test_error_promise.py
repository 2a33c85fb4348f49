from __future__ import annotations

import numpy as np
import pytest

from coranet.error_model.promise import (
    SHARES,
    THRESHOLDS,
    Promise,
    RiskCurve,
    expected_threshold,
    needed_cases,
    threshold_for,
)


def step_curve(at: float) -> RiskCurve:
    """A case whose deep errors all have one probability."""
    return RiskCurve((at < THRESHOLDS).astype(float), (at >= THRESHOLDS).astype(float))


def test_the_curve_of_a_case_is_counted():
    probability = np.array([0.9, 0.5, 0.2, 0.2, 0.01, 0.01])
    deep = np.array([True, True, False, True, False, True])
    curve = RiskCurve.of(probability, deep)
    for place in range(0, len(THRESHOLDS), 7):
        flagged = probability >= THRESHOLDS[place]
        assert curve.missed[place] == pytest.approx(np.mean(~flagged[deep]))
        assert curve.flagged[place] == pytest.approx(np.mean(flagged))


def test_a_case_without_deep_errors_misses_none():
    curve = RiskCurve.of(np.linspace(0, 1, 20), np.zeros(20, dtype=bool))
    assert not curve.missed.any()


def test_a_curve_counts_probabilities_of_32_bits_as_who_flags_by_the_threshold():
    probability = THRESHOLDS.astype(np.float32)
    curve = RiskCurve.of(probability, np.ones(len(probability), dtype=bool))
    flagged = [np.mean(probability >= np.float32(threshold)) for threshold in THRESHOLDS]
    np.testing.assert_allclose(curve.flagged, flagged)


@pytest.mark.parametrize(("share", "cases"), [(0.8, 4), (0.9, 9), (0.95, 19)])
def test_a_promise_needs_cases(share, cases):
    assert needed_cases(share) == cases
    curves = [step_curve(0.3)] * cases
    assert threshold_for(curves, share) is not None
    assert threshold_for(curves[1:], share) is None
    # What is expected needs but one.
    assert expected_threshold(curves[:1], share) == threshold_for(curves, share)


def test_the_threshold_is_the_largest_that_the_rule_allows():
    random = np.random.default_rng(3)
    curves = [RiskCurve.of(random.random(50), random.random(50) < 0.5) for _ in range(12)]
    threshold = threshold_for(curves, 0.8)
    risk = np.mean([curve.missed for curve in curves], axis=0)
    allowed = THRESHOLDS[(12 * risk + 1) / 13 <= 0.2 + 1e-9]
    assert threshold == allowed.max()


def test_no_curves_promise_nothing():
    promise = Promise.of([], 0.8)
    assert (promise.threshold, promise.expected, promise.used, promise.cases) == (None, None, None, 0)


def test_what_cannot_be_promised_is_expected():
    promise = Promise.of([step_curve(0.3)] * 5, 0.9)
    assert promise.threshold is None
    assert promise.used == promise.expected
    assert promise.flagged == 1.0


def cases_of_chance(count: int, seed: int) -> list[RiskCurve]:
    """Cases that differ in how many errors they have, and in how well they are seen."""
    random = np.random.default_rng(seed)
    curves = []
    for _ in range(count):
        errors, level = int(random.integers(5, 200)), random.normal(0, 1)
        odds = np.concatenate([random.normal(level, 1.5, errors), random.normal(-4, 1, 400)])
        curves.append(RiskCurve.of(1 / (1 + np.exp(-odds)), np.arange(errors + 400) < errors))
    return curves


@pytest.mark.parametrize("count", [4, 8, 60])
@pytest.mark.parametrize("share", SHARES)
def test_what_is_expected_is_held_in_the_mean_from_few_cases_too(count, share):
    curves, random = cases_of_chance(120, seed=4), np.random.default_rng(5)
    held = []
    for _ in range(200):
        order = random.permutation(len(curves))
        threshold = expected_threshold([curves[number] for number in order[:count]], share)
        place = np.searchsorted(THRESHOLDS, threshold)
        held.append(1 - np.mean([curves[number].missed[place] for number in order[count:]]))
    assert share - 0.005 <= np.mean(held) <= share + 0.05


@pytest.mark.parametrize("share", SHARES[:2])
def test_over_random_splits_the_promise_is_kept_and_not_by_far(share):
    curves, random = cases_of_chance(120, seed=1), np.random.default_rng(2)
    held = []
    for _ in range(200):
        order = random.permutation(len(curves))
        threshold = threshold_for([curves[number] for number in order[:60]], share)
        place = np.searchsorted(THRESHOLDS, threshold)
        held.append(1 - np.mean([curves[number].missed[place] for number in order[60:]]))
    assert share <= np.mean(held) <= share + 0.05
