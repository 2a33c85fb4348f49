"""A slide as review.json holds it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from test_contract_region_list import a_region

from coranet.contract import Choice, Decision, RegionList, Review, Slide
from coranet.contract.axis_order import AxisOrder
from coranet.contract.errors import DataError
from coranet.contract.slide import steps_mm, thick_slice_axis, voxel_length_mm

A_SLIDE = Slide((3.5, 4.0, 1.25), 6.0, 0.5, grows=7, shrinks=0, region=2, author="Ada", time=8.0)


@pytest.fixture
def regions() -> RegionList:
    return RegionList("a", 0.0, 0.0, 0.8, 0.0, 100.0, (a_region(1), a_region(2)))


def test_its_height_goes_with_its_radius():
    assert A_SLIDE.height_mm == 3.0


def test_the_length_of_a_voxel_is_that_of_a_cube_as_large():
    assert voxel_length_mm((1.0, 2.0, 4.0)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius_mm": 0.0}, "above 0 mm, got 0.0; correct it"),
        ({"radius_mm": math.nan}, "above 0 mm, got nan"),
        ({"level": math.inf}, "a finite level, got inf"),
        ({"level": "far"}, "the level of a slide must be a number, got 'far'"),
        ({"radius_mm": None}, "the radius_mm of a slide must be a number, got None"),
        ({"center_ijk": (0.0, math.nan, 0.0)}, "three finite numbers"),
        ({"center_ijk": (0.0, 1.0)}, "three finite numbers"),
        ({"shrinks": 7}, "two different label values, got 7 and 7; choose two classes"),
        ({"grows": -1}, "two different label values"),
    ],
)
def test_what_cannot_be_slid_is_an_error(change, message):
    with pytest.raises(DataError, match=message):
        replace(A_SLIDE, **change)


def test_it_lies_at_the_same_voxel_of_a_grid_in_another_order():
    turned = A_SLIDE.in_order(AxisOrder((2, 0, 1), (False, True, False)), (8, 9, 10))
    assert turned.center_ijk == (1.25, 8 - 1 - 3.5, 4.0)
    assert A_SLIDE.in_order(AxisOrder(), (8, 9, 10)) is A_SLIDE


def test_a_disc_stays_in_its_slice_of_a_grid_in_another_order():
    disc = replace(A_SLIDE, center_ijk=(3.5, 4.25, 1.0), slice_axis=2)
    turned = disc.in_order(AxisOrder((2, 0, 1), (False, True, False)), (8, 9, 10))
    assert turned.center_ijk == (1.0, 8 - 1 - 3.5, 4.25) and turned.slice_axis == 0


@pytest.mark.parametrize(
    ("spacing_mm", "radius_mm", "axis"),
    [
        # Three slices are 30 mm.
        ((2.5, 2.5, 10.0), 29.9, 2),
        ((2.5, 2.5, 10.0), 30.0, None),
        ((10.0, 2.5, 2.5), 12.0, 0),
        # Not more than twice as thick as the pixels are wide.
        ((0.625, 0.625, 1.25), 2.0, None),
        ((1.0, 1.0, 1.0), 2.0, None),
    ],
)
def test_where_slices_are_thick_a_small_place_is_a_disc(spacing_mm, radius_mm, axis):
    assert thick_slice_axis(spacing_mm, radius_mm) == axis


def test_the_next_slice_is_out_of_the_reach_of_a_disc():
    assert steps_mm((2.5, 2.0, 10.0), 12.0, None) == (2.5, 2.0, 10.0)
    assert steps_mm((2.5, 2.0, 10.0), 12.0, 2) == (2.5, 2.0, 24.0)
    assert replace(A_SLIDE, slice_axis=0).steps_mm((1.0, 2.0, 3.0)) == (12.0, 2.0, 3.0)


def test_a_slide_of_an_earlier_version_is_a_ball(regions, tmp_path):
    review = Review.of(regions).with_slide(A_SLIDE)
    content = review.to_dict()
    del content["slides"][0]["slice_axis"]
    assert Review.from_dict(content, regions, "review.json") == review


def test_it_comes_back_with_its_review(regions, tmp_path):
    review = Review.of(regions).with_slide(A_SLIDE).with_slide(replace(A_SLIDE, region=None))
    review.write(tmp_path / "review.json")
    assert Review.read(tmp_path / "review.json", regions) == review


def test_one_of_a_place_decides_it(regions):
    review = Review.of(regions).with_slide(A_SLIDE)
    assert review.decisions[2].choice is Choice.SLID
    assert (review.decisions[2].author, review.decisions[2].time) == ("Ada", 8.0)
    assert not review.is_complete(regions)
    assert review.with_decision(1, Choice.KEEP).is_complete(regions)


def test_another_decision_on_the_place_removes_its_slides_alone(regions):
    free = replace(A_SLIDE, region=None)
    review = Review.of(regions).with_slide(A_SLIDE).with_slide(free)
    assert review.with_decision(2, Choice.KEEP).slides == (free,)
    assert review.with_decision(1, Choice.KEEP).slides == (A_SLIDE, free)


@pytest.mark.parametrize("answer", [Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP, Choice.EDITED])
def test_the_answer_of_before_stays_with_its_time_and_the_slide_follows_it(regions, answer):
    decided = Review.of(regions).with_decision(2, answer, "Bo", 5.0)
    review = decided.with_slide(A_SLIDE)
    assert review.decisions == {2: Decision(answer, "Bo", 5.0)}
    assert review.in_order_of_time() == [(2, Decision(answer, "Bo", 5.0)), A_SLIDE]
    assert review.is_slid(2) and not decided.is_slid(2) and not review.is_slid(1)


def test_of_two_slides_without_an_answer_the_latest_decides(regions):
    review = Review.of(regions).with_slide(A_SLIDE).with_slide(replace(A_SLIDE, author="Bo", time=9.0))
    assert review.decisions == {2: Decision(Choice.SLID, "Bo", 9.0)}
