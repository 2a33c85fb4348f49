"""--resume goes on with what it is given, says what is new, and refuses what cannot be gone on with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from dicom_files import positions, voxels, write_series
from resumed_jobs import SEGMENT, change, make_a_case_unlabeled, put, results, rows, swap_the_labels
from resumed_jobs import a_training as a_training
from resumed_jobs import inbox as inbox
from resumed_jobs import scans as scans
from resumed_jobs import worked_on as worked_on
from small_jobs import call, errors_in, settings, the_only_error

from coranet.command_line.resuming import grow, require_kept_settings, require_same_datalist
from coranet.contract import Case, Datalist, Job, JobKind, Role, read_datalist, write_json_atomic
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import DataError
from coranet.contract.model_card import model_fingerprint
from coranet.contract.source_files import is_changed, source_files, source_stamp
from coranet.data.series import divide_series
from coranet.reporting import Reporter

# -- a training --


# What is asked for beside --resume, and what of it is not as it was; "" where it is.
OTHER_SETTINGS = [
    ((), ""),
    (("--set", "network.base_filters=2"), ""),
    (("--set", "seed=0"), ""),
    (tuple(settings()), ""),
    (("--devices", "2"), ""),
    (("--set", "seed=5"), "seed=0, not 5"),
    (("--set", "training.learning_rate=0.5"), "training.learning_rate="),
    (("--set", "training.pretraining_steps=5"), "training.pretraining_steps=4, not 5"),
    (("--preset", "default"), "not "),
    (("--preset", "quick"), "time=''"),
    (("--time", "1h"), "time='', not '1 h'"),
    (("--set", "machine.threads=3"), "machine.threads=1, not 3"),
    (("--set", "training.initial_model="), ""),
    (("--set", "no.such=1"), "there is no setting 'no.such'"),
]


@pytest.mark.parametrize(
    ("args", "message"), OTHER_SETTINGS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_training_keeps_its_settings(scans, a_training, worked_on, capsys, args, message):
    code = call("train", scans, "--output", a_training, "--resume", *args)
    if message:
        assert code == 2 and message in the_only_error(capsys) and not worked_on
    else:
        assert code == 0 and len(worked_on) == 1 and worked_on[0].resume is True


@pytest.mark.parametrize(
    ("was", "now", "same"), [("1h", "60 min", True), ("1h", "3600s", True), ("1h", "61min", False)]
)
def test_a_time_is_the_same_however_it_is_written(scans, tmp_path, worked_on, was, now, same):
    args = ("train", scans, "--output", tmp_path / "timed")
    assert call(*args, "--time", was) == 0
    assert (call(*args, "--resume", "--time", now) == 0) is same
    assert (call(*args, "--resume", "--set", "training.pretraining_steps=9") == 0) is False


def drop_an_unlabeled(path: Path) -> None:
    change(path, unlabeled=rows(path, "unlabeled")[1:])


def add_an_unlabeled(path: Path) -> None:
    shutil.copy(path.parent / "images" / "case001.nrrd", path.parent / "images" / "new.nrrd")
    change(path, unlabeled=[*rows(path, "unlabeled"), {"image": "images/new.nrrd"}])


def rename_a_label(path: Path) -> None:
    change(path, labels={"1": "liver", "2": "lesion"})


def forget_the_validation(path: Path) -> None:
    change(path, validation=[])


def add_a_mask(path: Path) -> None:
    first, *others = rows(path, "training")
    change(path, training=[{**first, "known": first["label"]}, *others])


DIFFERENT = {
    drop_an_unlabeled: "is missing",
    add_an_unlabeled: "new.nrrd' is new",
    swap_the_labels: "has another role, label or mask",
    rename_a_label: "its labels are {1: 'liver'",
    make_a_case_unlabeled: "has another role, label or mask",
    forget_the_validation: "is missing",
    add_a_mask: "has another role, label or mask",
}


@pytest.mark.parametrize(("different", "message"), DIFFERENT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_another_datalist_is_refused(scans, a_training, worked_on, capsys, different, message):
    different(scans)
    assert call("train", scans, "--output", a_training, "--resume") == 3
    assert message in the_only_error(capsys) and not worked_on


def test_no_datalist_is_refused(a_training, worked_on, capsys, tmp_path):
    assert call("train", tmp_path / "absent.json", "--output", a_training, "--resume") == 3
    assert "absent.json" in the_only_error(capsys) and not worked_on


def other_spelling(path: Path) -> None:
    change(path, unlabeled=[{"image": "../scans/images/../" + row["image"]} for row in rows(path, "unlabeled")])


def other_order(path: Path) -> None:
    change(path, training=rows(path, "training")[::-1], unlabeled=rows(path, "unlabeled")[::-1])


def another_test_case(path: Path) -> None:
    change(path, test=[])


@pytest.mark.parametrize("same", [other_spelling, other_order, another_test_case])
def test_the_same_cases_are_the_same_however_they_are_listed(scans, a_training, worked_on, same):
    same(scans)
    assert call("train", scans, "--output", a_training, "--resume") == 0 and worked_on


def test_cases_that_the_training_set_aside_are_those_that_were_given(scans, tmp_path, worked_on):
    change(scans, validation=[])
    args = ("train", scans, "--output", tmp_path / "job", *settings())
    assert call(*args) == 0
    job = Job.open(tmp_path / "job")
    listed = job.read_datalist()
    first, *others = listed.cases
    job.write_datalist(replace(listed, cases=(replace(first, role=Role.VALIDATION), *others)))
    assert call(*args, "--resume") == 0


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--resume",), 2, "leave out --resume"),
        (("--devices", "2"), 2, "leave out --devices"),
        (("--devices", "all"), 2, "leave out --devices"),
    ],
)
def test_a_dry_run_refuses_what_it_does_not_use(scans, a_training, capsys, args, code, message):
    assert call("train", scans, "--dry-run", *args) == code
    assert message in the_only_error(capsys)
    assert call("train", scans, "--dry-run", "--output", a_training) == 5
    assert "already holds a job" in the_only_error(capsys)


# -- a segmentation --


@pytest.mark.slow
def test_a_folder_that_grows_is_gone_on_with(a_trained_job, a_phantom_set, inbox, tmp_path, capsys):
    """The same line each night: what is new, what has changed, what is gone, and what was only touched."""
    output = tmp_path / "results"
    args = ("segment", inbox, "--model", a_trained_job.folder, "--output", output, "--resume", *SEGMENT)
    assert call(*args) == 0
    first = results(output)
    assert sorted(first) == ["22", "23"]
    capsys.readouterr()

    assert call(*args) == 0
    errors = capsys.readouterr().err
    assert results(output) == first and "is new" not in errors and "has changed" not in errors

    put(a_phantom_set, inbox, "24", 3)
    put(a_phantom_set, inbox, "23", 4)
    os.utime(inbox / "22.nrrd", (2e9, 2e9))
    assert call(*args) == 0
    errors = capsys.readouterr().err
    second = results(output)
    assert sorted(second) == ["22", "23", "24"] and second["22"] == first["22"] and second["23"] > first["23"]
    assert f"'{inbox / '24.nrrd'}' is new: it is segmented as '24'." in errors
    assert f"'{inbox / '23.nrrd'}' has changed: '23' is segmented again." in errors
    assert "22.nrrd" not in errors and "3 cases are segmented" in errors
    messages = [event.message for event in Job.open(output).read_events() if event.type == "note"]
    assert any("is new" in text for text in messages) and any("has changed" in text for text in messages)

    (inbox / "22.nrrd").unlink()
    other = tmp_path / "other" / "23.nrrd"
    other.parent.mkdir()
    shutil.copy(inbox / "24.nrrd", other)
    assert call("segment", inbox, other, *args[2:]) == 0
    errors = capsys.readouterr().err
    assert sorted(results(output)) == ["22", "23", "23_2", "24"]
    assert "1 earlier cases are no longer listed; their results stay: 22." in errors


@pytest.mark.slow
def test_a_result_that_was_copied_in_part_is_made_again(a_trained_job, inbox, tmp_path, capsys):
    output = tmp_path / "results"
    args = ("segment", inbox, "--model", a_trained_job.folder, "--output", output, "--resume", *SEGMENT)
    assert call(*args) == 0
    job, first = Job.open(output), results(output)
    for name in ("segmentation", "uncertainty"):
        getattr(job.prediction("23"), name).unlink()
    capsys.readouterr()
    assert call(*args) == 0
    errors, second = capsys.readouterr().err, results(output)
    assert "the result of '23' has no 'segmentation.nrrd' and 'uncertainty.nrrd': it is segmented again." in errors
    assert second["22"] == first["22"] and second["23"] > first["23"]
    assert all(job.prediction(name).missing == [] for name in ("22", "23"))


def test_a_dicom_series_that_grows_is_divided_anew(tmp_path):
    """A folder of two echoes of which both are complete: nothing to do; then there is a third one."""
    folder = tmp_path / "MR"
    for time in (1.0, 2.0):
        write_series(folder, voxels(seed=int(time)), positions(), name=f"e{time:g}-", EchoTime=time)
    given = Datalist((Case("MR", Role.INPUT, str(folder)),))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, SegmentConfig(model="model"), given)
    reporter = Reporter(lambda event: None, lambda: False)
    cases = divide_series(job, given, reporter).cases
    for case in cases:
        job.prediction(case.id).folder.mkdir(parents=True)
        write_json_atomic(job.prediction(case.id).result, {"source": source_stamp(case.images), "created": 1.0})
    assert grow(job, given) == [] and job.read_datalist().cases == cases
    assert len([*job.complete_predictions()]) == 2

    write_series(folder, voxels(seed=3), positions(), name="e3-", EchoTime=3.0)
    assert grow(job, given) == [f"'{folder}' has changed: all its images are segmented again."]
    assert job.read_datalist().cases == given.cases and not [*job.complete_predictions()]
    names = [case.id for case in divide_series(job, job.read_datalist(), reporter).cases]
    assert names == [f"MR_echo_time_{number}" for number in (1, 2, 3)]

    assert grow(job, Datalist(())) == [f"3 earlier cases are no longer listed; their results stay: {', '.join(names)}."]


def test_a_training_with_a_divided_series_is_that_of_its_folder(tmp_path):
    for time in (1.0, 2.0):
        write_series(tmp_path / "MR", voxels(seed=int(time)), positions(), name=f"e{time:g}-", EchoTime=time)
    given = Datalist((Case("MR", Role.UNLABELED, str(tmp_path / "MR")),))
    job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), given)
    divide_series(job, given, Reporter(lambda event: None, lambda: False))
    require_same_datalist(job, given, "dataset.json", {})
    with pytest.raises(DataError, match="'other' is new"):
        require_same_datalist(
            job, Datalist((*given.cases, Case("o", Role.UNLABELED, str(tmp_path / "other")))), "x", {}
        )


def test_a_result_of_before_files_were_stamped_is_made_again_where_its_scan_is_newer(
    a_trained_job, inbox, tmp_path, worked_on
):
    output = tmp_path / "results"
    call("segment", inbox, "--model", a_trained_job.folder, "--output", output, *SEGMENT)
    job = Job.open(output)
    for case, made in zip(job.read_datalist().cases, (1.0, 9e9), strict=True):
        job.prediction(case.id).folder.mkdir(parents=True)
        job.prediction(case.id).result.write_text(json.dumps({"created": made}), encoding="utf-8")
    sentences = grow(job, job.read_datalist())
    assert len(sentences) == 1 and "22.nrrd' has changed" in sentences[0]


def another_model(job: Job, tmp_path: Path) -> Path:
    copy = shutil.copytree(job.model_folder, tmp_path / "other model")
    card = json.loads((copy / "model.json").read_text(encoding="utf-8"))
    card["card"]["created"] += 100
    (copy / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return copy


# How the model is named now -> exit code.
MODELS = {
    "as before": (lambda job, folder: job.folder, 0),
    "the model's own folder": (lambda job, folder: job.model_folder, 0),
    "a copy of it": (lambda job, folder: shutil.copytree(job.model_folder, folder / "copy"), 0),
    "another one": (another_model, 4),
    "none": (lambda job, folder: folder / "absent", 4),
}


@pytest.fixture
def a_segmentation(a_trained_job, inbox, tmp_path, worked_on) -> Job:
    """A segmentation of the folder that was begun; the worker's turn was noted in `worked_on`."""
    args = ("segment", inbox, "--model", a_trained_job.folder, "--output", tmp_path / "results", *SEGMENT)
    assert call(*args) == 0
    worked_on.clear()
    return Job.open(tmp_path / "results")


@pytest.mark.parametrize("has_results", [False, True], ids=["nothing made", "one made"])
@pytest.mark.parametrize("name", MODELS)
def test_another_model_is_refused(a_segmentation, a_trained_job, worked_on, capsys, has_results, name):
    model, code = MODELS[name]
    if has_results:
        files = a_segmentation.prediction("22")
        files.folder.mkdir(parents=True)
        created = {"model_hash": model_fingerprint(a_trained_job.model_folder), "created": 9e9}
        files.result.write_text(json.dumps(created), encoding="utf-8")
    top = a_segmentation.folder.parent
    args = (
        "segment",
        top / "inbox",
        "--model",
        model(a_trained_job, top),
        "--output",
        a_segmentation.folder,
        "--resume",
    )
    assert call(*args) == code
    assert bool(worked_on) is (code == 0)
    assert len(errors_in(capsys.readouterr().err)) == (code != 0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--caution", "0.5"), "inference.caution=None, not 0.5"),
        (("--set", "surfaces=true"), "surfaces=False, not True"),
        (("--set", "machine.threads=1"), ""),
        (("--set", "machine.threads=2"), "machine.threads=1, not 2"),
        (("--devices", "2"), ""),
        ((), ""),
    ],
)
def test_a_segmentation_keeps_its_settings(a_segmentation, worked_on, capsys, args, message):
    line = (
        "segment",
        a_segmentation.folder.parent / "inbox",
        "--model",
        a_segmentation.read_config().model,
        "--output",
        a_segmentation.folder,
    )
    assert call(*line, "--resume", *args) == (2 if message else 0)
    assert (message in the_only_error(capsys)) if message else worked_on


def test_an_evaluation_keeps_its_settings_and_takes_new_cases(a_trained_job, scans, tmp_path, worked_on, capsys):
    line = ("evaluate", scans, "--model", a_trained_job.folder, "--output", tmp_path / "scores")
    assert call(*line, *SEGMENT) == 0
    assert call(*line, "--resume", "--compare-uncertainties") == 2
    assert "compare_uncertainties=False, not True" in the_only_error(capsys)
    change(scans, test=[*rows(scans, "test"), *rows(scans, "validation")], validation=[])
    assert call(*line, "--resume") == 0
    sentences = worked_on[-1].prepare()
    assert len(sentences) == 1 and "is new" in sentences[0]
    assert len(Job.open(tmp_path / "scores").read_datalist().with_role(Role.TEST)) == 2


# -- which files an image consists of --


def header(folder: Path, name: str, line: str) -> Path:
    (folder / name).write_text(f"NDims = 3\n{line}", encoding="utf-8")
    return folder / name


CONSISTS = [
    ("a.nrrd", "NRRD0004\nencoding: raw\n\nx", ["a.nrrd"]),
    ("a.nii.gz", "x", ["a.nii.gz"]),
    ("a.mhd", "ElementDataFile = a.raw", ["a.mhd", "a.raw"]),
    ("a.mha", "ElementDataFile = LOCAL\nx", ["a.mha"]),
    ("a.mhd", "ElementDataFile = LIST\ns1.raw\ns2.raw\n", ["a.mhd", "s1.raw", "s2.raw"]),
    ("a.mhd", "ElementDataFile = s%d.raw 1 2 1", ["a.mhd", "s1.raw", "s2.raw"]),
    ("a.nhdr", "data file: a.raw\n", ["a.nhdr", "a.raw"]),
    ("a.nhdr", "datafile: ./s2.raw\n", ["a.nhdr", "s2.raw"]),
    ("a.nhdr", "data file: s%02d.raw 1 2 1\n", ["a.nhdr", "s1.raw", "s2.raw"]),
    ("a.nhdr", "data file: absent.raw\n", ["a.nhdr"]),
    ("a.hdr", "x", ["a.hdr", "a.img"]),
]


@pytest.mark.parametrize(("name", "content", "files"), CONSISTS)
def test_all_files_of_an_image_are_known(tmp_path, name, content, files):
    for other in ("a.raw", "s1.raw", "s2.raw", "a.img", "unrelated.raw"):
        (tmp_path / other).write_bytes(b"voxels")
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = source_files([str(tmp_path / name)])
    assert [path.name for path in found] == files
    stamp = json.loads(json.dumps(source_stamp([str(tmp_path / name)])))
    assert not is_changed([str(tmp_path / name)], stamp)
    for file in found:
        os.utime(file, (1e9, 1e9))
    assert not is_changed([str(tmp_path / name)], stamp)
    found[-1].write_bytes(b"others")
    assert is_changed([str(tmp_path / name)], stamp)


def test_a_folder_changes_with_any_of_its_files(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.dcm").write_bytes(b"slice")
    stamp = source_stamp([str(tmp_path)])
    assert not is_changed([str(tmp_path)], stamp) and not is_changed([str(tmp_path)], None)
    (tmp_path / "3.dcm").write_bytes(b"slice")
    assert is_changed([str(tmp_path)], stamp)


def test_each_difference_is_told_alone(scans, a_training):
    job = Job.open(a_training)
    require_kept_settings(job, {})
    require_same_datalist(job, read_datalist(scans), "dataset.json", {})


NAMES = {
    "other order": {"2": "organ", "1": "lesion"},
    "other writing": {"1": " ORGAN", "2": "Lesion"},
    "a structure more": {"1": "organ", "2": "lesion", "3": "spleen"},
    "names the model has not": {"1": "aorta", "2": "vein"},
    "one that is missing": {"1": "organ"},
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_an_evaluation_takes_classes_by_their_names(a_trained_job, scans, tmp_path, worked_on, capsys, names):
    change(scans, labels=names)
    keys = {name.strip().casefold() for name in names.values()}
    code = call("evaluate", scans, "--model", a_trained_job.folder, "--output", tmp_path / "scores", *SEGMENT)
    if {"organ", "lesion"} <= keys:
        assert code == 0
        (case, *_) = worked_on[0].job.read_datalist().cases
        assert case.label_names == tuple((int(value), name.strip()) for value, name in sorted(names.items()))
    else:
        error = the_only_error(capsys)
        assert code == 3 and "has the labels 1 'organ', 2 'lesion', the datalist names" in error and not worked_on
