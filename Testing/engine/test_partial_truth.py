"""Trainings whose labels are known in part, from the files to the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_jobs import call, differing, mask_labels, one_half, settings, tiny_phantoms, training_job, weights_of

from coranet.contract import Job
from coranet.contract.events import CheckpointSaved, Losses, Validation, Warned
from coranet.contract.events import to_dict as event_to_dict
from coranet.job_process.worker import work_on
from coranet.model_package import ModelPackage
from coranet.volume import read_label_map, write_volume

pytestmark = pytest.mark.slow

# Some processors get gradients of bfloat16 wrong in patches as small as these.
EXACT = {"machine__precision": "float32"}


@pytest.fixture
def partly_known(tmp_path):
    """Masks the labels of phantoms: `partly_known(mask, number, **counts)`; returns the dataset.json."""

    def make(mask: Callable[[np.ndarray], np.ndarray], number: int = 2, **counts: int) -> Path:
        dataset = tiny_phantoms(tmp_path / "scans", **counts)
        mask_labels(dataset, mask, number)
        return dataset

    return make


def everywhere(labels: np.ndarray) -> np.ndarray:
    return np.ones(labels.shape, dtype=bool)


def in_one_voxel(labels: np.ndarray) -> np.ndarray:
    known = np.zeros(labels.shape, dtype=bool)
    known[3, 4, 5] = True
    return known


def measured_events(job: Job) -> list[dict]:
    return [
        {key: value for key, value in event_to_dict(event).items() if key != "time"}
        for event in job.read_events() if isinstance(event, (Losses, Validation))
    ]  # fmt: skip


def test_partial_labels_alone_suffice_and_their_rest_is_unlabeled(partly_known, tmp_path):
    job = training_job(tmp_path / "job", partly_known(one_half, unlabeled=0), **EXACT)
    assert work_on(job, resume=False) == 0
    losses = [event for event in job.read_events() if isinstance(event, Losses)]
    assert all(event.supervised > 0 for event in losses)
    assert any(event.certain + event.uncertain > 0 for event in losses[4:])
    assert not [event for event in job.read_events() if isinstance(event, Warned) and event.code == "no_unlabeled"]
    card = ModelPackage.read(job.folder).card
    assert card["trained_on"] == {"training": 2, "validation": 1, "partial": 2}


def test_a_mask_of_ones_is_no_mask_bit_for_bit(partly_known, a_phantom_set, tmp_path):
    masked, plain = (
        training_job(tmp_path / name, dataset, **EXACT)
        for name, dataset in (("masked", partly_known(everywhere, 1)), ("plain", a_phantom_set))
    )
    for job in (masked, plain):
        assert work_on(job, resume=False) == 0
    assert list(differing(weights_of(masked), weights_of(plain))) == []
    assert measured_events(masked) == measured_events(plain)


def test_what_stands_where_nobody_has_decided_changes_nothing(partly_known, tmp_path):
    dataset = partly_known(one_half, 1)
    first, second = (training_job(tmp_path / name, dataset, **EXACT) for name in "ab")
    assert work_on(first, resume=False) == 0
    case = next(case for case in first.read_datalist().cases if case.is_partial)
    labels, known = read_label_map(case.label), read_label_map(case.known)
    other = np.where(known.voxels, labels.voxels, 1 + (labels.voxels + 1) % 2)
    write_volume(case.label, other.astype(np.uint8), labels.grid)
    assert work_on(second, resume=False) == 0
    assert list(differing(weights_of(first), weights_of(second))) == []
    assert measured_events(first) == measured_events(second)


@pytest.mark.parametrize("method", ["coranet", "advnet"])
def test_stopped_and_resumed_it_ends_as_if_it_never_was(partly_known, tmp_path, method):
    dataset = partly_known(one_half, 1)
    whole, stopped = (
        training_job(tmp_path / name, dataset, training__method=method, **EXACT) for name in ("whole", "stopped")
    )
    assert work_on(whole, resume=False) == 0

    def stop_in_self_training(event) -> None:
        if isinstance(event, CheckpointSaved) and event.step == 6:
            stopped.request_cancel()

    assert work_on(stopped, False, stop_in_self_training) == 130
    assert work_on(stopped, resume=True) == 0
    assert list(differing(weights_of(whole), weights_of(stopped))) == []
    assert measured_events(whole) == measured_events(stopped)


def test_what_the_network_cannot_see_is_said_and_left_out(partly_known, tmp_path):
    coarse = {"data__spacing_mm": "[4, 5, 6]", "data__patch_size_kji": "[4, 4, 4]"}
    job = training_job(tmp_path / "job", partly_known(in_one_voxel, 1), **coarse)
    assert work_on(job, resume=False) == 0
    (warning,) = (event for event in job.read_events() if isinstance(event, Warned) and event.code == "nothing_known")
    assert "is smaller than a voxel of the network, so the case counts as unlabeled" in warning.message
    nothing = training_job(tmp_path / "nothing", partly_known(in_one_voxel, 2), **coarse)
    assert work_on(nothing, resume=False) == 3


def test_the_command_line_takes_a_dataset_with_masks(partly_known, tmp_path):
    assert call("train", partly_known(one_half, 1), "--output", tmp_path / "job", *settings()) == 0
    assert sum(case.is_partial for case in Job.open(tmp_path / "job").read_datalist().cases) == 1
