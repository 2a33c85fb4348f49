"""How many steps a training has, and how often something else is done between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from ..contract.config import TrainConfig
from ..contract.config.schema import TrainingConfig

_EVERY = 100
_SNAPSHOTS = 20
# Shares of the time, and seconds, that are not steps.
_VALIDATION_SHARE, _SNAPSHOT_SHARE = 0.05, 0.02
_CHECKPOINT_S = 100.0
_MOST_TIMES = 20
FEWEST_STEPS = 20


class StepSeconds(NamedTuple):
    """How long a step of each stage takes."""

    pretraining: float
    self_training: float

    def mean(self, training: TrainingConfig) -> float:
        """Of a step of a training whose stages have the ratio of the settings."""
        share = pretraining_share(training)
        return share * self.pretraining + (1 - share) * self.self_training


class Durations(NamedTuple):
    """How long everything takes that a training does again and again, in seconds; 0: it does not do it.

    Attributes:
        step: of each stage.
        validation: of all validation cases.
        snapshot: of one scan.
    """

    step: StepSeconds
    validation: float = 0.0
    snapshot: float = 0.0


@dataclass(frozen=True)
class StepPlan:
    """The steps of a training; fixed once it has started.

    Attributes:
        pretraining: steps on labeled cases alone.
        self_training: steps on labeled and unlabeled cases.
        validation_interval: steps between validations.
        checkpoint_interval: steps between checkpoints.
        snapshot_interval: steps between snapshots; 0: none.
    """

    pretraining: int
    self_training: int
    validation_interval: int
    checkpoint_interval: int
    snapshot_interval: int

    @property
    def total(self) -> int:
        """Steps of both stages."""
        return self.pretraining + self.self_training

    @staticmethod
    def as_set(training: TrainingConfig) -> StepPlan:
        """The steps of the settings, whatever time they take."""
        total = training.pretraining_steps + training.self_training_steps
        snapshots = training.snapshot_interval
        return StepPlan(
            training.pretraining_steps,
            training.self_training_steps,
            training.validation_interval or _EVERY,
            training.checkpoint_interval or _EVERY,
            max(1, total // _SNAPSHOTS) if snapshots is None else snapshots,
        )

    @staticmethod
    def in_time(training: TrainingConfig, left_s: float, durations: Durations) -> StepPlan | None:
        """The steps that a time allows, in the ratio of the settings.

        Args:
            training: also for the intervals that are fixed.
            left_s: seconds for steps, validations and snapshots together.
            durations: how long each of them takes.

        Returns:
            The steps; None where the time does not suffice for a training.
        """
        mean = durations.step.mean(training)
        # The last step is validated in any case.
        validations = _times(training.validation_interval, _VALIDATION_SHARE, (left_s, mean, durations.validation))
        snapshots = _times(training.snapshot_interval, _SNAPSHOT_SHARE, (left_s, mean, durations.snapshot))
        beside_s = validations * durations.validation + snapshots * durations.snapshot
        total = int((left_s - beside_s) / max(mean, 1e-6))
        if total < FEWEST_STEPS:
            return None
        pretraining = round(total * pretraining_share(training))
        planned = replace(
            training,
            pretraining_steps=pretraining,
            self_training_steps=total - pretraining,
            validation_interval=_interval(training.validation_interval, total, validations),
            checkpoint_interval=training.checkpoint_interval or max(1, int(_CHECKPOINT_S / max(*durations.step, 1e-6))),
            snapshot_interval=_interval(training.snapshot_interval, total, snapshots),
        )
        return StepPlan.as_set(planned)

    def applied_to(self, config: TrainConfig) -> TrainConfig:
        """The settings with these numbers in place of those that were set."""
        training = replace(
            config.training,
            pretraining_steps=self.pretraining,
            self_training_steps=self.self_training,
            validation_interval=self.validation_interval,
            checkpoint_interval=self.checkpoint_interval,
            snapshot_interval=self.snapshot_interval,
        )
        return replace(config, training=training)


def _times(interval: int | None, share: float, seconds: tuple[float, float, float]) -> int:
    """How often something is done beside steps: by a fixed interval, else within a share of the time."""
    left_s, step_s, each_s = seconds
    if each_s <= 0 or interval == 0:
        return 0
    if interval is not None:
        return max(1, int(left_s / (step_s * interval + each_s)))
    return min(max(int(share * left_s / each_s), 1), _MOST_TIMES)


def _interval(interval: int | None, total: int, times: int) -> int:
    return -(-total // max(times, 1)) if interval is None else interval


def pretraining_share(training: TrainingConfig) -> float:
    """Share of the steps that are on labeled cases alone."""
    total = training.pretraining_steps + training.self_training_steps
    return training.pretraining_steps / total if total else 0.0
