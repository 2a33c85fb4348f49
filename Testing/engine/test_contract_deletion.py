"""A job is deleted with all that is its own, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role, delete_job, job_size
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.errors import JobError, StorageError

ELSEWHERE = "/data/b.nrrd"


def write(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


@pytest.fixture
def a_training(awkward_path) -> Job:
    """A training with an exported case, a checkpoint and a model of 1000 bytes each."""
    cases = (
        Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd", "labels/a-known.nrrd"),
        Case("b", Role.UNLABELED, str(awkward_path / "training" / "images" / "mine.nrrd")),
    )
    config = TrainConfig.from_preset("quick")
    job = Job.create(awkward_path / "training", JobKind.TRAIN, config, Datalist(cases, (Label(1, "organ"),)))
    for path in (job.images_folder / "a.nrrd", job.labels_folder / "a.nrrd", job.last_checkpoint_path):
        write(path, 1000)
    write(job.model_folder / "weights.pt", 1000)
    return job


def test_all_of_a_job_goes(a_training):
    write(a_training.labels_folder / "a-known.nrrd")
    for name in ("cache/x.npy", "snapshots/b/step.nrrd", "metrics.csv", ".7.partial.job.json", "cancel", "log.txt"):
        write(a_training.folder / name)
    a_training.open_events().close()
    a_training.claim()
    (a_training.folder / "process.json").write_text(
        '{"pid": 1, "host": "elsewhere", "started": 1.0, "heartbeat": 1.0}', encoding="utf-8"
    )
    assert delete_job(a_training)
    assert not a_training.folder.exists()


def test_what_lay_in_the_folder_before_stays(a_training):
    other = [
        write(a_training.folder / name)
        for name in ("thesis.docx", "images/mine.nrrd", "labels/old.nrrd", "predictions/a/old.nrrd")
    ]
    assert not delete_job(a_training)
    assert sorted(path for path in a_training.folder.rglob("*") if path.is_file()) == sorted(other)
    assert not Job.exists(a_training.folder)


def test_a_segmentation_does_not_take_the_model_beside_it(tmp_path):
    job = Job.create(tmp_path, JobKind.SEGMENT, SegmentConfig(str(tmp_path)), Datalist((Case("a", Role.INPUT, "/a"),)))
    weights = write(job.model_folder / "weights.pt")
    write(job.prediction("a").result)
    delete_job(job)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [weights]


def test_a_running_job_is_not_deleted(a_training):
    a_training.claim()
    with pytest.raises(JobError, match="stop it"):
        delete_job(a_training)
    assert Job.exists(a_training.folder)


def test_a_job_that_could_only_be_deleted_in_part_is_no_job_any_more(a_training, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("coranet.contract.deletion.shutil.rmtree", refuse)
    with pytest.raises(StorageError, match="checkpoints"):
        delete_job(a_training)
    assert not Job.exists(a_training.folder)


def test_a_link_is_removed_and_not_what_it_leads_to(a_training, tmp_path):
    precious = write(tmp_path / "elsewhere" / "precious.pt")
    a_training.model_folder.joinpath("weights.pt").unlink()
    a_training.model_folder.rmdir()
    a_training.model_folder.symlink_to(precious.parent, target_is_directory=True)
    assert delete_job(a_training)
    assert precious.exists()


def test_a_job_with_a_damaged_datalist_can_be_deleted_but_for_its_images(a_training):
    (a_training.folder / "datalist.json").write_text("{", encoding="utf-8")
    assert not delete_job(a_training)
    assert sorted(path.name for path in a_training.folder.iterdir()) == ["images", "labels"]


def test_the_size_counts_what_would_be_deleted(a_training):
    small = sum(path.stat().st_size for path in a_training.folder.glob("*.json"))
    write(a_training.folder / "thesis.docx", 5000)
    assert job_size(a_training) == 4000 + small
