"""Several images a case, from the datalist to the result: training, its resume, going on, segmenting, and refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scans import grid_of, nested_ellipsoids
from small_jobs import call, differing, the_only_error, training_job, weights_of

from coranet.contract import Job, ModelCard, PredictionFiles, read_datalist
from coranet.contract.errors import DataError, JobCancelled
from coranet.contract.events import CheckpointSaved, Noted, Warned
from coranet.job_process.worker import work_on
from coranet.metrics import dice_per_class
from coranet.model_package import ModelPackage
from coranet.planning.warm_start import with_labels_of
from coranet.volume import Grid, read_label_map, write_volume

T1_FLAIR = ("T1", "FLAIR")
LEARNING = {
    "network__base_filters": "6", "data__patch_size_kji": "[12, 16, 16]", "training__pretraining_steps": "60",
    "training__self_training_steps": "20", "training__labeled_batch_size": "2", "training__validation_interval": "40",
}  # fmt: skip


def organ_at(shape: tuple[int, int, int], shift: int) -> np.ndarray:
    """An ellipsoid that lies elsewhere in each case."""
    return np.roll(nested_ellipsoids(shape, (1,)), shift, axis=2)


def finer(grid: Grid) -> Grid:
    """A grid over the same extent with twice as many columns."""
    first = np.reshape(grid.direction, (3, 3))[:, 0] * grid.spacing_mm[0] / 4
    return Grid(
        (2 * grid.size_ijk[0], *grid.size_ijk[1:]), (grid.spacing_mm[0] / 2, *grid.spacing_mm[1:]),
        tuple((np.array(grid.origin_mm) - first).tolist()), grid.direction,
    )  # fmt: skip


def write_cases(folder: Path) -> Path:
    """Four labeled, two unlabeled and two test cases. T1 is noise: only FLAIR, on a finer grid, shows the organ."""
    grid = grid_of((22, 20, 14), (1.0, 1.25, 2.0))
    rows = []
    for number in range(8):
        random = np.random.default_rng(number)
        organ = organ_at((14, 20, 22), number % 4 - 2)
        volumes = {
            f"p{number}_0000": (random.normal(100, 20, organ.shape).astype(np.float32), grid),
            f"p{number}_0001": (np.repeat(100 * organ + random.normal(300, 10, organ.shape), 2, 2), finer(grid)),
            f"p{number}": (organ.astype(np.uint8), grid),
        }
        for name, (voxels, place) in volumes.items():
            write_volume(folder / f"{name}.nrrd", voxels, place)
        images = [f"p{number}_0000.nrrd", f"p{number}_0001.nrrd"]
        rows.append({"image": images, "label": f"p{number}.nrrd"})
    content = {
        "labels": {"1": "organ"}, "channels": list(T1_FLAIR), "training": rows[:3], "validation": rows[3:4],
        "unlabeled": [row["image"] for row in rows[4:6]], "test": rows[6:],
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "dataset.json"


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory) -> Path:
    """The dataset.json of `write_cases`; to be read only."""
    folder = tmp_path_factory.mktemp("zwei Kanäle")
    return write_cases(folder)


@pytest.fixture(scope="module")
def a_training(two_channels, tmp_path_factory) -> Job:
    """A training of ten steps on both channels; to be read only."""
    job = training_job(tmp_path_factory.mktemp("trained") / "job", two_channels)
    assert work_on(job, resume=False) == 0
    return job


@pytest.mark.slow
def test_the_model_knows_its_channels(a_training):
    package = ModelPackage.read(a_training.folder)
    assert package.channels == ModelCard.read(a_training.folder).channels == T1_FLAIR
    assert package.architecture.in_channels == 2
    lowest, brighter = package.preprocessing.lowest
    assert lowest < 60 and brighter > 200


@pytest.mark.slow
def test_that_images_are_resampled_is_told_once(a_training):
    events = [event for event in a_training.read_events() if isinstance(event, Noted) and event.code == "other_grids"]
    assert len(events) == 1 and "6 cases, such as 'p0', have images on different grids" in events[0].message


@pytest.mark.slow
def test_a_resumed_training_is_the_one_that_never_stopped(a_training, two_channels, tmp_path):
    job = training_job(tmp_path / "stopped", two_channels)

    def stop(event: object) -> None:
        if isinstance(event, CheckpointSaved) and event.step == 6:
            job.request_cancel()

    assert work_on(job, False, stop) == JobCancelled.exit_code
    job.withdraw_cancel()
    assert work_on(job, True) == 0
    assert not list(differing(weights_of(job), weights_of(a_training)))


def results(folder: Path, *args: object) -> dict[str, PredictionFiles]:
    assert call("segment", *args, "--output", folder, "--set", "machine.threads=1", "--set", "machine.device=cpu") == 0
    job = Job.open(folder)
    return {case.id: job.prediction(case.id) for case in job.read_datalist().cases}


@pytest.mark.slow
def test_files_folders_and_lists_are_segmented_alike(a_training, two_channels, tmp_path):
    model = ("--model", a_training.folder)
    scans = [two_channels.parent / f"p{number}_000{channel}.nrrd" for number in (6, 7) for channel in (1, 0)]
    folder = tmp_path / "scans"
    folder.mkdir()
    for path in scans:
        shutil.copy(path, folder)
    by_name = results(tmp_path / "files", *scans, *model)
    by_folder = results(tmp_path / "folder", folder, *model)
    by_list = results(tmp_path / "list", two_channels, *model)
    assert set(by_name) == set(by_folder) == {"p6", "p7"} and set(by_list) == {"p4", "p5", "p6", "p7"}
    for case in by_name:
        maps = [read_label_map(found[case].segmentation) for found in (by_name, by_folder, by_list)]
        assert not maps[0].grid.difference(read_label_map(two_channels.parent / f"{case}.nrrd").grid)
        assert all(np.array_equal(maps[0].voxels, other.voxels) for other in maps[1:])


@pytest.mark.slow
def test_a_case_without_its_second_channel_is_refused_by_name(a_training, two_channels, tmp_path, capsys):
    scan = two_channels.parent / "p6_0000.nrrd"
    assert call("segment", scan, "--model", a_training.folder, "--output", tmp_path / "out") == DataError.exit_code
    assert "case 'p6' has no FLAIR ('p6_0001.nrrd')" in the_only_error(capsys)


@pytest.mark.slow
def test_a_list_with_the_channels_in_another_order_is_refused(a_training, two_channels, tmp_path, capsys):
    content = json.loads(two_channels.read_text(encoding="utf-8"))
    other = two_channels.with_name("other.json")
    other.write_text(json.dumps({**content, "channels": ["FLAIR", "T1"]}), encoding="utf-8")
    for command in ("segment", "evaluate"):
        args = (command, other, "--model", a_training.folder, "--output", tmp_path / command)
        assert call(*args) == DataError.exit_code
        assert "has 2 channels (FLAIR and T1), the model 2 (T1 and FLAIR)" in the_only_error(capsys)


@pytest.mark.slow
def test_a_model_of_two_channels_is_evaluated(a_training, two_channels, tmp_path):
    folder = tmp_path / "scores"
    args = ("evaluate", two_channels, "--model", a_training.folder, "--output", folder, "--compare-uncertainties")
    assert call(*args, "--set", "machine.threads=1", "--set", "machine.device=cpu") == 0
    cases = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["cases"]
    assert set(cases) == {"p6", "p7"} and "augmentation" in cases["p6"]["uncertainties"]


def test_a_model_of_one_channel_refuses_two(a_trained_job, two_channels, tmp_path, capsys):
    args = ("segment", two_channels, "--model", a_trained_job.folder, "--output", tmp_path / "out")
    assert call(*args) == DataError.exit_code
    assert "has 2 channels (T1 and FLAIR), the model 1 (channel 1)" in the_only_error(capsys)


@pytest.mark.slow
def test_going_on_needs_the_channels_of_the_model(a_training, a_trained_job, two_channels, a_phantom_set):
    package = ModelPackage.read(a_training.folder)
    datalist = read_datalist(two_channels)
    assert with_labels_of(package, datalist).channels == T1_FLAIR
    assert with_labels_of(package, replace(datalist, channels=())).channels == T1_FLAIR
    assert with_labels_of(package, replace(datalist, channels=("t1", "flair"))).channels == T1_FLAIR
    one_channel = replace(read_datalist(a_phantom_set), labels=package.labels)
    for other, sentence in (
        (replace(datalist, channels=("FLAIR", "T1")), r"the datalist has 2 channels \(FLAIR and T1\), the model 2"),
        (one_channel, "has no FLAIR, it has 1 of the 2 images"),
    ):
        with pytest.raises(DataError, match=sentence):
            with_labels_of(package, other)
    assert with_labels_of(ModelPackage.read(a_trained_job.folder), read_datalist(a_phantom_set)).channels == ()


@pytest.mark.slow
def test_what_only_the_second_channel_shows_is_learned_and_their_order_matters(two_channels, tmp_path):
    job = training_job(tmp_path / "job", two_channels, **LEARNING)
    assert work_on(job, resume=False) == 0
    content = json.loads(two_channels.read_text(encoding="utf-8"))
    content["unlabeled"] = []
    right = two_channels.with_name("right.json")
    right.write_text(json.dumps(content), encoding="utf-8")
    content["test"] = [row["image"][::-1] for row in content["test"]]
    swapped = two_channels.with_name("swapped.json")
    swapped.write_text(json.dumps(content), encoding="utf-8")
    scores = []
    for datalist, case, size in ((right, "p6", 1), (swapped, "p6_0001", 2)):
        found = results(tmp_path / datalist.stem, datalist, "--model", job.folder)[case]
        truth = np.repeat(organ_at((14, 20, 22), 0), size, 2)
        scores.append(dice_per_class(read_label_map(found.segmentation).voxels, truth, 2)[0])
    assert scores[0] > 0.9 > 0.5 > scores[1]


def test_ct_and_another_image_in_each_others_place_are_told(a_random_model, tmp_path, a_cpu):
    package = a_random_model()
    recipe = replace(package.preprocessing, lowest=(-1000.0,))
    torch.manual_seed(5)
    replace(package, preprocessing=recipe).write(package.load_network(a_cpu))
    write_volume(tmp_path / "mr.nrrd", np.full((9, 12, 15), 100, dtype=np.int16), grid_of())
    results(tmp_path / "out", tmp_path / "mr.nrrd", "--model", package.folder)
    events = [event for event in Job.open(tmp_path / "out").read_events() if isinstance(event, Warned)]
    assert any("'mr' has intensities from 100" in event.message for event in events if event.code == "unlike_training")
