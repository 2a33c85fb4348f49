"""Decisions change the voxels of their region, and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from region_cases import random_prediction, shell_prediction
from scans import grid_of

from coranet.boundary_slide import apply_slide, known_after
from coranet.contract import Choice, Review, Slide
from coranet.contract.errors import DataError
from coranet.inference.margins import HeadMargins, slide_margins
from coranet.regions.decisions import apply_decision, reviewed_maps, voxels_of
from coranet.regions.finding import find_regions
from coranet.regions.places import find_places

SOURCE = {Choice.CONSERVATIVE: "conservative", Choice.RADICAL: "radical", Choice.KEEP: "segmentation"}


@pytest.fixture(scope="module")
def prediction():
    return random_prediction()


@pytest.fixture(scope="module")
def found(prediction):
    return find_regions("a", prediction, grid_of(), 0.0)


def test_the_voxels_of_a_region_are_those_with_its_number(found):
    for region in found.list.regions:
        box, inside = voxels_of(region, found.region_map)
        whole = np.zeros(found.region_map.shape, bool)
        whole[box] = inside
        np.testing.assert_array_equal(whole, found.region_map == region.number)


@pytest.mark.parametrize("choice", SOURCE)
def test_inside_it_is_what_was_chosen_and_outside_as_it_was(prediction, found, choice):
    for region in found.list.regions:
        labels = np.full(found.region_map.shape, 99, np.uint8)
        apply_decision(labels, region, choice, found.region_map, prediction)
        expected = np.where(found.region_map == region.number, getattr(prediction, SOURCE[choice]), 99)
        np.testing.assert_array_equal(labels, expected)


def test_what_was_painted_stays(prediction, found):
    labels = np.full(found.region_map.shape, 99, np.uint8)
    apply_decision(labels, found.list.region(1), Choice.EDITED, found.region_map, prediction)
    assert np.all(labels == 99)


def test_a_decision_can_be_taken_back(prediction, found):
    labels = prediction.segmentation.copy()
    apply_decision(labels, found.list.region(1), Choice.RADICAL, found.region_map, prediction)
    apply_decision(labels, found.list.region(1), Choice.KEEP, found.region_map, prediction)
    np.testing.assert_array_equal(labels, prediction.segmentation)


def test_a_review_gives_labels_and_where_they_are_truth(prediction, found):
    painted = np.full(found.region_map.shape, 5, np.uint16)
    review = Review.of(found.list)
    for number, choice in ((1, Choice.RADICAL), (2, Choice.CONSERVATIVE), (3, Choice.EDITED), (4, Choice.KEEP)):
        review = review.with_decision(number, choice)
    labels, known = reviewed_maps(prediction, found.list, found.region_map, review, painted.astype(np.uint8))
    expected = prediction.segmentation.copy()
    for number, source in ((1, prediction.radical), (2, prediction.conservative), (3, painted)):
        expected[found.region_map == number] = source[found.region_map == number]
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(known, np.isin(found.region_map, (1, 2, 3, 4)))
    assert labels.dtype == np.uint8 == known.dtype


def test_the_certain_region_is_truth_if_the_person_says_so(prediction, found):
    review = replace(Review.of(found.list).with_decision(1, Choice.KEEP), trusts_certain=True)
    uncertain = prediction.uncertain.copy()
    uncertain[:3] = 1  # with several classes more than where the heads differ
    _, known = reviewed_maps(replace(prediction, uncertain=uncertain), found.list, found.region_map, review)
    certain = (prediction.conservative == prediction.radical) & (uncertain == 0)
    np.testing.assert_array_equal(known, certain | (found.region_map == 1))


def test_a_decision_on_a_region_that_is_not_there_is_an_error(prediction, found):
    review = Review.of(found.list).with_decision(9999, Choice.KEEP)
    with pytest.raises(DataError, match="not 9999; choose one of them"):
        reviewed_maps(prediction, found.list, found.region_map, review)


@pytest.fixture(scope="module")
def case():
    """A result, its places, and its margins."""
    grid = grid_of((24, 20, 16), spacing_mm=(1.0, 1.0, 1.0))
    prediction = shell_prediction(grid)
    head = HeadMargins.begin(prediction.segmentation.shape, np.uint8)
    margins = slide_margins(prediction.segmentation, head, grid)
    return prediction, find_places("a", prediction, grid, 0.0), margins


class TestSlides:
    """Boundaries that were moved, at places and anywhere."""

    def slide_at(self, found, number: int | None, level: float) -> Slide:
        place = found.list.region(number or 1)
        i, j, k = map(float, place.center_ijk)
        return Slide((i, j, k), 5.0, level, place.label_values[-1], 0, number)

    def test_a_place_that_was_slid_is_the_result_with_its_slides(self, case):
        prediction, found, margins = case
        slides = [self.slide_at(found, 1, level) for level in (0.5, 0.25)]
        review = Review.of(found.list).with_slide(slides[0]).with_slide(slides[1])
        labels, known = reviewed_maps(prediction, found.list, found.region_map, review, None, margins)
        expected = prediction.segmentation.copy()
        for count, slide in enumerate(slides):
            box, moved = apply_slide(expected, margins, slide, slides[:count])
            expected[box] = moved
        np.testing.assert_array_equal(labels, expected)
        assert (labels != prediction.segmentation).any()
        assert known[found.region_map == 1].all()
        assert known[labels != prediction.segmentation].mean() > 0.5

    def test_a_slide_anywhere_decides_no_place(self, case):
        prediction, found, margins = case
        review = Review.of(found.list).with_slide(self.slide_at(found, None, -0.5))
        labels, known = reviewed_maps(prediction, found.list, found.region_map, review, None, margins)
        assert not review.decisions and (labels != prediction.segmentation).any()
        assert known.any() and not known[found.region_map == 1].all()

    @pytest.mark.parametrize(
        ("decided_at", "slid_at", "last"),
        [
            (1.0, 2.0, "slide"),
            (2.0, 1.0, "decision"),
            # At one time decisions come first; what has no time came before all that has one.
            (1.0, 1.0, "slide"),
            (0.0, 0.0, "slide"),
            (1.0, 0.0, "decision"),
            (0.0, 1.0, "slide"),
        ],
    )
    def test_what_was_done_later_holds(self, case, decided_at, slid_at, last):
        prediction, found, margins = case
        place = found.region_map == 1
        slide = replace(self.slide_at(found, None, -0.5), center_ijk=self.slide_at(found, 1, 0).center_ijk)
        review = Review.of(found.list).with_decision(1, Choice.RADICAL, at=decided_at)
        review = review.with_slide(replace(slide, time=slid_at))
        labels, known = reviewed_maps(prediction, found.list, found.region_map, review, None, margins)
        expected = prediction.segmentation.copy()
        for act in ("slide", "decision") if last == "decision" else ("decision", "slide"):
            if act == "slide":
                box, moved = apply_slide(expected, margins, slide)
                expected[box] = moved
            else:
                expected[place] = prediction.radical[place]
        np.testing.assert_array_equal(labels, expected)
        assert (labels[place] == prediction.radical[place]).all() == (last == "decision")
        box, near = known_after(labels, margins, slide)
        truth = place.copy()
        truth[box] |= near
        np.testing.assert_array_equal(known, truth)

    def test_that_a_place_was_slid_takes_no_slide_back(self, case):
        prediction, found, margins = case
        first, second = (replace(self.slide_at(found, 1, level), time=at) for level, at in ((0.5, 1.0), (0.25, 2.0)))
        review = Review.of(found.list).with_slide(first).with_slide(second)
        timeless = replace(review, slides=tuple(replace(slide, time=0.0) for slide in review.slides))
        maps = [
            reviewed_maps(prediction, found.list, found.region_map, tried, None, margins)
            for tried in (review, timeless)
        ]
        np.testing.assert_array_equal(maps[0][0], maps[1][0])

    def test_without_margins_slides_are_an_error(self, case):
        prediction, found, _ = case
        review = Review.of(found.list).with_slide(self.slide_at(found, 1, 0.5))
        with pytest.raises(DataError, match="'a' were moved, but it has no margins; segment the case again"):
            reviewed_maps(prediction, found.list, found.region_map, review)
