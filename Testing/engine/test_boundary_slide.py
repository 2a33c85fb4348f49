"""A slide moves the boundary of one pair of classes inside of its ball, softly, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coranet.boundary_slide import BoundaryMargins, apply_slide, known_after, pair_at, slide_box
from coranet.contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL, Slide

SPACING = (1.0, 1.25, 2.0)


def flat_boundary(size: int, boundary: int) -> tuple[np.ndarray, BoundaryMargins]:
    """One row along i, of cubes of 1 mm: 7 below an index, 0 from there on; the doubt is the distance."""
    labels = np.zeros((1, 1, size), np.uint8)
    labels[..., :boundary] = 7
    faces_away = np.abs(np.arange(size) + 0.5 - boundary) - 0.5
    margin = (faces_away * STEPS_PER_VOXEL + STEPS_PER_VOXEL / 2).clip(0, 254).astype(np.uint8)[None, None]
    return labels, BoundaryMargins(margin, np.where(labels == 7, 0, 7).astype(np.uint8), (1.0, 1.0, 1.0))


def random_case(seed: int) -> tuple[np.ndarray, BoundaryMargins]:
    """Random labels of three classes; second classes and margins of any size."""
    random = np.random.default_rng(seed)
    shape = (9, 14, 17)
    labels = random.choice(np.array([0, 1, 7], np.uint8), size=shape)
    second = np.array([1, 7, 0, 1, 7, 0], np.uint8)[
        np.searchsorted([0, 1, 7], labels) + 3 * random.integers(0, 2, shape)
    ]
    second[second == labels] = 0
    margin = random.integers(0, 60, shape).astype(np.uint8)
    margin[random.random(shape) < 0.1] = NOT_REACHABLE
    # A voxel of background whose second class is background has none.
    margin[second == labels] = NOT_REACHABLE
    return labels, BoundaryMargins(margin, second, SPACING)


def moved(labels, margins, slide, earlier=()):
    box, new = apply_slide(labels, margins, slide, earlier)
    whole = labels.copy()
    whole[box] = new
    return whole


slides = st.builds(
    Slide,
    center_ijk=st.tuples(st.floats(-3, 20), st.floats(-3, 17), st.floats(-3, 12)),
    radius_mm=st.floats(0.5, 20),
    level=st.floats(-1.5, 1.5),
    grows=st.just(7),
    shrinks=st.sampled_from([0, 1]),
)


# The voxels behind a boundary at 10 are 0.5, 1.5, ... mm away (and half a step); the center is the face at 9.5.
@pytest.mark.parametrize(
    ("level", "radius_mm", "expected"),
    [
        # (1 - (0.5/8)^2)^2 * 0 = 0
        (0.0, 8.0, 10),
        # At 10: (1 - 0.25/64)^2 * 2 = 1.98 > 0.54; at 11: (1 - 2.25/64)^2 * 2 = 1.86 > 1.54; at 12: 1.63 < 2.54.
        (0.25, 8.0, 12),
        (-0.25, 8.0, 8),
        # At 10: 3.97, 11: 3.72, 12: (1 - 6.25/64)^2 * 4 = 3.26 > 2.54, 13: (1 - 12.25/64)^2 * 4 = 2.61 < 3.54.
        (0.5, 8.0, 13),
        # At 10: (1 - 0.25/4)^2 * 1 = 0.88 > 0.54; at 11: (1 - 2.25/4)^2 = 0.19.
        (0.5, 2.0, 11),
    ],
)
def test_a_flat_boundary_moves_as_computed_by_hand(level, radius_mm, expected):
    labels, margins = flat_boundary(20, 10)
    new = moved(labels, margins, Slide((9.5, 0.0, 0.0), radius_mm, level, 7, 0))
    np.testing.assert_array_equal(new[0, 0], np.where(np.arange(20) < expected, 7, 0))


@settings(deadline=None, max_examples=30)
@given(slide=slides, seed=st.integers(0, 3))
def test_only_the_pair_inside_the_ball_changes(slide, seed):
    labels, margins = random_case(seed)
    new = moved(labels, margins, slide)
    changed = new != labels
    k, j, i = np.indices(labels.shape)
    squared = sum(((index - at) * mm) ** 2 for index, at, mm in zip((i, j, k), slide.center_ijk, SPACING, strict=True))
    assert not changed[squared >= slide.radius_mm**2 * (1 + 1e-5)].any()
    assert not changed[margins.margin == NOT_REACHABLE].any()
    pair = {slide.grows, slide.shrinks}
    assert set(np.unique(labels[changed])) <= pair and set(np.unique(new[changed])) <= pair
    np.testing.assert_array_equal(new[changed], margins.second[changed])


@settings(deadline=None, max_examples=30)
@given(slide=slides, seed=st.integers(0, 3))
def test_level_0_changes_nothing(slide, seed):
    labels, margins = random_case(seed)
    np.testing.assert_array_equal(moved(labels, margins, replace(slide, level=0.0)), labels)


@settings(deadline=None, max_examples=30)
@given(slide=slides, more=st.floats(0, 1), seed=st.integers(0, 3))
def test_the_structure_grows_with_the_level(slide, more, seed):
    labels, margins = random_case(seed)
    small, large = (moved(labels, margins, replace(slide, level=slide.level + extra)) for extra in (0, more))
    assert not ((small == slide.grows) & (large != slide.grows)).any()


@settings(deadline=None, max_examples=30)
@given(slide=slides, seed=st.integers(0, 3))
def test_one_class_grows_as_the_other_shrinks(slide, seed):
    labels, margins = random_case(seed)
    turned = replace(slide, grows=slide.shrinks, shrinks=slide.grows, level=-slide.level)
    np.testing.assert_array_equal(moved(labels, margins, slide), moved(labels, margins, turned))


@settings(deadline=None, max_examples=30)
@given(slide=slides, share=st.floats(0, 1), seed=st.integers(0, 3))
def test_slides_add_up(slide, share, seed):
    labels, margins = random_case(seed)
    first, rest = replace(slide, level=slide.level * share), replace(slide, level=slide.level * (1 - share))
    once = moved(labels, margins, slide)
    twice = moved(moved(labels, margins, first), margins, rest, [first])
    # But for voxels on the very boundary, where rounding decides.
    assert np.count_nonzero(once != twice) <= 1


def test_a_slide_and_its_opposite_leave_the_result():
    labels, margins = random_case(0)
    there = Slide((8.0, 7.0, 4.0), 9.0, 0.8, 7, 0)
    back = replace(there, level=-0.8)
    np.testing.assert_array_equal(moved(moved(labels, margins, there), margins, back, [there]), labels)


def test_slides_of_another_pair_count_for_nothing():
    labels, margins = random_case(1)
    slide, other = Slide((8.0, 7.0, 4.0), 9.0, 0.8, 7, 0), Slide((8.0, 7.0, 4.0), 9.0, 0.5, 7, 1)
    np.testing.assert_array_equal(moved(labels, margins, slide, [other]), moved(labels, margins, slide))


def test_what_was_painted_stays_where_the_boundary_does_not_pass():
    labels, margins = flat_boundary(20, 10)
    labels[..., 15], labels[..., 10] = 7, 3
    new = moved(labels, margins, Slide((9.5, 0.0, 0.0), 8.0, 0.5, 7, 0))
    np.testing.assert_array_equal(new[0, 0, 9:17], [7, 3, 7, 7, 0, 0, 7, 0])


def test_the_contour_has_no_step():
    """From row to row of a flat boundary it moves by a voxel at most, and meets the old one at the radius."""
    labels = np.zeros((1, 41, 40), np.uint8)
    labels[..., :20] = 7
    _, row = flat_boundary(40, 20)
    margins = BoundaryMargins(*(np.repeat(array, 41, axis=1) for array in (row.margin, row.second)), row.spacing_mm)
    new = moved(labels, margins, Slide((19.5, 20.0, 0.0), 16.0, 0.4, 7, 0))
    border = (new[0] == 7).sum(1)
    assert border[20] == 25 and border[4] == border[36] == 20
    assert np.abs(np.diff(border)).max() <= 1
    np.testing.assert_array_equal(border, border[::-1])


def test_a_ball_outside_of_the_scan_has_no_voxels():
    labels, margins = flat_boundary(20, 10)
    box, new = apply_slide(labels, margins, Slide((60.0, 0.0, 0.0), 5.0, 1.0, 7, 0))
    assert new.size == 0 and labels[box].size == 0
    assert pair_at(labels, margins, (60.0, 0.0, 0.0), 5.0) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_disc_moves_the_boundary_in_its_slice_as_a_ball_does_and_nowhere_else(axis):
    labels, margins = random_case(3)
    ball = Slide((7.0, 6.0, 4.0), 6.0, -0.8, 7, 0)
    disc = replace(ball, slice_axis=axis)
    expected = labels.copy()
    there = [slice(None)] * 3
    there[2 - axis] = int(ball.center_ijk[axis])
    expected[tuple(there)] = moved(labels, margins, ball)[tuple(there)]
    assert (expected != labels).any() and (moved(labels, margins, ball) != expected).any()
    np.testing.assert_array_equal(moved(labels, margins, disc), expected)
    box, known = known_after(expected, margins, disc)
    assert known.any() and box[2 - axis] == slice(there[2 - axis], there[2 - axis] + 1)


def test_a_boundary_in_another_slice_is_none_for_a_disc():
    labels = np.zeros((5, 6, 6), np.uint8)
    labels[2] = 7
    margin = np.full(labels.shape, 6, np.uint8)
    margin[:2] = margin[3:] = NOT_REACHABLE
    margins = BoundaryMargins(margin, np.where(labels == 7, 0, 7).astype(np.uint8), (1.0, 1.0, 4.0))
    assert pair_at(labels, margins, (3.0, 3.0, 1.0), 6.0) == (7, 0)
    assert pair_at(labels, margins, (3.0, 3.0, 1.0), 6.0, 2) is None
    assert pair_at(labels, margins, (3.0, 3.0, 2.0), 6.0, 2) == (7, 0)


def test_the_box_holds_the_ball_and_little_more():
    assert slide_box(Slide((8.0, 7.5, 4.0), 3.0, 1.0, 7, 0), (9, 14, 17), SPACING) == (
        slice(3, 6), slice(6, 10), slice(5, 12),
    )  # fmt: skip


def test_known_is_what_the_boundary_passed_and_two_voxels_to_each_side():
    labels, margins = flat_boundary(30, 15)
    slide = Slide((14.5, 0.0, 0.0), 12.0, 0.2, 7, 0)
    new = moved(labels, margins, slide)
    assert int((new == 7).sum()) == 17
    box, known = known_after(new, margins, slide)
    whole = np.zeros(labels.shape, bool)
    whole[box] = known
    # The old boundary is at 15, and 13 is 1.5 mm away; the new one is at 17.
    np.testing.assert_array_equal(np.flatnonzero(whole[0, 0]), np.arange(13, 19))


def test_nothing_is_known_where_the_slide_fades_out():
    labels, margins = flat_boundary(30, 15)
    # The bump has a quarter of its height at 0.707 of the radius.
    slide = Slide((11.4, 0.0, 0.0), 4.0, 0.1, 7, 0)
    _, known = known_after(labels, margins, slide)
    assert np.count_nonzero(known) == 2


def test_the_nearest_boundary_gives_the_pair():
    labels, margins = flat_boundary(20, 10)
    assert pair_at(labels, margins, (12.0, 0.0, 0.0), 15.0) == (7, 0)
    assert pair_at(labels, margins, (6.0, 0.0, 0.0), 15.0) == (7, 0)
    assert pair_at(labels, margins, (19.0, 0.0, 0.0), 3.0) is None


@pytest.mark.parametrize(("at", "expected"), [(8.0, (7, 3)), (11.0, (3, 7))])
def test_of_two_structures_that_grows_in_which_the_point_lies(at, expected):
    labels, margins = flat_boundary(20, 10)
    labels[labels == 0] = 3
    second = np.where(labels == 7, 3, 7).astype(np.uint8)
    assert (
        pair_at(labels, BoundaryMargins(margins.margin, second, margins.spacing_mm), (at, 0.0, 0.0), 15.0) == expected
    )
