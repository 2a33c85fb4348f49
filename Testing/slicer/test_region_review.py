"""A review decides, undoes, remembers; and never touches a voxel outside of the region in question."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_predictions import CASE_ID, LABELS, write_regions, write_segmented_job

from coranet.job import Choice
from CoraNetSlicerLib.scene.region_review import RegionReview
from CoraNetSlicerLib.scene.result_loading import load_prediction
from CoraNetSlicerLib.scene.results import find_or_load_volume
from CoraNetSlicerLib.scene.reviewed_files import result_labels


@pytest.fixture
def files(tmp_path):
    job = write_segmented_job(tmp_path / "segment 1")
    write_regions(job.prediction(CASE_ID))
    return job


@pytest.fixture
def a_result(context, files):
    volume = find_or_load_volume(context, files, files.read_datalist().cases[0])
    return load_prediction(context, files.prediction(CASE_ID), volume)


@pytest.fixture
def review(context, a_result, files):
    return RegionReview(context, a_result, files.prediction(CASE_ID))


def test_a_decision_can_be_undone(review, a_result):
    before = result_labels(a_result)
    review.decide(1, Choice.RADICAL, "Ada")
    assert review.status(1) == "radical taken"
    assert (result_labels(a_result) != before).any()
    assert review.undo() == 1
    np.testing.assert_array_equal(result_labels(a_result), before)
    assert review.decision(1) is None
    assert len(LABELS) == len(review.brackets())
