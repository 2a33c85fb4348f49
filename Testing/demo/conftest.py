"""The demo's files are programs that import each other by name; so do their tests."""

from __future__ import annotations

import pytest
from synthetic_predictions import CASE_ID, write_segmented_job

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.review.looks import show_prediction
from CoraNetSlicerLib.review.result_loading import load_prediction


@pytest.fixture
def context() -> SceneContext:
    """An empty scene with its logics."""
    return SceneContext.standalone()


@pytest.fixture
def loaded(context, tmp_path):
    """A synthetic prediction with known voxels, loaded and shown."""
    job = write_segmented_job(tmp_path / "job")
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    prediction = load_prediction(context, job.prediction(CASE_ID), volume)
    show_prediction(context, prediction)
    return prediction
