"""A job that ended before it made anything gives its folder to a corrected one; what was made is never replaced."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from small_jobs import add_events, call, settings, tiny_phantoms

from coranet.contract import Case, Datalist, Job, JobKind, JobStatus, Label, ProcessIdentity, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import JobError
from coranet.contract.events import Failed, Finished, Started
from coranet.contract.files import atomic_path, remove_partial_files
from coranet.contract.process import start_time

DATALIST = Datalist((Case("a", Role.TRAINING, "a.nrrd", "b.nrrd"),), (Label(1, "liver"),))
OTHER = Datalist((Case("c", Role.TRAINING, "c.nrrd", "d.nrrd"),), (Label(2, "spleen"),))


@pytest.fixture
def a_job(tmp_path):
    return Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), DATALIST)


def test_other_cases_and_settings_take_the_place_of_the_first(a_job):
    a_job.begin_anew(TrainConfig.from_preset("quick"), OTHER)
    again = Job.open(a_job.folder)
    assert [label.name for label in again.read_datalist().labels] == ["spleen"]
    assert again.read_config() == TrainConfig.from_preset("quick")


@pytest.mark.parametrize("made", ["last_checkpoint_path", "model_folder", "a prediction"])
def test_what_was_made_is_not_replaced(a_job, made):
    path = a_job.prediction_folder("a") if made == "a prediction" else getattr(a_job, made)
    path.mkdir(parents=True)
    with pytest.raises(JobError, match="already holds a job; choose a new folder, or add --resume"):
        a_job.begin_anew(TrainConfig(), OTHER)
    assert [label.name for label in a_job.read_datalist().labels] == ["liver"]


def test_a_job_that_is_worked_on_is_not_replaced(a_job):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        a_job.beat(ProcessIdentity(other.pid, socket.gethostname(), start_time(other.pid) or 0.0))
        with pytest.raises(JobError, match=f"is in use by process {other.pid}"):
            a_job.begin_anew(TrainConfig(), OTHER)
        other.kill()
    assert [label.name for label in a_job.read_datalist().labels] == ["liver"]


@pytest.mark.slow
def test_a_corrected_datalist_trains_in_the_folder_of_the_one_that_failed(tmp_path, capsys):
    dataset = tiny_phantoms(tmp_path / "scans")
    content = json.loads(dataset.read_text(encoding="utf-8"))
    mistaken = {**content, "training": [{"image": "images/absent.nrrd", "label": content["training"][0]["label"]}]}
    dataset.write_text(json.dumps(mistaken), encoding="utf-8")
    few_steps = settings(training__pretraining_steps="1", training__self_training_steps="0")
    args = ("train", dataset, "--output", tmp_path / "job", *few_steps)
    assert call(*args) == 3
    assert "absent.nrrd" in capsys.readouterr().err
    dataset.write_text(json.dumps(content), encoding="utf-8")
    assert call(*args) == 0
    assert (Job.open(tmp_path / "job").model_folder / "model.json").is_file()


def test_the_last_word_of_an_earlier_process_is_not_that_of_a_later_one(a_job):
    add_events(a_job, Started(0, 10, "CPU", "1"), Failed("no space"))
    a_job.beat(ProcessIdentity(2**22 + 1, "this machine is another one", 1.0))
    gone = ProcessIdentity(2**22 + 1, socket.gethostname(), a_job.read_events()[-1].time + 60)
    a_job.beat(gone)
    assert a_job.status() is JobStatus.CRASHED


def test_the_last_word_of_the_process_itself_counts(a_job):
    me = ProcessIdentity.of_this_process()
    a_job.beat(ProcessIdentity(2**22 + 1, me.host, me.started))
    add_events(a_job, Started(0, 10, "CPU", "1"), Finished("done.", 1.0))
    assert a_job.status() is JobStatus.FINISHED


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    with atomic_path(tmp_path / "checkpoints" / "last.pt") as temporary:
        temporary.write_bytes(b"whole")
        half = temporary.with_name(temporary.name.replace("last", "next"))
        half.write_bytes(b"half")
    (tmp_path / "notes.partial.txt").write_text("mine", encoding="utf-8")
    remove_partial_files(tmp_path)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["last.pt", "notes.partial.txt"]
