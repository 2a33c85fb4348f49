"""A job directory tells where the job stands, on any day and to any process."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import uuid

import pytest
from small_jobs import add_events

from coranet.contract import Case, Datalist, Job, JobKind, JobStatus, Label, ProcessIdentity, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.directory import SILENCE_S
from coranet.contract.errors import ConfigError, CoraNetError, DataError, JobError, StorageError
from coranet.contract.events import Cancelled, CheckpointSaved, Failed, Finished, Started
from coranet.contract.process import start_time

DATALIST = Datalist((Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"),), (Label(5, "Leber"),))


@pytest.fixture
def a_job(awkward_path):
    return Job.create(awkward_path / "job 1", JobKind.TRAIN, TrainConfig.from_preset("quick"), DATALIST)


def is_worked_on_by(job: Job, process: subprocess.Popen) -> None:
    job.beat(ProcessIdentity(process.pid, socket.gethostname(), start_time(process.pid) or 0.0))


def is_worked_on_elsewhere(job: Job, silent_for_s: float) -> None:
    job.beat(ProcessIdentity(1, "another machine", 1.0))
    rewrite(job.folder / "process.json", heartbeat=time.time() - silent_for_s)


def rewrite(path, **changes) -> None:
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(content), encoding="utf-8")


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


# -- making and finding --


def test_a_job_comes_back_as_it_was_made(a_job):
    again = Job.open(a_job.folder)
    assert again.kind is JobKind.TRAIN
    assert again.folder == a_job.folder
    assert again.read_config() == TrainConfig.from_preset("quick")
    assert again.read_datalist().labels == DATALIST.labels
    assert again.read_events() == []


def test_a_segmentation_job_has_a_configuration_of_its_own_kind(tmp_path):
    config = SegmentConfig(model="model folder")
    Job.create(tmp_path / "job", JobKind.SEGMENT, config, Datalist((Case("a", Role.INPUT, "/a.nrrd"),)))
    assert Job.open(tmp_path / "job").read_config() == config


def test_relative_paths_start_at_the_job(a_job):
    (case,) = a_job.read_datalist().cases
    assert case.image == str(a_job.folder / "images" / "a.nrrd")
    assert case.label == str(a_job.folder / "labels" / "a.nrrd")


def test_a_folder_is_known_for_a_job_or_not(a_job, tmp_path):
    assert Job.exists(a_job.folder)
    assert not Job.exists(tmp_path)
    assert not Job.exists(tmp_path / "absent")


def test_the_jobs_in_a_folder_are_found_by_name(a_job, tmp_path):
    (a_job.folder.parent / "notes").mkdir()
    assert Job.folders_in(a_job.folder.parent) == [a_job.folder]
    assert Job.folders_in(tmp_path / "absent") == []


def test_a_second_job_does_not_go_over_the_first(a_job):
    with pytest.raises(JobError, match="already holds a job"):
        Job.create(a_job.folder, JobKind.TRAIN, TrainConfig(), DATALIST)
    assert a_job.read_config() == TrainConfig.from_preset("quick")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="job"):
        Job.create(tmp_path / "file" / "job", JobKind.TRAIN, TrainConfig(), DATALIST)


def test_a_job_has_an_identifier_of_its_own_that_goes_with_its_folder(a_job, tmp_path):
    other = Job.create(tmp_path / "other place" / "job 1", JobKind.TRAIN, TrainConfig.from_preset("quick"), DATALIST)
    assert uuid.UUID(a_job.identifier) != uuid.UUID(other.identifier)
    assert Job.open(a_job.folder).identifier == a_job.identifier
    shutil.copytree(a_job.folder, tmp_path / "copy")
    shutil.move(a_job.folder, tmp_path / "moved")
    assert Job.open(tmp_path / "copy").identifier == Job.open(tmp_path / "moved").identifier == a_job.identifier


def test_a_job_of_an_earlier_version_has_the_identifier_of_when_it_was_made(a_job, tmp_path):
    def earlier(name, created):
        shutil.copytree(a_job.folder, tmp_path / name)
        path = tmp_path / name / "job.json"
        content = {**json.loads(path.read_text(encoding="utf-8")), "created": created}
        del content["id"]
        path.write_text(json.dumps(content), encoding="utf-8")
        return Job.open(tmp_path / name).identifier

    first, copy, other = earlier("first", 1.25), earlier("copy", 1.25), earlier("other", 1.5)
    assert uuid.UUID(first) == uuid.UUID(copy) != uuid.UUID(other)


def test_an_earlier_version_with_a_name_that_is_no_text_has_an_identifier(a_job):
    path = a_job.folder / "job.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), "engine_version": "\ud800"}
    del content["id"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert uuid.UUID(Job.open(a_job.folder).identifier)


def test_a_job_that_begins_anew_is_another_one(a_job):
    before = a_job.identifier
    a_job.begin_anew(TrainConfig(), DATALIST)
    assert a_job.identifier == Job.open(a_job.folder).identifier != before


def test_a_half_made_folder_is_no_job(tmp_path, monkeypatch):
    monkeypatch.setattr(Datalist, "to_dict", lambda self: {"not": float("nan")})
    with pytest.raises(ValueError):
        Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), DATALIST)
    assert not Job.exists(tmp_path / "job")


def test_a_folder_without_a_job_is_an_error_that_names_it(tmp_path):
    with pytest.raises(JobError, match=r"job\.json' is missing"):
        Job.open(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema version 2, expected 1"),
        ({"kind": None}, "None"),
        ({"kind": "party"}, "party"),
    ],
)
def test_a_job_of_another_version_is_an_error_that_names_the_file(a_job, changes, message):
    rewrite(a_job.folder / "job.json", **changes)
    with pytest.raises(JobError) as raised:
        Job.open(a_job.folder)
    assert message in str(raised.value)
    assert str(a_job.folder / "job.json") in str(raised.value)


@pytest.mark.parametrize(
    ("name", "changes", "kind", "read"),
    [
        ("config.json", {"schema_version": 9}, ConfigError, Job.read_config),
        ("config.json", {"seed": -1}, ConfigError, Job.read_config),
        ("datalist.json", {"schema_version": 9}, DataError, Job.read_datalist),
        ("process.json", {"pid": "many"}, JobError, Job.read_process),
        ("process.json", {"heartbeat": None}, JobError, Job.read_process),
    ],
)
def test_a_file_of_another_version_is_an_error_that_names_it(a_job, name, changes, kind, read):
    a_job.claim()
    rewrite(a_job.folder / name, **changes)
    with pytest.raises(kind) as raised:
        read(a_job)
    assert str(a_job.folder / name) in str(raised.value)


@pytest.mark.parametrize("name", ["config.json", "datalist.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"5", b"[]", b"null"])
def test_a_missing_or_damaged_file_is_an_error_that_names_it(a_job, name, content):
    path = a_job.folder / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CoraNetError) as raised:
        a_job.read_config() if name == "config.json" else a_job.read_datalist()
    assert name in str(raised.value)


# -- where it stands --


def test_a_job_that_nobody_worked_on_is_created(a_job):
    assert a_job.status() is JobStatus.CREATED
    assert not a_job.status().is_over


def test_a_job_with_a_living_process_is_running(a_job, another_process):
    is_worked_on_by(a_job, another_process)
    assert a_job.status() is JobStatus.RUNNING
    add_events(a_job, Started(0, 5, "CPU", "1"))
    assert a_job.status() is JobStatus.RUNNING


@pytest.mark.parametrize(
    ("last_words", "status"),
    [
        (Finished("done", 1.0), JobStatus.FINISHED),
        (Failed("it broke"), JobStatus.FAILED),
        (Cancelled(3), JobStatus.CANCELLED),
        (CheckpointSaved(3), JobStatus.CRASHED),
        (None, JobStatus.CRASHED),
    ],
)
def test_the_last_event_of_a_dead_process_says_how_it_ended(a_job, another_process, last_words, status):
    is_worked_on_by(a_job, another_process)
    add_events(a_job, *([last_words] if last_words else []))
    end(another_process)
    assert a_job.status() is status
    assert status.is_over


def test_half_a_last_word_does_not_count(a_job, another_process):
    is_worked_on_by(a_job, another_process)
    add_events(a_job, CheckpointSaved(3))
    with open(a_job.events_path, "ab") as file:
        file.write(b'{"type": "finished", "time": 1.0, "message": "do')
    end(another_process)
    assert a_job.status() is JobStatus.CRASHED


def test_a_process_with_a_reused_number_is_not_the_one(a_job, another_process):
    a_job.beat(ProcessIdentity(another_process.pid, socket.gethostname(), 12345.0))
    assert a_job.status() is JobStatus.CRASHED


@pytest.mark.parametrize(("silent_for_s", "status"), [(0, JobStatus.RUNNING), (SILENCE_S + 5, JobStatus.CRASHED)])
def test_a_process_on_another_machine_is_believed_while_its_heart_beats(a_job, silent_for_s, status):
    is_worked_on_elsewhere(a_job, silent_for_s)
    assert a_job.status() is status


def test_a_process_on_another_machine_that_said_its_last_word_is_done(a_job):
    is_worked_on_elsewhere(a_job, 0)
    add_events(a_job, Finished("done", 1.0))
    assert a_job.status() is JobStatus.FINISHED


# -- claiming --


def test_a_claim_writes_down_who_works(a_job):
    me = a_job.claim()
    process = a_job.read_process()
    assert (process["pid"], process["host"], process["started"]) == (me.pid, me.host, me.started)
    assert abs(process["heartbeat"] - time.time()) < 5


def test_a_claim_may_be_repeated(a_job):
    assert a_job.claim() == a_job.claim()


def test_a_job_that_is_being_worked_on_is_refused(a_job, another_process):
    is_worked_on_by(a_job, another_process)
    with pytest.raises(JobError) as raised:
        a_job.claim()
    assert f"is in use by process {another_process.pid}" in str(raised.value)
    assert str(a_job.folder) in str(raised.value)
    assert a_job.read_process()["pid"] == another_process.pid


def test_a_job_that_is_being_worked_on_elsewhere_is_refused(a_job):
    is_worked_on_elsewhere(a_job, 0)
    with pytest.raises(JobError, match="on 'another machine'"):
        a_job.claim()


def test_a_job_whose_process_died_can_be_claimed(a_job, another_process):
    is_worked_on_by(a_job, another_process)
    end(another_process)
    assert a_job.claim() == ProcessIdentity.of_this_process()


def test_the_heart_beats_on(a_job):
    me = a_job.claim()
    rewrite(a_job.folder / "process.json", heartbeat=1.0)
    a_job.beat(me)
    assert a_job.read_process()["heartbeat"] > 1.0


# -- stopping --


def test_a_request_to_stop_is_a_file_that_can_be_withdrawn(a_job):
    assert not a_job.cancel_requested()
    a_job.request_cancel()
    a_job.request_cancel()
    assert Job.open(a_job.folder).cancel_requested()
    a_job.withdraw_cancel()
    a_job.withdraw_cancel()
    assert not a_job.cancel_requested()


def test_a_request_to_stop_a_job_that_is_gone_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="cancel"):
        Job(tmp_path / "absent", JobKind.TRAIN).request_cancel()


# -- names --


def test_the_files_lie_where_the_document_says(a_job, repository):
    text = (repository / "docs" / "reference" / "job-directory.md").read_text(encoding="utf-8")
    tree = text.partition("```")[2].partition("```")[0]
    files = a_job.prediction("a b")
    paths = [
        a_job.events_path, a_job.log_path, a_job.images_folder, a_job.labels_folder, a_job.cache_folder,
        a_job.last_checkpoint_path, a_job.best_checkpoint_path, a_job.model_folder, a_job.metrics_path,
        a_job.metrics_table_path, files.segmentation, files.conservative, files.radical, files.uncertain,
        files.uncertainty, files.result,
    ]  # fmt: skip
    missing = [path.name for path in paths if path.name not in tree]
    assert not missing
    assert files.result == a_job.folder / "predictions" / "a b" / "result.json"
    assert a_job.last_checkpoint_path.parent == a_job.folder / "checkpoints"
