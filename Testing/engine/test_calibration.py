from __future__ import annotations

import numpy as np
import pytest

from coranet.metrics import expected_calibration_error

SHAPE = (5, 7, 11)


def random_probabilities(classes: int = 3, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((classes, *SHAPE)) ** 2
    return (values / values.sum(0)).astype(np.float32)


def error_oracle(probability: np.ndarray, is_there: np.ndarray, bins: int) -> float:
    members: dict[int, list[tuple[float, bool]]] = {}
    for value, found in zip(probability.ravel(), is_there.ravel(), strict=True):
        members.setdefault(min(int(value * bins), bins - 1), []).append((float(value), bool(found)))
    gaps = [
        len(pairs) * abs(sum(value for value, _ in pairs) / len(pairs) - sum(found for _, found in pairs) / len(pairs))
        for pairs in members.values()
    ]
    return sum(gaps) / probability.size


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_it_is_the_mean_gap_of_the_bins(bins):
    probabilities = random_probabilities()
    truth = np.random.default_rng(1).integers(0, 3, SHAPE)
    expected = [error_oracle(probabilities[index], truth == index, bins) for index in (1, 2)]
    assert expected_calibration_error(probabilities, truth, bins) == pytest.approx(expected, rel=1e-5)


def test_certainty_that_is_right_has_no_error_and_one_that_is_wrong_the_largest():
    truth = np.random.default_rng(1).integers(0, 2, SHAPE)
    right = np.stack([truth == 0, truth == 1]).astype(np.float32)
    assert expected_calibration_error(right, truth) == [0]
    assert expected_calibration_error(right[::-1], truth) == [1]


def test_probabilities_that_come_true_as_often_as_they_say_have_nearly_none():
    random = np.random.default_rng(2)
    probability = random.random((30, 30, 31)).astype(np.float32)
    truth = (random.random(probability.shape) < probability).astype(int)
    calibrated = np.stack([1 - probability, probability])
    assert expected_calibration_error(calibrated, truth)[0] < 0.02
    overconfident = np.stack([probability < 0.5, probability >= 0.5]).astype(np.float32)
    assert expected_calibration_error(overconfident, truth)[0] > 0.2
