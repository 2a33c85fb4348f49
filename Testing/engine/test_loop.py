"""The loop: what is validated, what is kept, what is left out, and that warnings come in words."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
import torch
from small_jobs import tiny_phantoms, training_job, weights_of

from coranet.contract import JobStatus, ModelCard
from coranet.contract.events import CheckpointSaved, Failed, Finished, Losses, Noted, SnapshotSaved, Validation, Warned
from coranet.data.loading import Loader
from coranet.job_process.worker import work_on
from coranet.model_package import ModelPackage
from coranet.training import early_warnings, loop, validation
from coranet.training import job as training_job_module
from coranet.training.loop import PRETRAINING, SELF_TRAINING
from coranet.training.step import Stepper

pytestmark = pytest.mark.slow


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
    monkeypatch.setattr(validation, "validate", lambda *_: [next(scores)] * 2)
    job, events = train(
        training__pretraining_steps="2", training__self_training_steps="3", training__validation_interval="1"
    )
    assert [event.is_best for event in events(Validation)] == [False, False, True, True, False]
    assert ModelPackage.read(job.folder).card["best_step"] == 4


def test_without_a_second_stage_every_model_is_a_candidate(train, monkeypatch):
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(validation, "validate", lambda *_: [next(scores)] * 2)
    job, events = train(
        training__pretraining_steps="2", training__self_training_steps="0", training__validation_interval="1"
    )
    assert [event.is_best for event in events(Validation)] == [True, False]
    assert ModelPackage.read(job.folder).card["best_step"] == 1


def test_each_stage_has_its_steps_and_its_losses(train):
    _, events = train()
    assert [event.phase for event in events(Losses)] == [PRETRAINING] * 4 + [SELF_TRAINING] * 6
    assert all(event.certain == event.uncertain == 0 for event in events(Losses)[:4])
    assert all(event.certain + event.uncertain > 0 for event in events(Losses)[4:])
    assert [event.step for event in events(CheckpointSaved)] == [3, 6, 9, 10]


@pytest.mark.parametrize(("method", "expected"), [("coranet", [True] * 2 + [False] * 2), ("supervised", [True] * 4)])
def test_labeled_patches_exchange_boxes_as_long_as_they_are_alone(train, monkeypatch, method, expected):
    labeled, received = Loader.labeled, []
    monkeypatch.setattr(
        Loader, "labeled", lambda self, step, mixed: received.append(mixed) or labeled(self, step, mixed)
    )
    train(
        training__pretraining_steps="2",
        training__self_training_steps="2",
        training__pretraining_mixing="labeled",
        training__method=method,
    )
    assert received == expected


def test_without_unlabeled_scans_training_is_supervised_and_says_so(train):
    job, events = train({"unlabeled": 0})
    assert all(event.certain == 0 for event in events(Losses))
    assert any(event.code == "no_unlabeled" for event in events(Warned))
    assert job.status() is not JobStatus.FAILED


def test_without_validation_the_last_model_is_kept_and_that_is_said(train):
    job, events = train({"validation": 0})
    assert any(event.code == "no_validation" for event in events(Noted))
    assert not events(Validation) and not job.best_checkpoint_path.exists()
    assert ModelPackage.read(job.folder).card["best_step"] == 10


def spoil_losses(monkeypatch, spoil) -> list[int]:
    """Let `spoil` change the losses of each call, which it is given the number of; returns the steps called for."""
    real, calls = Stepper.losses, []

    def spoiled(stepper, *batches):
        calls.append(stepper._state.step + 1)
        return spoil(len(calls), real(stepper, *batches))

    monkeypatch.setattr(Stepper, "losses", spoiled)
    return calls


def test_a_loss_that_is_no_number_is_left_out_and_said_once(train, monkeypatch):
    spoil_losses(
        monkeypatch, lambda call, losses: replace(losses, total=losses.total * (torch.nan if call in (2, 3) else 1))
    )
    job, events = train()
    assert [event.code for event in events(Warned)].count("non_finite_loss") == 1
    assert [event.step for event in events(Losses)] == [1, 4, 5, 6, 7, 8, 9, 10]
    assert ModelPackage.read(job.folder).card["steps"] == 10


def test_losses_that_are_no_numbers_again_and_again_end_the_training_in_words(train, monkeypatch):
    monkeypatch.setattr(loop, "_MOST_BAD_STEPS", 3)
    spoil_losses(monkeypatch, lambda call, losses: replace(losses, total=losses.total * torch.nan))
    _, events = train()
    (failed,) = events(Failed)
    assert "was not a number in 3 steps in a row; lower training.learning_rate" in failed.message


def test_a_step_that_runs_out_of_memory_is_done_again_with_half_of_the_patches(train, monkeypatch):
    def fail_once(call, losses):
        if call == 6:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return losses

    calls = spoil_losses(monkeypatch, fail_once)
    sizes = []
    update = Stepper.update
    monkeypatch.setattr(
        Stepper, "update", lambda self, losses: sizes.append(len(losses.labels)) or update(self, losses)
    )
    job, events = train(training__labeled_batch_size="4", training__unlabeled_batch_size="2")
    assert calls == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10]
    assert sizes == [4] * 5 + [2] * 5
    (warning,) = (event for event in events(Warned) if event.code == "out_of_memory")
    assert "memory ran out in step 6; from here on a step has 2 labeled and 1 unlabeled patches" in warning.message
    assert [event.step for event in events(Losses)] == list(range(1, 11))
    assert events(Finished)


def test_memory_that_does_not_suffice_for_one_patch_ends_the_training_in_words(train, monkeypatch):
    def fail(call, losses):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.")

    spoil_losses(monkeypatch, fail)
    _, events = train()
    (failed,) = events(Failed)
    assert "there is not enough memory for a step with a single patch; lower data.patch_voxels" in failed.message


def test_another_error_of_a_step_is_not_taken_for_missing_memory(train, monkeypatch):
    def fail(call, losses):
        raise RuntimeError("shapes differ")

    calls = spoil_losses(monkeypatch, fail)
    _, events = train()
    assert calls == [1]
    assert "unexpected error ended the job (RuntimeError: shapes differ)" in events(Failed)[0].message


def test_what_goes_wrong_is_warned_of_while_there_is_time(train, monkeypatch):
    monkeypatch.setattr(early_warnings, "_READ_INTERVAL", 2)
    monkeypatch.setattr(early_warnings, "_PATIENCE_STEPS", dict.fromkeys(early_warnings._PATIENCE_STEPS, 4))

    def see_nothing(call, losses):
        return replace(losses, labels=torch.zeros_like(losses.labels))

    spoil_losses(monkeypatch, see_nothing)
    _, events = train()
    messages = [event.message for event in events(Warned) if event.code == "class_never_predicted"]
    assert len(messages) == 2
    assert messages[0].startswith("class 'organ' was never predicted in 4 steps")


def test_a_validation_case_without_a_class_is_warned_of(train, monkeypatch):
    monkeypatch.setattr(loop, "absent_in_validation", lambda cases, names: [Warned("x", f"{len(cases)} {names}")])
    _, events = train()
    assert "1 ('organ', 'lesion')" in [event.message for event in events(Warned)]


def test_snapshots_of_the_regions_are_kept_where_they_are_asked_for(train):
    job, events = train(training__snapshot_interval="4")
    taken = events(SnapshotSaved)
    assert [event.step for event in taken] == [4, 8, 10]
    assert all((job.folder / event.file).is_file() and 0 <= event.uncertain_share <= 1 for event in taken)
    assert len({event.case for event in taken}) == 1


def test_a_snapshot_of_a_case_that_there_is_not_is_an_error_before_the_first_step(train):
    _, events = train(training__snapshot_interval="4", training__snapshot_case="nobody")
    assert "training.snapshot_case is 'nobody'" in events(Failed)[0].message
    assert not events(Losses)


def test_the_card_says_which_classes_are_one_component(train, monkeypatch):
    monkeypatch.setattr(training_job_module, "single_component_classes", lambda maps, classes: tuple(classes)[1:])
    monkeypatch.setattr(training_job_module, "hang_together", lambda maps: len(maps) > 0)
    job, _ = train(training__pretraining_steps="1", training__self_training_steps="0")
    card = ModelCard.read(job.folder)
    assert card.single_component == (card.labels[1].name,) and card.hangs_together


def test_what_was_decided_is_noted(train):
    _, events = train()
    notes = {event.code: event.message for event in events(Noted)}
    assert "V-Net" in notes["backbone"]
    assert notes["patch"] == "each step takes 1 labeled and 1 unlabeled patch of 8 x 12 x 12 voxels."
    assert notes["memory_used"].startswith("at most ") or not sys.platform.startswith("linux")


def test_prepared_scans_are_shared_by_jobs_and_stay(tmp_path):
    dataset, shared = tiny_phantoms(tmp_path / "scans"), tmp_path / "shared ü"
    jobs, prepared = [], []
    for number in range(2):
        job = training_job(tmp_path / f"job {number}", dataset, data__cache_folder=str(shared))
        assert work_on(job, resume=False) == 0
        jobs.append(job)
        prepared.append({path.name: path.stat().st_mtime_ns for path in shared.iterdir()})
        assert not job.cache_folder.exists()
    assert prepared[0] == prepared[1] and len(prepared[0]) == 2 + 2 + 1 + 3  # images, and labels of three cases
    first, second = map(weights_of, jobs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_prepared_scans_of_a_job_itself_are_removed_at_its_end(train):
    job, events = train()
    assert events(Finished) and not job.cache_folder.exists()


@pytest.mark.parametrize("method", ["supervised", "mean_teacher", "umct", "advnet"])
def test_every_method_trains_to_a_model(train, method):
    # Some processors get gradients of bfloat16 wrong in patches as small as these.
    job, events = train(training__method=method, machine__precision="float32")
    assert events(Finished)
    assert ModelPackage.read(job.folder).card["method"] == method
    assert all(math.isfinite(event.total) for event in events(Losses)) and len(events(Losses)) == 10
    assert any(event.certain or event.uncertain for event in events(Losses)) is (method != "supervised")
