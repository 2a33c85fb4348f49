"""A training ends with an error model; a stop there leaves the model usable, and a resume changes no bit."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from patience import wait_until
from prepared import a_prepared_case
from small_jobs import differing, run_engine, started_engine, tiny_phantoms, training_job, weights_of

from coranet.contract import Job, JobStatus, ModelCard
from coranet.contract.events import Cancelled, Finished, Noted, Progress
from coranet.error_model import ErrorModel
from coranet.job_process.worker import work_on
from coranet.reporting import Reporter
from coranet.training import error_stage
from coranet.training.error_stage import ERROR_MODEL, _StageProgress, largest_boxes

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signal that kills at once")
WITH_FOLDS = {
    "training__error_model": "on", "training__pretraining_steps": "40", "training__self_training_steps": "20",
    "training__error_tolerance_mm": "1.5",
}  # fmt: skip


def test_of_a_case_in_boxes_the_largest_counts():
    small, large, other = (a_prepared_case(shape) for shape in ((6, 6, 6), (8, 6, 6), (4, 4, 4)))
    boxes = [replace(box, case=replace(box.case, id=name)) for box, name in ((small, "a"), (large, "a"), (other, "b"))]
    assert [box.image.shape[1:] for box in largest_boxes(boxes)] == [(8, 6, 6), (4, 4, 4)]
    assert largest_boxes([]) == []


def test_progress_counts_short_trainings_and_fits_together(a_reporter, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("coranet.training.error_stage.time.monotonic", lambda: float(next(clock)))
    received: list[Any] = []
    progress = _StageProgress(Reporter(received.append, lambda: False), 20, 2.0)
    relay = progress.of_training(5, progress._reporter)
    for step in (1, 2, 5):
        relay(Progress("pretraining", step, 5))
    for _ in range(9):
        progress.fit_step()
    steps = [event.step for event in received]
    assert steps == sorted(steps) and steps[:3] == [6, 7, 10] and steps[-1] == 19
    assert {(event.phase, event.total_steps) for event in received} == {(ERROR_MODEL, 20)}
    assert all(event.seconds_left >= 0 for event in received[1:])


@pytest.fixture(scope="module")
def a_data_set(tmp_path_factory):
    return tiny_phantoms(tmp_path_factory.mktemp("phantoms"), labeled=2, unlabeled=2, validation=1)


@pytest.fixture(scope="module")
def the_uninterrupted_job(tmp_path_factory, a_data_set) -> Job:
    job = training_job(tmp_path_factory.mktemp("uninterrupted") / "job", a_data_set, **WITH_FOLDS)
    assert work_on(job, resume=False) == 0
    return job


def error_model_of(job: Job) -> tuple[dict[str, torch.Tensor], Any]:
    weights = torch.load(job.model_folder / "error_model.pt", weights_only=True)
    return weights, json.loads((job.model_folder / "model.json").read_text(encoding="utf-8"))["error_model"]


def assert_same_error_model(job: Job, reference: Job) -> None:
    (weights, content), (expected, expected_content) = error_model_of(job), error_model_of(reference)
    assert list(differing(weights_of(job), weights_of(reference))) == []
    assert list(differing(weights, expected)) == []
    assert content == expected_content
    assert job.error_plan_path.read_text(encoding="utf-8") == reference.error_plan_path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_training_ends_with_an_error_model(the_uninterrupted_job):
    job = the_uninterrupted_job
    card = ModelCard.read(job.folder).error_model
    assert (card.tolerance_mm, card.cases) == (1.5, 3)
    assert [promise.share for promise in card.promises] == [0.8, 0.9, 0.95]
    assert [promise.promised for promise in card.promises] == pytest.approx([0.65, 0.7, 0.725])  # of three cases
    assert ErrorModel.read(job.model_folder) is not None
    events = job.read_events()
    assert "uncertain region" in events[-1].message and isinstance(events[-1], Finished)
    assert [event.code for event in events if isinstance(event, Noted) and "error_model" in event.code] == [ERROR_MODEL]
    assert {event.phase for event in events if isinstance(event, Progress)} >= {"pretraining", ERROR_MODEL}
    folds = json.loads(job.error_plan_path.read_text(encoding="utf-8"))["folds"]
    assert sorted(name for fold in folds for name in fold) == ["case001", "case002"]
    assert not job.cache_folder.exists()


@ON_POSIX
@pytest.mark.slow
def test_killed_in_a_short_training_it_ends_as_if_it_never_was(tmp_path, a_data_set, the_uninterrupted_job):
    job = training_job(tmp_path / "job", a_data_set, **WITH_FOLDS)
    process = started_engine(job)
    try:
        wait_until(lambda: job.fold_checkpoint_path(1).exists())
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert job.status() is JobStatus.CRASHED
    # The model is there without it.
    assert ModelCard.read(job.folder).error_model is None and ErrorModel.read(job.model_folder) is None

    answer = run_engine("run", job.folder, "--resume")
    assert answer.returncode == 0, answer.stderr
    assert_same_error_model(job, the_uninterrupted_job)


@pytest.mark.slow
def test_stopped_in_a_fit_it_goes_on_from_the_short_trainings(tmp_path, a_data_set, the_uninterrupted_job, monkeypatch):
    # Each step is told, however fast they are.
    monkeypatch.setattr(error_stage, "_QUIET_S", 0.0)
    job = training_job(tmp_path / "job", a_data_set, **WITH_FOLDS)

    def stop_in_a_fit(event: object) -> None:
        if isinstance(event, Progress) and event.phase == ERROR_MODEL and job.fold_checkpoint_path(2).exists():
            job.request_cancel()

    assert work_on(job, resume=False, listener=stop_in_a_fit) == 130
    assert isinstance(job.read_events()[-1], Cancelled) and ModelCard.read(job.folder).error_model is None
    before = [job.fold_checkpoint_path(number).stat().st_mtime_ns for number in (1, 2)]
    assert work_on(job, resume=True) == 0
    assert_same_error_model(job, the_uninterrupted_job)
    assert job.fold_checkpoint_path(1).stat().st_mtime_ns == before[0]


@pytest.mark.slow
def test_of_four_cases_that_validate_it_learns_without_short_trainings(tmp_path):
    data = tiny_phantoms(tmp_path / "phantoms", labeled=2, unlabeled=2, validation=4)
    steps = {"training__pretraining_steps": "100", "training__self_training_steps": "100"}
    job = training_job(tmp_path / "job", data, training__error_model="auto", **steps)
    assert work_on(job, resume=False) == 0
    assert ModelCard.read(job.folder).error_model.cases == 4 and ErrorModel.read(job.model_folder) is not None
    assert json.loads(job.error_plan_path.read_text(encoding="utf-8"))["folds"] == []


@pytest.mark.slow
def test_an_old_training_has_none(tmp_path, a_data_set):
    job = training_job(tmp_path / "job", a_data_set, training__error_model="off")
    assert work_on(job, resume=False) == 0
    assert ModelCard.read(job.folder).error_model is None and not job.error_plan_path.exists()
    assert np.all([not isinstance(event, Noted) or "error_model" not in event.code for event in job.read_events()])
