from __future__ import annotations

import math

import numpy as np
import pytest

from coranet.metrics import FLAGGED_SHARES, coverage_curve, covered, detection, detection_at, error_coverage

SHAPE = (7, 9, 11)


def test_error_coverage_counts_wrong_voxels_that_are_flagged():
    truth, predicted = np.zeros(10, dtype=int), np.zeros(10, dtype=int)
    predicted[:4] = 1
    flagged = np.zeros(10, dtype=bool)
    flagged[3:8] = True
    assert error_coverage(predicted, truth, flagged) == (0.25, 0.5)
    covered, share = error_coverage(truth, truth, flagged)
    assert math.isnan(covered) and share == 0.5


def random_errors(seed: int = 0, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A score, and wrong voxels that have high ones more often."""
    random = np.random.default_rng(seed)
    score = random.random(SHAPE).astype(np.float32)
    return score, random.random(SHAPE) < 2 * share * score


def test_the_critical_success_index_is_hits_by_all_that_is_wrong_or_flagged():
    wrong, flagged = np.zeros(20, dtype=bool), np.zeros(20, dtype=bool)
    wrong[:4], flagged[3:8] = True, True
    assert detection(wrong, flagged) == {"csi": 1 / 8, "error_coverage": 1 / 4, "flagged_share": 5 / 20}
    assert detection(wrong, wrong) == {"csi": 1, "error_coverage": 1, "flagged_share": 4 / 20}
    assert detection(wrong, ~wrong)["csi"] == 0


def test_detection_where_nothing_is_wrong_or_flagged():
    nothing, something = np.zeros(5, dtype=bool), np.arange(5) < 2
    figures = detection(nothing, nothing)
    assert math.isnan(figures["csi"]) and math.isnan(figures["error_coverage"]) and figures["flagged_share"] == 0
    false_alarm = detection(nothing, something)
    assert false_alarm["csi"] == 0 and math.isnan(false_alarm["error_coverage"])
    assert detection(something, nothing) == {"csi": 0, "error_coverage": 0, "flagged_share": 0}


def top_voxels(score: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The voxels of highest score, equal ones in random order."""
    random = np.random.default_rng(seed)
    order = sorted(range(score.size), key=lambda voxel: (-score.flat[voxel], random.random()))
    flagged = np.zeros(score.size, dtype=bool)
    flagged[order[:count]] = True
    return flagged.reshape(score.shape)


@pytest.mark.parametrize("count", [0, 1, 17, 350, 693])
def test_detection_at_a_count_is_that_of_the_voxels_of_highest_score(count):
    score, wrong = random_errors()
    expected = detection(wrong, top_voxels(score, count))
    assert detection_at(score, wrong, count) == pytest.approx(expected)


def test_among_equal_scores_it_is_what_chance_gives_on_average():
    score, wrong = random_errors()
    coarse = np.round(score * 4) / 4
    drawn = [detection(wrong, top_voxels(coarse, 100, seed))["error_coverage"] for seed in range(300)]
    spread = np.std(drawn) / math.sqrt(len(drawn))
    assert detection_at(coarse, wrong, 100)["error_coverage"] == pytest.approx(np.mean(drawn), abs=4 * spread)
    assert spread > 0


def test_the_curve_is_the_coverage_of_the_voxels_of_highest_score_at_each_share():
    score, wrong = random_errors()
    expected = [
        detection(wrong, top_voxels(score, round(share * score.size)))["error_coverage"] for share in FLAGGED_SHARES
    ]
    assert coverage_curve(score, wrong) == pytest.approx(expected)


def test_the_curve_rises_to_one():
    score, wrong = random_errors()
    curve = coverage_curve(score, wrong, [0, 0.01, 0.1, 0.5, 0.9, 1])
    assert curve == sorted(curve) and (curve[0], curve[-1]) == (0, 1)


def test_the_curve_of_a_score_that_knows_all_errors_is_the_best_and_of_one_that_knows_nothing_the_share_itself():
    _, wrong = random_errors()
    assert coverage_curve(wrong.astype(np.float32), wrong, [wrong.mean()]) == [1]
    assert coverage_curve(np.zeros(SHAPE), wrong, [0.25]) == pytest.approx([round(0.25 * wrong.size) / wrong.size])


def test_the_curve_follows_the_order_of_the_scores_alone():
    score, wrong = random_errors()
    assert coverage_curve(np.exp(5 * score.astype(float)), wrong) == coverage_curve(score, wrong)


def test_without_errors_there_is_no_curve():
    score, wrong = random_errors()
    assert all(math.isnan(value) for value in coverage_curve(score, np.zeros_like(wrong)))


def test_the_curve_is_told_by_share_and_once_by_name():
    wrong, score = np.random.default_rng(1).random((2, *SHAPE))
    row = covered(score, wrong < 0.05)
    assert {float(share): caught for share, caught in row["coverage_curve"].items()} == dict(
        zip(FLAGGED_SHARES, coverage_curve(score, wrong < 0.05), strict=True)
    )
    assert row["covered_at_5_percent"] == row["coverage_curve"]["0.05"]
