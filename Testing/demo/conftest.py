"""The demo's files are programs that import each other by name; so do their tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# Testing itself must not be on the path while slicer is imported: slicer-core imports every folder named "slicer".
_path = list(sys.path)
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE.parent]
pytest.importorskip("slicer", reason="needs the PyPI package slicer-core")
sys.path[:] = _path
for folder in (HERE.parents[1] / "CoraNetSlicer", HERE.parent / "slicer", HERE):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from synthetic_predictions import CASE_ID, write_segmented_job  # noqa: E402

from CoraNetSlicerLib.overlays import show_prediction  # noqa: E402
from CoraNetSlicerLib.scene_context import SceneContext  # noqa: E402
from CoraNetSlicerLib.scene_import import find_or_load_volume, load_prediction  # noqa: E402


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
