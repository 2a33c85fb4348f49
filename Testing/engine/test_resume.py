"""A training that was stopped, in whatever way, and taken up again gives the same model as one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from patience import PATIENCE_S, wait_until
from small_jobs import differing, run_engine, started_engine, training_job, weights_of

from coranet.contract import Job, JobStatus
from coranet.contract.events import (
    Cancelled,
    CheckpointSaved,
    Event,
    Finished,
    Losses,
    Started,
    Validation,
    without_superseded,
)
from coranet.contract.events import to_dict as event_to_dict
from coranet.job_process.worker import work_on

pytestmark = pytest.mark.slow

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signals that ask")
PRETRAINING_STEPS, STEPS = 8, 64
LONGER = {
    "training__pretraining_steps": str(PRETRAINING_STEPS),
    "training__self_training_steps": str(STEPS - PRETRAINING_STEPS),
    "training__checkpoint_interval": "7",
    "training__validation_interval": "15",
    "training__refresh_steps": "12",
}


KINDS = {
    "teacher": {"training__pseudo_label_source": "teacher"},
    "refreshed": {
        "training__pseudo_label_source": "refreshed",
        "training__mixing_share": "0.5",
        "training__averaged_share": "0.8",
        "training__deep_supervision": "0.5",
        "training__student_views": "three",
        "data__patch_size_kji": "[16, 16, 16]",
        "network__levels": "3",
        "network__stem": "full",
    },
    "co-training with dropout": {"training__method": "umct", "network__dropout": "0.3"},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    """Both ways in which pseudo-labels come about, and a method with further networks and with random numbers."""
    return request.param


@pytest.fixture(scope="module")
def the_uninterrupted_job(tmp_path_factory, a_phantom_set, kind) -> Job:
    """A job that ran from the first step to the last."""
    folder = tmp_path_factory.mktemp("uninterrupted") / kind
    job = training_job(folder, a_phantom_set, **KINDS[kind], **LONGER)
    assert work_on(job, resume=False) == 0
    return job


@pytest.fixture
def a_running_job(tmp_path, a_phantom_set, kind) -> Iterator[tuple[Job, subprocess.Popen]]:
    """The same job in a process of its own, in the middle of self-training and some steps after a checkpoint."""
    job = training_job(tmp_path / "job", a_phantom_set, **KINDS[kind], **LONGER)
    process = started_engine(job)
    try:
        wait_until(lambda: steps_beyond_checkpoint(job) >= 2)
        yield job, process
    finally:
        process.kill()
        process.wait()


def steps_beyond_checkpoint(job: Job) -> int:
    """How many steps would be lost now; 0 before self-training has made a checkpoint."""
    saved = max((event.step for event in job.read_events() if isinstance(event, CheckpointSaved)), default=0)
    done = max((event.step for event in job.read_events() if isinstance(event, Losses)), default=0)
    return done - saved if saved > PRETRAINING_STEPS else 0


def course_of(job: Job, *kinds: type[Event]) -> list[dict[str, Any]]:
    """What was told of each step, in order and without the time of day."""
    events = [event for event in without_superseded(job.read_events()) if isinstance(event, kinds)]
    return [{key: value for key, value in event_to_dict(event).items() if key != "time"} for event in events]


def tensors_in(content: Any, name: str = "") -> dict[str, torch.Tensor]:
    """Every number of a checkpoint under a name of its own."""
    if isinstance(content, dict):
        return {key: value for part in content for key, value in tensors_in(content[part], f"{name}/{part}").items()}
    if isinstance(content, (list, tuple)):
        return tensors_in(dict(enumerate(content)), name)
    if isinstance(content, torch.Tensor):
        return {name: content}
    return {f"{name}={content}": torch.empty(0)}


def checkpoint_of(job: Job) -> dict[str, torch.Tensor]:
    return tensors_in(torch.load(job.last_checkpoint_path, weights_only=True))


def assert_same_training(job: Job, reference: Job) -> None:
    assert list(differing(weights_of(job), weights_of(reference))) == []
    assert list(differing(checkpoint_of(job), checkpoint_of(reference))) == []
    assert course_of(job, Losses, Validation) == course_of(reference, Losses, Validation)
    assert [event.is_final for event in without_superseded(job.read_events())].count(True) == 1
    assert isinstance(job.read_events()[-1], Finished)


def test_the_comparison_would_see_a_difference(the_uninterrupted_job):
    checkpoint = checkpoint_of(the_uninterrupted_job)
    assert {"/student", "/teacher", "/optimizer"} <= {"/" + name.split("/")[1] for name in checkpoint}
    changed = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in checkpoint.items()}
    name = next(name for name in changed if changed[name].numel() > 10)
    changed[name].view(-1)[3] += 1e-6
    assert list(differing(checkpoint, changed)) == [name]


@ON_POSIX
def test_a_training_that_was_killed_ends_as_if_it_never_was(a_running_job, the_uninterrupted_job):
    job, process = a_running_job
    assert job.status() is JobStatus.RUNNING
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert job.status() is JobStatus.CRASHED
    assert steps_beyond_checkpoint(job) > 0
    with open(job.events_path, "ab") as file:
        file.write(b'{"type": "losses", "ti')  # it was about to say something

    answer = run_engine("run", job.folder, "--resume")
    assert answer.returncode == 0, answer.stderr

    assert job.status() is JobStatus.FINISHED
    assert_same_training(job, the_uninterrupted_job)
    assert course_of(job, CheckpointSaved) == course_of(the_uninterrupted_job, CheckpointSaved)
    resumed_at = [event.step for event in job.read_events() if isinstance(event, Started)][1]
    assert PRETRAINING_STEPS < resumed_at < STEPS and resumed_at % 7 == 0


@pytest.mark.parametrize("kind", ["refreshed"], indirect=True)
def test_a_training_that_was_cancelled_goes_on_where_it_stopped(a_running_job, the_uninterrupted_job):
    job, process = a_running_job
    job.request_cancel()
    assert process.wait(PATIENCE_S) == 130
    last = job.read_events()[-1]
    assert isinstance(last, Cancelled)
    assert job.status() is JobStatus.CANCELLED
    assert not job.cancel_requested()
    assert steps_beyond_checkpoint(job) == 0

    assert work_on(job, resume=True) == 0
    starts = [event.step for event in job.read_events() if isinstance(event, Started)]
    assert starts == [0, last.step]
    assert_same_training(job, the_uninterrupted_job)


@ON_POSIX
@pytest.mark.parametrize("kind", ["teacher"], indirect=True)
def test_a_polite_signal_cancels(a_running_job, the_uninterrupted_job):
    job, process = a_running_job
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 130
    assert isinstance(job.read_events()[-1], Cancelled)
    assert job.status() is JobStatus.CANCELLED
    assert work_on(job, resume=True) == 0
    assert_same_training(job, the_uninterrupted_job)
