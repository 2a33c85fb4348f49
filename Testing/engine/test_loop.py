"""The loop: what is validated, what is kept, what is left out, and that warnings come in words."""

from __future__ import annotations

import pytest
import torch
from small_jobs import tiny_phantoms, training_job

from coranet.events import CheckpointSaved, Failed, Losses, Validation, Warned
from coranet.job import JobStatus
from coranet.model_package import ModelPackage
from coranet.training import loop
from coranet.training.loop import PRETRAINING, SELF_TRAINING
from coranet.training.steps import StepLosses
from coranet.worker import work_on


@pytest.fixture
def train(tmp_path):
    """Trains on tiny phantoms; gives the job and its events of a type."""

    def run(counts=None, **changes):
        dataset = tiny_phantoms(tmp_path / "scans", **(counts or {}))
        job = training_job(tmp_path / "job", dataset, **changes)
        work_on(job, resume=False)
        return job, lambda kind: [event for event in job.read_events() if isinstance(event, kind)]

    return run


def test_a_model_from_before_self_training_is_never_the_best(train, monkeypatch):
    scores = iter([0.9, 0.8, 0.3, 0.5, 0.4])
    monkeypatch.setattr(loop, "validate", lambda *_: [next(scores)] * 2)
    job, events = train(
        training__pretraining_steps="2", training__self_training_steps="3", training__validation_interval="1"
    )
    assert [event.is_best for event in events(Validation)] == [False, False, True, True, False]
    assert ModelPackage.read(job.folder).card["best_step"] == 4


def test_without_a_second_stage_every_model_is_a_candidate(train, monkeypatch):
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(loop, "validate", lambda *_: [next(scores)] * 2)
    job, events = train(
        training__pretraining_steps="2", training__self_training_steps="0", training__validation_interval="1"
    )
    assert [event.is_best for event in events(Validation)] == [True, False]
    assert ModelPackage.read(job.folder).card["best_step"] == 1


def test_each_stage_has_its_steps_and_its_losses(train):
    _, events = train()
    assert [event.phase for event in events(Losses)] == [PRETRAINING] * 4 + [SELF_TRAINING] * 6
    assert all(event.certain == event.uncertain == 0 for event in events(Losses)[:4])
    assert all(event.certain > 0 for event in events(Losses)[4:])
    assert [event.step for event in events(CheckpointSaved)] == [3, 6, 9, 10]


def test_without_unlabeled_scans_training_is_supervised_and_says_so(train):
    job, events = train({"unlabeled": 0})
    assert all(event.certain == 0 for event in events(Losses))
    assert any(event.code == "no_unlabeled" for event in events(Warned))
    assert job.status() is not JobStatus.FAILED


def test_without_validation_the_last_model_is_kept_and_that_is_said(train):
    job, events = train({"validation": 0})
    assert any(event.code == "no_validation" for event in events(Warned))
    assert not events(Validation) and not job.best_checkpoint_path.exists()
    assert ModelPackage.read(job.folder).card["best_step"] == 10


def test_a_loss_that_is_no_number_is_left_out_and_said_once(train, monkeypatch):
    real, calls = loop.pretraining_step, []

    def sometimes_broken(*arguments):
        calls.append(1)
        losses = real(*arguments)
        broken = StepLosses(losses.total * torch.nan, losses.supervised)
        return broken if len(calls) in (2, 3) else losses

    monkeypatch.setattr(loop, "pretraining_step", sometimes_broken)
    job, events = train()
    assert [event.code for event in events(Warned)].count("non_finite_loss") == 1
    assert [event.step for event in events(Losses)] == [1, 4, 5, 6, 7, 8, 9, 10]
    weights = ModelPackage.read(job.folder)
    assert weights.card["steps"] == 10


def test_losses_that_are_no_numbers_again_and_again_end_the_training_in_words(train, monkeypatch):
    monkeypatch.setattr(loop, "_MOST_BAD_STEPS", 3)
    monkeypatch.setattr(loop, "pretraining_step", lambda *_: StepLosses(torch.tensor(torch.nan), 0.0))
    _, events = train()
    (failed,) = events(Failed)
    assert "was not a number in 3 steps in a row; lower training.learning_rate" in failed.message
