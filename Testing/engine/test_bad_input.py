"""Bad input gets one clear sentence that names the file and says what to do; nothing written before is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from corrupt_images import (
    break_the_datalist,
    cut_a_label_smaller,
    cut_an_image_short,
    empty_all_labels,
    fill_an_image_with_garbage,
    give_the_image_as_label,
    give_two_labels_one_name,
    leave_no_label_names,
    leave_no_labeled_case,
    list_an_image_twice,
    name_only_the_background,
    put_nan_into_an_image,
    remove_a_label,
    remove_an_image,
    remove_an_unlabeled_image,
    remove_the_datalist,
    shift_a_label,
    use_a_label_value_that_does_not_fit,
    use_a_negative_label_value,
    use_an_unknown_label_value,
    write_datalist,
)
from small_jobs import call, errors_in, run_engine, settings, the_only_error, training_job

from coranet.contract import Job, JobStatus, ProcessIdentity
from coranet.contract.events import Failed
from coranet.tensors import load_tensors
from coranet.volume import Grid, write_volume


@pytest.fixture
def scans(a_phantom_set, awkward_path) -> Path:
    """A copy of the phantom set that a test may spoil; its folder."""
    return shutil.copytree(a_phantom_set.parent, awkward_path / "scans")


# What is done to the scans, and words that must be said.
CORRUPTED = [
    (remove_an_image, "does not exist; correct the path"),
    (remove_a_label, "does not exist; correct the path"),
    (remove_an_unlabeled_image, "does not exist; correct the path"),
    (fill_an_image_with_garbage, "cannot be read as an image"),
    (cut_an_image_short, "voxels are missing at its end"),
    (shift_a_label, "or resample it to the image's grid"),
    (cut_a_label_smaller, "or resample it to the image's grid"),
    (use_an_unknown_label_value, "label value 9, the datalist names [1, 2]; add its name to 'labels'"),
    (empty_all_labels, "the labels of all 2 labeled cases are empty: none of the values [1, 2] occurs"),
    (give_the_image_as_label, "is not a label map"),
    (put_nan_into_an_image, "1 voxels that are not numbers"),
    (leave_no_labeled_case, "has no labeled case; add at least one"),
    (leave_no_label_names, "needs 'labels'"),
    (name_only_the_background, "needs 'labels'"),
    (give_two_labels_one_name, "label names must be unique, got 'organ' twice"),
    (use_a_negative_label_value, "whole number"),
    (use_a_label_value_that_does_not_fit, "from 1 to 65535, got 70000 for 'lesion'"),
    (break_the_datalist, "cannot be read as JSON"),
    (remove_the_datalist, "does not exist; correct the path"),
    (list_an_image_twice, "twice"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "message"), CORRUPTED, ids=lambda value: getattr(value, "__name__", ""))
def test_bad_input_of_a_training_is_told_in_one_sentence(scans, capsys, spoil, message):
    named = spoil(scans)
    job = scans.parent / "job"
    refusing = settings(data__unusable_unlabeled="refuse")
    assert call("train", scans / "dataset.json", "--output", job, *refusing) == 3
    error = the_only_error(capsys)
    assert named in error and message in error
    if Job.exists(job):
        events = Job.open(job).read_events()
        assert isinstance(events[-1], Failed) and f"error: {events[-1].message}" == error
        assert "Traceback" in Job.open(job).log_path.read_text(encoding="utf-8")
        assert not Job.open(job).model_folder.exists()


@pytest.mark.slow
def test_a_process_says_no_more_than_the_sentence(scans):
    fill_an_image_with_garbage(scans)
    answer = run_engine("train", scans / "dataset.json", "--output", scans.parent / "job", *settings())
    assert answer.returncode == 3
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == errors_in(answer.stderr)
    assert len(errors_in(answer.stderr)) == 1 and "case001.nrrd" in answer.stderr


@pytest.mark.slow
def test_the_mended_input_is_trained_by_resuming(scans, capsys):
    path = scans / "images" / "case003.nrrd"
    whole = path.read_bytes()
    cut_an_image_short(scans)
    job = scans.parent / "job"
    refusing = settings(data__unusable_unlabeled="refuse")
    assert call("train", scans / "dataset.json", "--output", job, *refusing) == 3
    path.write_bytes(whole)
    assert call("train", scans / "dataset.json", "--output", job, "--resume") == 0
    assert (Job.open(job).model_folder / "model.json").exists()


# -- settings, jobs, models --


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--preset", "quik"], "there is no preset 'quik'; did you mean 'quick'?"),
        (["--set", "training.learning_rat=1"], "did you mean 'training.learning_rate'?"),
        (["--set", "training.learning_rate=fast"], "'learning_rate' must be a number, got 'fast'"),
        (["--set", "training.learning_rate=NaN"], "'learning_rate' must be"),
        (["--set", "seed"], "--set expects key=value, got 'seed'"),
        (["--set", "data.validation_cases=2"], "leave none of the 2 labeled cases"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_anything_is_written(scans, capsys, args, message):
    write_datalist(scans, validation=[])
    assert call("train", scans / "dataset.json", "--output", scans.parent / "job", *args) in (2, 3)
    assert message in the_only_error(capsys)
    assert not (scans.parent / "job").exists()


def test_a_device_that_is_not_there_is_told(scans, capsys):
    args = settings(machine__device="mps")
    assert call("train", scans / "dataset.json", "--output", scans.parent / "job", *args) == 6
    assert "the device 'mps' is not available, found " in the_only_error(capsys)


def test_a_folder_that_holds_a_job_is_not_overwritten(a_trained_job, a_phantom_set, capsys):
    before = (a_trained_job.model_folder / "weights.pt").read_bytes()
    assert call("train", a_phantom_set, "--output", a_trained_job.folder, *settings()) == 5
    assert str(a_trained_job.folder) in the_only_error(capsys)
    assert (a_trained_job.model_folder / "weights.pt").read_bytes() == before


def test_a_trained_job_is_not_trained_anew_without_being_asked(a_trained_job, tmp_path, capsys):
    copy = Job.open(shutil.copytree(a_trained_job.folder, tmp_path / "copy"))
    assert call("run", copy.folder) == 5
    assert str(copy.folder) in copy.read_events()[-1].message
    assert "add --resume to continue, or choose a new folder" in copy.read_events()[-1].message
    assert load_tensors(copy.last_checkpoint_path)["step"] == 10


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_an_image_in_place_of_a_list_is_called_an_image(a_phantom_set, a_trained_job, tmp_path, capsys, command):
    image = next(iter((a_phantom_set.parent / "images").iterdir()))
    model = ["--model", a_trained_job.folder] if command == "evaluate" else []
    assert call(command, image, *model, "--output", tmp_path / "job") == 3
    assert f"'{image}' is an image, expected a dataset.json; choose that, or a folder" in the_only_error(capsys)


def test_a_job_that_another_process_works_on_is_left_alone(a_phantom_set, tmp_path, another_process, capsys):
    from coranet.contract.process import start_time

    job = training_job(tmp_path / "job", a_phantom_set)
    me = ProcessIdentity.of_this_process()
    job.beat(ProcessIdentity(another_process.pid, me.host, start_time(another_process.pid)))
    job.request_cancel()
    assert call("train", a_phantom_set, "--output", job.folder, "--resume") == 5
    assert f"'{job.folder}' is in use by process {another_process.pid}" in the_only_error(capsys)
    assert job.read_events() == []
    assert job.status() is JobStatus.RUNNING
    assert job.cancel_requested(), "the request was meant for the process that works"


@pytest.mark.slow
def test_resuming_without_a_checkpoint_starts_from_the_first_step(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set)
    assert call("train", a_phantom_set, "--output", job.folder, "--resume") == 0
    assert load_tensors(job.last_checkpoint_path)["step"] == 10


def test_resuming_with_other_settings_is_refused(a_trained_job, a_phantom_set, capsys):
    assert call("train", a_phantom_set, "--output", a_trained_job.folder, "--resume", "--set", "seed=5") == 2
    assert "a resumed job keeps its settings" in the_only_error(capsys)


def test_a_damaged_checkpoint_is_told(a_trained_job, tmp_path, a_phantom_set, capsys):
    copy = Job.open(shutil.copytree(a_trained_job.folder, tmp_path / "copy"))
    copy.last_checkpoint_path.write_bytes(b"garbage")
    assert call("train", a_phantom_set, "--output", copy.folder, "--resume") == 5
    assert f"'{copy.last_checkpoint_path}' is damaged" in the_only_error(capsys)


def test_a_job_of_the_other_kind_is_not_resumed(a_trained_job, a_phantom_set, capsys, tmp_path):
    args = ("--model", a_trained_job.folder, "--output", tmp_path / "job", "--set", "machine.threads=1")
    assert call("segment", a_phantom_set.parent / "images" / "case001.nrrd", *args) == 0
    capsys.readouterr()
    assert call("train", a_phantom_set, "--output", tmp_path / "job", "--resume") == 5
    assert "holds a job of the kind 'segment', expected 'train'" in the_only_error(capsys)


def test_a_model_that_is_not_finished_is_told(a_phantom_set, tmp_path, capsys):
    job = training_job(tmp_path / "job", a_phantom_set)
    args = ("--model", job.folder, "--output", tmp_path / "results")
    assert call("segment", a_phantom_set.parent / "images", *args) == 4
    assert f"'{job.folder}' has not finished, so there is no model yet" in the_only_error(capsys)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("absent.nrrd", "does not exist; correct the path"),
        ("empty folder", "holds no image"),
        ("notes.txt", "cannot be read as an image"),
        ("slice.nrrd", "is a single slice"),
    ],
)
def test_a_scan_that_cannot_be_segmented_is_told(a_trained_job, awkward_path, capsys, given, message):
    (awkward_path / "empty folder").mkdir()
    (awkward_path / "notes.txt").write_text("no image", encoding="utf-8")
    grid = Grid((8, 8, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    write_volume(awkward_path / "slice.nrrd", np.zeros((1, 8, 8), np.int16), grid)
    args = ("--model", a_trained_job.folder, "--output", awkward_path / "results", "--set", "machine.threads=1")
    assert call("segment", awkward_path / given, *args) == 3
    error = the_only_error(capsys)
    assert given in error and message in error


def test_a_label_to_measure_by_that_is_missing_is_told_before_anything_is_segmented(scans, a_trained_job, capsys):
    content = json.loads((scans / "dataset.json").read_text(encoding="utf-8"))
    content["test"] = [{**content["training"][0], "label": "labels/gone.nrrd"}]
    content["training"] = []
    (scans / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    output = scans / "scores"
    assert call("evaluate", scans / "dataset.json", "--model", a_trained_job.folder, "--output", output) == 3
    assert "gone.nrrd' does not exist; correct the path in the datalist" in the_only_error(capsys)
    assert not output.exists()


def test_a_datalist_without_test_cases_cannot_be_evaluated(scans, a_trained_job, capsys):
    write_datalist(scans, test=[])
    args = ("--model", a_trained_job.folder, "--output", scans.parent / "scores")
    assert call("evaluate", scans / "dataset.json", *args) == 3
    assert "dataset.json' has no 'test' case with a label" in the_only_error(capsys)


def test_where_no_case_is_left_it_is_told_why(scans, a_trained_job, capsys, tmp_path):
    args = ("--output", scans.parent / "unused")

    def told() -> str:
        (error,) = errors_in(capsys.readouterr().err)
        return error

    content = json.loads((scans / "dataset.json").read_text(encoding="utf-8"))
    content = {"Training": content["training"], "testing": content["test"], "labels": content["labels"]}
    (scans / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    named = "lists images as 'Training' and 'testing', which is left out; name such a list training, unlabeled"
    assert call("train", scans / "dataset.json", *args) == 3
    assert "has no labeled case; add" in (error := told()) and named in error
    assert call("evaluate", scans / "dataset.json", "--model", a_trained_job.folder, *args) == 3
    assert "no 'test' case with a label" in (error := told()) and named in error
    for kind, name in (("images", "scan7"), ("labels", "17")):
        (tmp_path / "folder" / kind).mkdir(parents=True)
        shutil.copy(scans / kind / "case001.nrrd", tmp_path / "folder" / kind / f"{name}.nrrd")
    assert call("train", tmp_path / "folder", *args) == 3
    assert "the label map '17' is left out: it has no image with the same name" in told()
    assert not (scans.parent / "unused").exists()


@pytest.mark.slow
def test_a_test_label_on_another_grid_is_told_and_the_segmentation_stays(scans, a_trained_job, capsys):
    named = shift_a_label(scans, "case006.nrrd")
    args = ("--model", a_trained_job.folder, "--output", scans.parent / "scores", "--set", "machine.threads=1")
    assert call("evaluate", scans / "dataset.json", *args) == 3
    error = the_only_error(capsys)
    assert named in error and "resample it to the image's grid" in error
    job = Job.open(scans.parent / "scores")
    assert job.prediction("case006").result.exists()
    assert not job.metrics_path.exists()
