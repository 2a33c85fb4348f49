"""Margins of the segmentation head become a field along which a boundary can be moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scans import grid_of, nested_ellipsoids
from scipy.ndimage import distance_transform_edt

import coranet.inference.margins as margins
from coranet.boundary_slide import apply_slide
from coranet.contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL, Slide
from coranet.inference.margins import HeadMargins, slide_margins, sureness_and_second

CUBES = grid_of((40, 36, 32), spacing_mm=(1.0, 1.0, 1.0), direction=np.eye(3))


def ball(shape: tuple[int, ...], radius: float) -> np.ndarray:
    """Distance of each voxel from the border of a ball in the middle, above 0 inside."""
    position = np.indices(shape, dtype=float)
    middle = (np.array(shape) - 1) / 2
    return radius - np.sqrt(sum((position[axis] - middle[axis]) ** 2 for axis in range(3)))


@pytest.fixture
def a_ball() -> tuple[np.ndarray, HeadMargins]:
    """A ball whose logits grow with the distance from its border, twice as fast above the middle as below."""
    away = ball(CUBES.size_ijk[::-1], 8)
    slope = np.where(np.arange(away.shape[0]) > 15, 3.0, 1.0)[:, None, None]
    labels = (away > 0).astype(np.uint8) * 7
    sureness = np.minimum(np.abs(away) * slope * 16, 255).astype(np.uint8)
    return labels, HeadMargins(sureness, 7 - labels)


@pytest.mark.parametrize(
    ("logits", "sureness", "second"),
    [
        ([1.0, 0.0], 16, 1),
        ([0.0, 2.5], 40, 0),
        ([0.0, 90.0], 255, 0),
        ([0.0, 3.0, 1.0], 32, 2),
        ([2.0, 1.0, 3.0], 16, 0),
    ],
)
def test_the_head_is_as_sure_as_its_logits_are_apart(logits, sureness, second):
    sure_and_second = sureness_and_second(torch.tensor(logits).reshape(1, -1, 1, 1, 1))
    assert (sure_and_second[0].dtype, sure_and_second[0].shape) == (torch.uint8, (1, 1, 1))
    assert (int(sure_and_second[0]), int(sure_and_second[1])) == (sureness, second)


def test_what_is_nearer_in_doubt_is_reached_first(a_ball):
    labels, head = a_ball
    found = slide_margins(labels, head, CUBES)
    middle = labels.shape[1] // 2, labels.shape[2] // 2
    column = found.margin[(slice(None), *middle)].astype(int)
    above, below = column[24:31], column[7:0:-1]
    assert (np.diff(above) >= 0).all() and (np.diff(below) >= 0).all()
    assert (above > below).sum() >= 5 and not (above < below).any()


def test_the_second_class_is_the_other_one_wherever_a_slide_reaches(a_ball):
    labels, head = a_ball
    found = slide_margins(labels, head, CUBES)
    reached = found.margin != NOT_REACHABLE
    np.testing.assert_array_equal(found.second, np.where(reached, 7 - labels, 0))


def test_a_boundary_that_follows_even_doubt_moves_as_far_as_said():
    away = ball(CUBES.size_ijk[::-1], 9)
    labels = (away > 0).astype(np.uint8)
    head = HeadMargins(np.minimum(np.abs(away) * 20, 255).astype(np.uint8), 1 - labels)
    found = slide_margins(labels, head, CUBES)
    i, j, k = ((size - 1) / 2 for size in CUBES.size_ijk)
    # A bump that is nearly as high all around as in the middle.
    box, new = apply_slide(labels, found, Slide((i, j, k), 150.0, 3 / 150, 1, 0))
    radius = (3 * np.count_nonzero(new) / 4 / np.pi) ** (1 / 3)
    assert radius == pytest.approx(12, abs=0.6)


def test_it_grows_with_the_distance_where_the_head_doubts_nothing():
    labels = nested_ellipsoids(CUBES.size_ijk[::-1], (1, 7))
    head = HeadMargins.begin(labels.shape, labels.dtype)
    found = slide_margins(labels, head, CUBES)
    away = distance_transform_edt(labels == 0)
    outside = (labels == 0) & (away < 8)
    order = np.argsort(away[outside])
    margin = found.margin[outside][order].astype(float)
    assert np.corrcoef(margin, away[outside][order])[0, 1] > 0.97
    assert set(np.unique(found.second[labels == 7])) == {1}
    assert set(np.unique(found.second[outside])) == {1}


def test_what_is_too_far_is_never_reached():
    labels = np.zeros((4, 4, 60), np.uint8)
    labels[..., :5] = 1
    found = slide_margins(labels, HeadMargins.begin(labels.shape, np.uint8), grid_of((60, 4, 4), spacing_mm=(1, 1, 1)))
    far = np.arange(60) > 5 + NOT_REACHABLE / STEPS_PER_VOXEL + 2
    assert (found.margin[..., far] == NOT_REACHABLE).all() and not found.second[..., far].any()
    assert (found.margin[..., 5:20] < NOT_REACHABLE).all()


def test_a_component_that_was_removed_is_no_doubt(a_ball):
    labels, head = a_ball
    expected = slide_margins(labels, head, CUBES)
    island = (slice(2, 5),) * 3
    # The head named 7 there, so its second class is what the result says now.
    head.sureness[island], head.second[island] = 3, 0
    found = slide_margins(labels, head, CUBES)
    assert (found.margin[island].astype(int) >= expected.margin[island].astype(int) - 6).all()
    assert not (found.second[island] == labels[island])[found.margin[island] != NOT_REACHABLE].any()


@pytest.mark.parametrize("filled", [0, 7])
def test_without_a_boundary_nothing_can_be_moved(filled):
    labels = np.full((5, 6, 7), filled, np.uint8)
    found = slide_margins(labels, HeadMargins.begin(labels.shape, np.uint8), grid_of((7, 6, 5)))
    assert (found.margin == NOT_REACHABLE).all() and not found.second.any()


def test_portions_change_nothing(a_ball, monkeypatch):
    labels, head = a_ball
    whole = slide_margins(labels, head, CUBES)
    monkeypatch.setattr(margins, "_PORTION_CELLS", 1)
    by_row = slide_margins(labels, head, CUBES)
    np.testing.assert_array_equal(by_row.second, whole.second)
    np.testing.assert_array_equal(by_row.margin, whole.margin)


def test_thick_slices_are_no_cells_together():
    labels = nested_ellipsoids((9, 40, 44), (1, 7))
    grid = grid_of((44, 40, 9), spacing_mm=(1.25, 1.25, 10.0))
    found = slide_margins(labels, HeadMargins.begin(labels.shape, labels.dtype), grid)
    assert found.margin.shape == labels.shape
    beside = labels[4] == 0
    assert (found.margin[4][beside] != NOT_REACHABLE).any()
