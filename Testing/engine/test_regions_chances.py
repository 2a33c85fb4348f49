from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from region_cases import prediction_of
from scans import grid_of

from coranet.boundary_slide import BoundaryMargins
from coranet.contract.doubt import ERROR_MODEL, HEADS
from coranet.contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL
from coranet.regions.chances import chance_of_errors

ROW = grid_of((6, 1, 1), spacing_mm=(1.0, 1.0, 1.0), direction=np.eye(3))
LABELS = np.array([[[1, 1, 1, 1, 0, 0]]], np.uint8)


def prediction_with(uncertainty: list[float]):
    doubt = np.array([[uncertainty]], np.float32)
    return replace(prediction_of(LABELS, LABELS, LABELS), uncertainty=doubt)


def margins_of(voxels: list[float]) -> BoundaryMargins:
    steps = np.round(np.array([[voxels]]) * STEPS_PER_VOXEL).astype(np.uint8)
    return BoundaryMargins(steps, 1 - LABELS, ROW.spacing_mm)


def test_the_map_of_an_error_model_is_a_probability():
    prediction = prediction_with([0, 0.25, 0.5, 0.75, 1, 0])
    for margins in (None, margins_of([3, 2, 1, 0, 0, 1])):
        np.testing.assert_array_equal(chance_of_errors(prediction, ROW, ERROR_MODEL, margins), prediction.uncertainty)


@pytest.mark.parametrize("doubt", [HEADS, None])
def test_without_margins_the_map_of_the_heads_counts_by_its_fourth_power(doubt):
    prediction = prediction_with([0, 0.5, 1, 0, 0, 0])
    np.testing.assert_array_equal(chance_of_errors(prediction, ROW, doubt).ravel(), [0, 0.0625, 1, 0, 0, 0])


def test_heads_and_softmax_say_how_probable_it_is_that_a_neighbor_is_wrong_too():
    """Log-odds of an error: half of the heads', and -2 for each voxel from the boundary."""
    prediction = prediction_with([0.5] * 6)
    odds = np.log(1 / chance_of_errors(prediction, ROW, HEADS, margins_of([2, 1.5, 1, 0.5, 0.5, 1])).ravel() - 1)
    np.testing.assert_allclose(-odds, [-4, -4, -3, -2, -2, -2], atol=1e-4)


def test_where_the_heads_are_certain_nothing_is_expected():
    chance = chance_of_errors(prediction_with([0.0] * 6), ROW, HEADS, margins_of([0.5] * 6))
    assert chance.dtype == np.float32
    assert chance.max() < 0.005


def test_what_no_slide_reaches_is_not_expected_to_be_wrong():
    reached, nowhere = margins_of([0.5] * 6), margins_of([0.5] * 6)
    reached.margin[0, 0, :3], nowhere.margin[:] = NOT_REACHABLE, NOT_REACHABLE
    doubt = prediction_with([0.5] * 6)
    assert (chance_of_errors(doubt, ROW, HEADS, reached) > 0).ravel().tolist() == [False] * 3 + [True] * 3
    assert not chance_of_errors(doubt, ROW, HEADS, nowhere).any()


def test_the_result_is_not_changed():
    prediction = prediction_with([0, 0.25, 0.5, 0.75, 1, 0])
    before = prediction.uncertainty.copy()
    chance_of_errors(prediction, ROW, HEADS, margins_of([1] * 6))
    np.testing.assert_array_equal(prediction.uncertainty, before)
