"""The loop of training: steps, validation, checkpoints, and a stop at any step without loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from ..config import TrainingConfig
from ..data.cache import PreparedCase
from ..data.patches import LabeledBatch, PatchSampler, UnlabeledBatch
from ..devices import Device
from ..errors import CoraNetError
from ..events import CheckpointSaved, Losses, Validation, Warned
from ..inference import SlidingWindow
from ..reporting import Pace, Reporter
from ..schedules import sigmoid_ramp_up
from ..tensors import save_tensors
from .state import TrainingState
from .steps import StepLosses, pretraining_step, self_training_step
from .validation import validate

PRETRAINING, SELF_TRAINING = "pretraining", "self-training"
# Student on twice the patches and the teacher's forward pass, against the student alone; only for the first guess.
_RELATIVE_COST = {PRETRAINING: 1.0, SELF_TRAINING: 2.4}
_MOST_BAD_STEPS = 20


@dataclass(frozen=True)
class TrainingCases:
    """Prepared cases by role. `class_names` are those of classes 1, 2, ..."""

    labeled: tuple[PreparedCase, ...]
    unlabeled: tuple[PreparedCase, ...]
    validation: tuple[PreparedCase, ...]
    class_names: tuple[str, ...]


class Trainer:
    """Runs a `TrainingState` to its last step."""

    def __init__(
        self,
        state: TrainingState,
        cases: TrainingCases,
        sampler: PatchSampler,
        tools: tuple[SlidingWindow, Reporter, Device],
    ) -> None:
        """Bring together what a training needs.

        Args:
            state: new, or loaded from a checkpoint.
            cases: what to learn from.
            sampler: cuts the patches.
            tools: how to validate on whole scans; where to report; where to compute.
        """
        self._state = state
        self._cases = cases
        self._sampler = sampler
        self._window, self._reporter, self._device = tools
        self._bad_steps = 0
        self._rate = 0.0

    def run(self, last_path: Path, best_path: Path) -> None:
        """Train until the last step.

        Args:
            last_path: checkpoint that is kept up to date.
            best_path: weights of the teacher that were best on the validation cases.

        Raises:
            JobCancelled: the user asked to stop; the checkpoint holds the last step done.
            StorageError: a checkpoint could not be written; the one before is whole.
        """
        state, config = self._state, self._config
        pace = Pace(self._reporter, self._phases(), _RELATIVE_COST)
        while state.step < state.total_steps:
            if self._reporter.should_stop():
                self._save(last_path)
                self._reporter.stop_if_asked()
            phase = self._phase(state.step)
            losses = self._step(phase)
            state.step += 1
            pace.step(phase, state.step)
            if state.step % config.log_interval == 0 or state.step == 1:
                self._report(phase, losses)
            is_last = state.step == state.total_steps
            if self._cases.validation and (state.step % config.validation_interval == 0 or is_last):
                self._validate(best_path)
            if state.step % config.checkpoint_interval == 0 or is_last:
                self._save(last_path)
            pace.pause()

    @property
    def _config(self) -> TrainingConfig:
        return self._state.config.training

    def _phases(self) -> dict[str, int]:
        return {PRETRAINING: self._config.pretraining_steps, SELF_TRAINING: self._config.self_training_steps}

    def _phase(self, step: int) -> str:
        return PRETRAINING if step < self._config.pretraining_steps else SELF_TRAINING

    def _step(self, phase: str) -> StepLosses:
        state = self._state
        self._rate = state.set_learning_rate()
        state.student.train()
        with self._device.autocast():
            losses = self._losses(phase)
        state.optimizer.zero_grad(set_to_none=True)
        if not self._is_finite(losses):
            return losses
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(state.student.parameters(), 12.0)
        state.optimizer.step()
        state.update_teacher()
        return losses

    def _losses(self, phase: str) -> StepLosses:
        state, config = self._state, self._config
        labeled = self._labeled_batch()
        if phase == PRETRAINING or not self._cases.unlabeled:
            return pretraining_step(state.student, labeled, config.misclassification_cost)
        begun = state.step - config.pretraining_steps
        ramp_up = sigmoid_ramp_up(begun, round(config.ramp_up_share * config.self_training_steps))
        teachers = (state.labeller, state.teacher)
        return self_training_step(state.student, teachers, (labeled, self._unlabeled_batch()), config, ramp_up)

    def _labeled_batch(self) -> LabeledBatch:
        batch = self._sampler.labeled(self._cases.labeled, self._state.step, self._config.labeled_batch_size)
        return LabeledBatch(self._on_device(batch.images), batch.targets.to(self._device.torch_device))

    def _unlabeled_batch(self) -> UnlabeledBatch:
        batch = self._sampler.unlabeled(self._cases.unlabeled, self._state.step, self._config.unlabeled_batch_size)
        return UnlabeledBatch(*(self._on_device(images) for images in batch))

    def _on_device(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(self._device.torch_device, memory_format=self._device.memory_format)

    def _is_finite(self, losses: StepLosses) -> bool:
        if math.isfinite(losses.total.item()):
            self._bad_steps = 0
            return True
        self._bad_steps += 1
        if self._bad_steps == 1:
            message = f"the loss of step {self._state.step + 1} is not a number; the step is left out."
            self._reporter.emit(Warned("non_finite_loss", message))
        if self._bad_steps >= _MOST_BAD_STEPS:
            raise CoraNetError(
                f"the loss was not a number in {_MOST_BAD_STEPS} steps in a row; "
                "lower training.learning_rate and start anew."
            )
        return False

    def _report(self, phase: str, losses: StepLosses) -> None:
        total = losses.total.item()
        parts = (total, losses.supervised, losses.certain, losses.uncertain)
        if all(math.isfinite(part) for part in parts):
            self._reporter.emit(Losses(self._state.step, phase, *parts, losses.uncertain_share, self._rate))

    def _validate(self, best_path: Path) -> None:
        names = self._cases.class_names
        scores = validate(self._state.teacher, self._cases.validation, self._window, len(names) + 1)
        known = [score for score in scores if not math.isnan(score)]
        mean = sum(known) / len(known) if known else 0.0
        # The few validation cases that there are must not throw the whole second stage away by chance.
        is_candidate = self._state.step > self._config.pretraining_steps or self._config.self_training_steps == 0
        is_best = is_candidate and (self._state.best_dice is None or mean > self._state.best_dice)
        dice = {name: None if math.isnan(score) else score for name, score in zip(names, scores, strict=True)}
        if is_best:
            self._state.best_dice = mean
            save_tensors(
                best_path, {"teacher": self._state.teacher.state_dict(), "step": self._state.step, "dice": dice}
            )
        self._reporter.emit(Validation(self._state.step, dice, mean, is_best))

    def _save(self, path: Path) -> None:
        self._state.save(path)
        self._reporter.emit(CheckpointSaved(self._state.step))
