"""Decisions on a result count for that of an improved model, where it says the same."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scene_builders import labels_of
from synthetic_predictions import (
    CASE_ID,
    PANCREAS,
    synthetic_heads,
    write_image,
    write_margins,
    write_regions,
    write_segmented_job,
)

from coranet.contract import Choice
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import earlier_review, open_review, opening_steps

HEADS = synthetic_heads()


@pytest.fixture
def taught(review):
    """A review that was made to teach: the first region is radical, the second is as the result had it."""
    review.decide(1, Choice.RADICAL, "Ada")
    review.decide(2, Choice.KEEP, "Ada")
    review.promote()
    return review


@pytest.fixture
def improved(context, a_result, tmp_path):
    """The result of another model for the same scan; `improved(labels)`: with other label values as its result."""

    def improved(segmentation=None, name="improved"):
        heads = {**HEADS, **({"segmentation": segmentation} if segmentation is not None else {})}
        files = write_segmented_job(tmp_path / name, heads).prediction(CASE_ID)
        write_regions(files, heads)
        write_margins(files, heads)
        return load_prediction(context, files, a_result.volume), files

    return improved


def test_where_it_says_the_same_it_is_decided_the_same(context, taught, improved):
    loaded, files = improved()
    review = open_review(context, loaded, files)
    assert {number: review.status(number) for number in (1, 2, 3)} == {1: "radical", 2: "kept", 3: "open"}
    assert review.decision(1).author == "Ada"
    assert review.warnings == (
        f"2 of {len(review.regions.regions)} are decided as in the earlier review of this scan.",
    )
    np.testing.assert_array_equal(labels_of(loaded), labels_of(taught.loaded))
    assert not files.review.exists(), "nobody has decided anything here yet"


def test_it_can_be_taken_back_and_does_not_come_again(context, taught, improved):
    loaded, files = improved()
    review = open_review(context, loaded, files)
    while review.undo() is not None:
        pass
    np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])
    again = open_review(context, load_prediction(context, files, loaded.volume), files)
    assert again.review.decisions == {}


@pytest.mark.slow
def test_where_no_answer_is_right_it_stays_open(context, taught, improved):
    region = taught.regions.region(1)
    k, j, i = (slice(first, last + 1) for first, last in reversed(region.bounds_ijk))
    labels = labels_of(taught.loaded).astype(np.uint8)
    labels[k, j, i] = PANCREAS + 1
    write_image(labels, taught.files.reviewed)
    loaded, files = improved()
    assert 1 not in open_review(context, loaded, files).review.decisions


def test_what_was_not_made_to_teach_is_not_carried_over(context, review, improved):
    review.decide(1, Choice.RADICAL, "Ada")
    loaded, files = improved()
    assert earlier_review(context.scene, loaded) is None
    assert open_review(context, loaded, files).review.decisions == {}


def test_of_several_the_latest_counts(context, taught, improved):
    second, its_files = improved(name="second")
    review = open_review(context, second, its_files)
    review.promote()
    os.utime(its_files.known, (1, 1))
    third, _files = improved(name="third")
    assert earlier_review(context.scene, third).folder == taught.files.folder


def test_one_that_is_damaged_is_passed_over(context, taught, improved):
    taught.files.known.write_bytes(b"NRRD0004\n")
    loaded, files = improved()
    review = open_review(context, loaded, files)
    assert review.review.decisions == {} and review.warnings == ()


def test_a_review_that_is_given_up_leaves_the_result(context, taught, improved):
    loaded, files = improved()
    steps = opening_steps(context, loaded, files)
    while (labels_of(loaded) == HEADS["segmentation"]).all():
        next(steps)
    steps.close()
    np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])
