"""The loop of training: steps, validation, checkpoints, and a stop at any step without loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..contract.config import TrainingConfig
from ..contract.errors import CoraNetError
from ..contract.events import CheckpointSaved, Losses, Validation, Warned
from ..data.loading import Loader
from ..data.patches import LabeledBatch, UnlabeledBatch
from ..inference.network_pass import SlidingWindow
from ..machine.devices import Device, is_out_of_memory
from ..machine.distributed import Team
from ..methods import StepLosses
from ..planning.memory import BatchSizes, smaller_batches
from ..planning.steps import StepPlan
from ..reporting import Pace, Reporter
from ..schedules import sigmoid_ramp_up
from ..tensors import save_tensors
from .cases import TrainingCases
from .early_warnings import EarlyWarnings, absent_in_validation
from .snapshots import Snapshots
from .state import TrainingState
from .step import Stepper
from .validation import score

PRETRAINING, SELF_TRAINING = "pretraining", "self-training"
# Student on twice the patches and the teacher's forward pass, against the student alone; only for the first guess.
RELATIVE_COST = {PRETRAINING: 1.0, SELF_TRAINING: 2.4}
_MOST_BAD_STEPS = 20


@dataclass(frozen=True)
class TrainerContext:
    """What a trainer works with.

    Attributes:
        device: where to compute.
        team: the processes that train together.
        window: how to validate on whole scans.
        reporter: takes events, knows when to stop.
        snapshots: keeps the regions of an unlabeled case; None: there are none.
        time_after: how long what comes after the steps takes, as a share of what they take.
    """

    device: Device
    team: Team
    window: SlidingWindow
    reporter: Reporter
    snapshots: Snapshots | None = None
    time_after: float = 0.0


class Trainer:
    """Runs a `TrainingState` to its last step."""

    def __init__(self, state: TrainingState, cases: TrainingCases, loader: Loader, context: TrainerContext) -> None:
        """Bring together what a training needs.

        Args:
            state: new, or loaded from a checkpoint.
            cases: what to learn from.
            loader: gives the batches of a step.
            context: device, team, window, reporter.
        """
        self._state = state
        self._cases = cases
        self._loader = loader
        self._context = context
        self._reporter = context.reporter
        self._steps = StepPlan.as_set(state.config.training)
        self._stepper = Stepper(state, context.device, context.team)
        self._warnings = EarlyWarnings(cases.class_names, state.total_steps, not self._config.initial_model)
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
        state, context = self._state, self._context
        for warning in absent_in_validation(self._cases.validation, self._cases.class_names):
            self._reporter.emit(warning)
        if self._config.initial_model and state.step == 0 and state.before is None and context.team.is_leader:
            self._validate_initial(best_path)
        pace = Pace(self._reporter, self._phases(), RELATIVE_COST, context.time_after)
        while state.step < state.total_steps:
            if context.team.any(self._reporter.should_stop()):
                self._save(last_path)
                self._reporter.stop()
            phase = self._phase(state.step)
            losses = self._step(phase)
            state.step += 1
            pace.step(phase, state.step)
            self._report(phase, losses)
            if context.team.is_leader:
                self._keep(last_path, best_path)
            pace.pause()

    @property
    def _config(self) -> TrainingConfig:
        return self._state.config.training

    def _phases(self) -> dict[str, int]:
        return {PRETRAINING: self._config.pretraining_steps, SELF_TRAINING: self._config.self_training_steps}

    def _phase(self, step: int) -> str:
        return PRETRAINING if step < self._config.pretraining_steps else SELF_TRAINING

    def _step(self, phase: str) -> StepLosses:
        self._rate = self._state.set_learning_rate()
        while True:
            try:
                losses = self._stepper.losses(*self._batches(phase))
                self._count_bad_step(self._stepper.update(losses))
                return losses
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._context.team.count > 1:
                    raise
            # Outside of the handler: its traceback would keep the tensors of the failed step alive.
            self._stepper.forget()
            sizes = BatchSizes(*self._loader.batch_sizes)
            self._loader.batch_sizes, warning = smaller_batches(sizes, self._state.step + 1)
            self._reporter.emit(warning)

    def _batches(self, phase: str) -> tuple[LabeledBatch, UnlabeledBatch | None, float]:
        """What a step learns from, and the weight of its unlabeled losses."""
        step, config = self._state.step, self._config
        labeled = self._loader.labeled(step, self._mixes_labeled(phase))
        if phase == PRETRAINING or not self._cases.unlabeled:
            return labeled, None, 0.0
        method = self._state.method
        unlabeled = self._loader.unlabeled(step, method.student_views) if method.uses_unlabeled else None
        return labeled, unlabeled, self._ramp_up(step - config.pretraining_steps)

    def _mixes_labeled(self, phase: str) -> bool:
        """Whether labeled patches exchange boxes with each other: where no unlabeled one is there to do so."""
        uses_unlabeled = phase == SELF_TRAINING and self._cases.unlabeled and self._state.method.uses_unlabeled
        return self._config.pretraining_mixing == "labeled" and not uses_unlabeled

    def _ramp_up(self, step: int) -> float:
        """Weight of the unlabeled losses at a step of self-training; a teacher that has learned counts at once."""
        config = self._config
        length = 0 if config.initial_model else round(config.ramp_up_share * config.self_training_steps)
        return sigmoid_ramp_up(step, length)

    def _count_bad_step(self, was_updated: bool) -> None:
        if was_updated:
            self._bad_steps = 0
            return
        self._bad_steps += 1
        if self._bad_steps == 1:
            message = f"the loss of step {self._state.step + 1} is not a number; the step is skipped."
            self._reporter.emit(Warned("non_finite_loss", message))
        if self._bad_steps >= _MOST_BAD_STEPS:
            raise CoraNetError(
                f"the loss was not a number in {_MOST_BAD_STEPS} steps in a row; "
                "lower training.learning_rate and start again."
            )

    def _report(self, phase: str, losses: StepLosses) -> None:
        for warning in self._warnings.observe(self._state.step, losses):
            self._reporter.emit(warning)
        if self._state.step % self._config.log_interval and self._state.step != 1:
            return
        parts = (losses.total, losses.supervised, losses.certain, losses.uncertain, losses.uncertain_share)
        values = self._context.team.mean([0.0 if part is None else part.item() for part in parts])
        if all(math.isfinite(value) for value in values):
            total, supervised, certain, uncertain, share = values
            event = Losses(self._state.step, phase, total, supervised, certain, uncertain, share, self._rate)
            self._reporter.emit(event)

    def _keep(self, last_path: Path, best_path: Path) -> None:
        """What the leader alone does after a step, where it is due: validation, snapshot, checkpoint."""
        snapshots = self._context.snapshots
        if self._cases.validation and self._is_due(self._steps.validation_interval):
            # The few validation cases that there are must not throw the whole second stage away by chance.
            is_candidate = self._phase(self._state.step - 1) == SELF_TRAINING or self._config.self_training_steps == 0
            self._validate(best_path, is_candidate)
        if snapshots is not None and self._is_due(self._steps.snapshot_interval):
            self._reporter.emit(snapshots.take(self._state.teacher, self._state.step))
        if self._is_due(self._steps.checkpoint_interval):
            self._save(last_path)

    def _is_due(self, interval: int) -> bool:
        return self._state.step % interval == 0 or self._state.step == self._state.total_steps

    def _validate_initial(self, best_path: Path) -> None:
        """What the model can do from which the training goes on; its weights stay the best until others are better."""
        if self._cases.validation:
            self._state.before = self._validate(best_path, is_candidate=True)

    def _validate(self, best_path: Path, is_candidate: bool) -> dict[str, float | None]:
        scored = score(self._state.teacher, self._cases, self._context.window)
        is_best = is_candidate and (self._state.best_dice is None or scored.mean > self._state.best_dice)
        if is_best:
            self._state.best_dice = scored.mean
            save_tensors(
                best_path, {"teacher": self._state.teacher.state_dict(), "step": self._state.step, "dice": scored.dice}
            )
        self._reporter.emit(Validation(self._state.step, scored.dice, scored.mean, is_best))
        return scored.dice

    def _save(self, path: Path) -> None:
        if self._context.team.is_leader:
            self._state.save(path)
            self._reporter.emit(CheckpointSaved(self._state.step))
