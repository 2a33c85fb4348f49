"""Scans that were moved since a job began: --resume knows them again, and refuses others under their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch
from resumed_jobs import SEGMENT, make_a_case_unlabeled, put, results, rows, swap_the_labels
from resumed_jobs import a_training as a_training
from resumed_jobs import inbox as inbox
from resumed_jobs import scans as scans
from resumed_jobs import worked_on as worked_on
from small_jobs import call, the_only_error, training_job

from coranet.contract import Job, Role
from coranet.contract.events import CheckpointSaved
from coranet.job_process.worker import work_on


def stopped(folder: Path, listed: Path) -> Job:
    """A training that was stopped at its first checkpoint."""
    job = training_job(folder, listed)

    def stop(event) -> None:
        if isinstance(event, CheckpointSaved):
            job.request_cancel()

    assert work_on(job, resume=False, listener=stop) == 130
    return job


@pytest.mark.slow
def test_a_training_whose_scans_were_moved_goes_on_with_them(scans, tmp_path, capsys):
    """It ends as one whose scans stayed in their places."""
    staying = stopped(tmp_path / "staying", scans)
    assert call("train", scans, "--output", staying.folder, "--resume") == 0
    moving = stopped(tmp_path / "moving", scans)
    moved = scans.parent.rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert call("run", moving.folder, "--resume") == 3
    assert f"go on with coranet train DATALIST --output {moving.folder} --resume." in capsys.readouterr().err
    assert call("train", moved / "dataset.json", "--output", moving.folder, "--resume") == 0
    assert "5 cases have moved; for example, '" in capsys.readouterr().err
    first, second = (torch.load(job.model_folder / "weights.pt", weights_only=True) for job in (staying, moving))
    assert all(torch.equal(first[name], second[name]) for name in first)
    used = [case for case in moving.read_datalist().cases if case.role is not Role.TEST]
    assert all(Path(path).is_relative_to(moved) for case in used for path in case.files)


@pytest.mark.slow
def test_other_scans_under_the_names_of_moved_ones_are_refused(scans, tmp_path, capsys):
    job = stopped(tmp_path / "job", scans)
    moved = scans.parent.rename(tmp_path / "elsewhere")
    path = moved / rows(moved / "dataset.json", "training")[0]["image"]
    sitk.WriteImage(sitk.ReadImage(str(path)) + 1, str(path))
    capsys.readouterr()
    assert call("train", moved / "dataset.json", "--output", job.folder, "--resume") == 3
    assert f"'{path}' is not the scan that the training in '{job.folder}' has seen as" in capsys.readouterr().err
    assert Path(job.read_datalist().cases[0].image).is_relative_to(scans.parent)


@pytest.mark.parametrize("different", [swap_the_labels, make_a_case_unlabeled])
def test_moved_scans_with_other_roles_or_labels_are_refused(scans, a_training, worked_on, capsys, different):
    moved = scans.parent.rename(scans.parent.with_name("elsewhere")) / "dataset.json"
    different(moved)
    assert call("train", moved, "--output", a_training, "--resume") == 3 and not worked_on
    assert "is not what the training" in the_only_error(capsys)


@pytest.mark.slow
def test_scans_that_were_moved_keep_their_results(a_trained_job, inbox, a_phantom_set, tmp_path, capsys):
    """One is complete and gets another name on its way; the other one has no result yet, and one is new."""
    output = tmp_path / "results"
    args = ("--model", a_trained_job.folder, "--output", output, "--resume", *SEGMENT)
    assert call("segment", inbox, *args) == 0
    job, first = Job.open(output), results(output)
    shutil.rmtree(job.prediction("23").folder)
    moved = inbox.rename(tmp_path / "elsewhere")
    (moved / "22.nrrd").rename(moved / "renamed.nrrd")
    put(a_phantom_set, moved, "24", 3)
    capsys.readouterr()

    assert call("segment", moved, *args) == 0
    errors = capsys.readouterr().err
    assert f"2 cases have moved; for example, '22' is now '{moved / 'renamed.nrrd'}'." in errors
    assert "'24'" in errors and errors.count("is new") == 1 and "no longer listed" not in errors
    second = results(output)
    assert sorted(second) == ["22", "23", "24"] and second["22"] == first["22"]
    images = {case.id: Path(case.image) for case in job.read_datalist().cases}
    assert images == {"22": moved / "renamed.nrrd", "23": moved / "23.nrrd", "24": moved / "24.nrrd"}

    put(a_phantom_set, moved, "renamed", 4)
    assert call("segment", moved, *args) == 0
    errors = capsys.readouterr().err
    assert "'22' is segmented again" in errors and "moved:" not in errors
    assert results(output)["22"] > first["22"]


@pytest.mark.slow
def test_a_copy_beside_a_scan_that_is_still_there_is_a_case_of_its_own(a_trained_job, inbox, tmp_path, capsys):
    output = tmp_path / "results"
    args = ("segment", inbox, "--model", a_trained_job.folder, "--output", output, "--resume", *SEGMENT)
    assert call(*args) == 0
    shutil.copy(inbox / "22.nrrd", inbox / "copy.nrrd")
    assert call(*args) == 0
    assert sorted(results(output)) == ["22", "23", "copy"] and "moved:" not in capsys.readouterr().err
