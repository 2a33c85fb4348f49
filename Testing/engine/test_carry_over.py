"""Decisions are carried over to another result where the truth is known and an answer says it."""

from __future__ import annotations

import numpy as np
import pytest
from region_cases import prediction_of, shell_prediction
from scans import grid_of

from coranet.contract import Choice, Decision, Review
from coranet.regions.carry_over import ANSWERS, EarlierReview, carried_over
from coranet.regions.decisions import reviewed_maps
from coranet.regions.places import find_places

GRID = grid_of((24, 20, 16))


@pytest.fixture(scope="module")
def prediction():
    return shell_prediction(GRID)


@pytest.fixture(scope="module")
def found(prediction):
    return find_places("a", prediction, GRID, 0.0)


def answers_of(prediction):
    maps = prediction.segmentation, prediction.conservative, prediction.radical
    return dict(zip(ANSWERS, maps, strict=True))


@pytest.mark.parametrize("choice", ANSWERS)
def test_on_the_same_result_each_decision_comes_back(prediction, found, choice):
    review = Review.of(found.list)
    for region in found.list.regions[:3]:
        review = review.with_decision(region.number, choice)
    labels, known = reviewed_maps(prediction, found.list, found.region_map, review)
    earlier = EarlierReview(labels, known, "Ada", 7.0)
    decided = carried_over(found.list, found.region_map, answers_of(prediction), earlier)
    assert set(decided) == {1, 2, 3}
    for number, decision in decided.items():
        inside = found.region_map == number
        taken = answers_of(prediction)[decision.choice][inside]
        np.testing.assert_array_equal(taken, labels[inside])
        assert (decision.author, decision.time) == ("Ada", 7.0)


def test_an_improved_result_that_says_the_truth_is_kept(prediction, found):
    review = Review.of(found.list).with_decision(1, Choice.RADICAL)
    labels, known = reviewed_maps(prediction, found.list, found.region_map, review)
    better = prediction_of(labels, prediction.conservative, prediction.radical, prediction.uncertainty)
    decided = carried_over(found.list, found.region_map, answers_of(better), EarlierReview(labels, known))
    assert decided == {1: Decision(Choice.KEEP)}


def test_a_place_that_nobody_has_looked_at_stays_open(prediction, found):
    known = np.zeros(prediction.segmentation.shape, np.uint8)
    inside = np.argwhere(found.region_map == 1)
    known[tuple(inside[: len(inside) // 2].T)] = 1
    earlier = EarlierReview(prediction.segmentation, known)
    assert carried_over(found.list, found.region_map, answers_of(prediction), earlier) == {}


def test_a_place_whose_truth_is_no_answer_stays_open(prediction, found):
    known = np.ones(prediction.segmentation.shape, np.uint8)
    painted = np.full(prediction.segmentation.shape, 9, np.uint8)
    assert carried_over(found.list, found.region_map, answers_of(prediction), EarlierReview(painted, known)) == {}
