"""Real MRML, without the application: scenes, volumes and segmentations that read like sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from job_fixtures import fake_runner
from scene_builders import (
    LIVER_COLOR,
    LIVER_MASK,
    LIVER_TERMINOLOGY,
    SHAPE_KJI,
    TUMOR_COLOR,
    TUMOR_MASK,
    add_segmentation,
    add_volume,
    rotated_ijk_to_ras,
)
from scene_fixtures import a_standalone_scene as a_standalone_scene
from scene_fixtures import cases as cases
from scene_fixtures import context as context
from scene_fixtures import impatient as impatient
from scene_fixtures import make_labeled_case as make_labeled_case
from scene_fixtures import some_cases as some_cases
from synthetic_predictions import CASE_ID, write_margins, write_regions, write_segmented_job
from training_stage import Stage

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review


@pytest.fixture
def a_volume_node(context):
    """'Patient 1': float32, anisotropic, rotated, non-cubic, seeded noise."""
    array = np.random.default_rng(7).normal(100, 20, SHAPE_KJI).astype(np.float32)
    return add_volume(context, "Patient 1", array, rotated_ijk_to_ras())


@pytest.fixture
def a_segmentation_node(context, a_volume_node):
    """'Patient 1 truth' on the volume's grid: segments 'Liver' (with terminology) and 'Tumor', not overlapping."""
    node = add_segmentation(
        context,
        "Patient 1 truth",
        a_volume_node,
        {"Liver": LIVER_MASK, "Tumor": TUMOR_MASK},
        {"Liver": LIVER_COLOR, "Tumor": TUMOR_COLOR},
    )
    node.GetSegmentation().GetNthSegment(0).SetTerminology(LIVER_TERMINOLOGY)
    return node


@pytest.fixture
def a_labeled_case(a_volume_node, a_segmentation_node):
    """A volume with its segmentation, as `train` takes them."""
    return a_volume_node, a_segmentation_node


@pytest.fixture
def a_folder_with_spaces_and_accents(tmp_path) -> Path:
    """A folder that careless path handling trips over."""
    folder = tmp_path / "Jürgen's jobs – 例"
    folder.mkdir()
    return folder


@pytest.fixture
def a_segmented_job(tmp_path):
    """A finished segmentation of one case, with its uncertain regions."""
    job = write_segmented_job(tmp_path / "segment 1")
    write_regions(job.prediction(CASE_ID))
    write_margins(job.prediction(CASE_ID))
    return job


@pytest.fixture
def its_files(a_segmented_job):
    """The files of that case."""
    return a_segmented_job.prediction(CASE_ID)


@pytest.fixture
def a_result(context, a_segmented_job, its_files):
    """The result of that case in the scene."""
    volume = find_or_load_volume(context, a_segmented_job, a_segmented_job.read_datalist().cases[0])
    return load_prediction(context, its_files, volume)


@pytest.fixture
def review(context, a_result, its_files):
    """The review of that result; nothing is decided yet."""
    return open_review(context, a_result, its_files)


@pytest.fixture
def stage_with(context, tmp_path):
    created = []

    def make(behaviour: str = "", **settings: str) -> Stage:
        created.append(Stage(context, tmp_path / "jobs", fake_runner(behaviour, **settings)))
        return created[-1]

    yield make
    for stage in created:
        stage.close()


@pytest.fixture
def stage(stage_with, some_cases):
    """A presenter whose cases can be trained on."""
    stage = stage_with()
    stage.cases.add_scene_volumes()
    return stage


@pytest.fixture
def a_scan(context):
    """Adds a volume of seeded noise: `a_scan(name)`."""

    def add(name: str, seed: int = 0, **more):
        array = np.random.default_rng([seed, *map(ord, name)]).normal(100, 20, SHAPE_KJI).astype(np.int16)
        return add_volume(context, name, array, rotated_ijk_to_ras(), **more)

    return add


@pytest.fixture
def without_vtk_messages():
    """What VTK says of a file that cannot be read is expected."""
    slicer.vtkMRMLScene.GlobalWarningDisplayOff()
    yield
    slicer.vtkMRMLScene.GlobalWarningDisplayOn()
