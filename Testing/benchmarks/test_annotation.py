"""What is annotated in some seconds: patches and volumes within the time, and nothing paid for twice."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
from annotation import Annotated, border, foreground_aware_box, patches, volumes
from review_visits import VIEW_S, painting_s


def a_case(wrong: bool = True) -> SimpleNamespace:
    """A cube of 4 voxels a side of 2 mm, of which the result has nothing."""
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:6, 2:6, 2:6] = 1
    segmentation = np.zeros_like(truth) if wrong else truth.copy()
    prediction, grid = SimpleNamespace(segmentation=segmentation), SimpleNamespace(spacing_mm=(2.0, 2.0, 2.0))
    return SimpleNamespace(truth=truth, written=SimpleNamespace(prediction=prediction, grid=grid))


def test_painting_takes_a_second_for_10_mm_of_boundary_in_slices_that_are_wrong():
    case = a_case()
    everywhere = np.ones(case.truth.shape, bool)
    now = case.written.prediction.segmentation.copy()
    # Four slices, in each a square of 4 x 8 mm.
    assert painting_s(case.truth, now, everywhere, (2.0, 2.0, 2.0)) == pytest.approx(4 * 32 / 10)
    now[2] = case.truth[2]
    assert painting_s(case.truth, now, everywhere, (2.0, 2.0, 2.0)) == pytest.approx(3 * 32 / 10)
    assert painting_s(case.truth, now, ~everywhere, (2.0, 2.0, 2.0)) == 0


def test_what_is_painted_is_known_and_not_paid_for_again():
    case = a_case()
    annotated = Annotated.nothing(case)
    whole = (slice(None),) * 3
    annotated.paint(case, whole)
    np.testing.assert_array_equal(annotated.labels, case.truth)
    assert annotated.known.all()
    assert annotated.seconds == pytest.approx(VIEW_S + 12.8)
    annotated.paint(case, whole)
    assert annotated.seconds == pytest.approx(2 * VIEW_S + 12.8)
    # The result itself stays as it is.
    assert not case.written.prediction.segmentation.any()


def test_volumes_and_patches_fit_into_the_time():
    cases = {name: a_case() for name in ("a", "b", "c")}
    two = volumes(cases, 2 * (VIEW_S + 12.8) + 1, 0)
    assert len(two) == 2
    assert volumes(cases, VIEW_S, 0) == {}
    painted = patches(cases, 60.0, (4, 4, 4), 0)
    assert 60 - (VIEW_S + 12.8) < sum(annotated.seconds for annotated in painted.values()) <= 60
    known = sum(int(annotated.known.sum()) for annotated in painted.values())
    acts = sum(annotated.acts for annotated in painted.values())
    assert 64 <= known <= 64 * acts
    for name, annotated in painted.items():
        np.testing.assert_array_equal(annotated.labels[annotated.known], cases[name].truth[annotated.known])


def test_a_third_of_the_patches_lies_at_the_structures():
    truth = np.zeros((1, 100, 100), np.uint8)
    truth[:, 50, 50] = 1
    random = np.random.default_rng(0)
    boxes = [foreground_aware_box(truth, (1, 3, 3), random) for _ in range(600)]
    assert all(truth[box].shape == (1, 3, 3) for box in boxes)
    assert 0.27 < np.mean([truth[box].any() for box in boxes]) < 0.4


def test_the_border_of_a_structure_is_what_has_a_face_elsewhere():
    inside = np.zeros((5, 5, 5), bool)
    inside[1:4, 1:4, 1:4] = True
    found = border(inside)
    assert found.sum() == 26
    assert not found[2, 2, 2]
    assert border(np.ones((3, 3, 3), bool)).sum() == 26
