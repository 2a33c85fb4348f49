"""How long a training of so many steps takes: the time of its parts, which the engine measured, and their number."""

from __future__ import annotations

from dataclasses import dataclass

from .config import TrainConfig
from .events import PaceMeasured, duration

# Steps between validations where the settings do not say.
_USUAL_INTERVAL = 100
# A larger share of the time that goes into whole scans is mentioned.
_MUCH = 0.3


@dataclass(frozen=True)
class TrainingAmounts:
    """How much a training has to do.

    Attributes:
        cases: to be prepared.
        pretraining_steps, self_training_steps: of each stage.
        whole_scans: to be segmented, for validation and snapshots.
    """

    cases: int
    pretraining_steps: int
    self_training_steps: int
    whole_scans: int

    @staticmethod
    def of(config: TrainConfig, cases: int, validation_cases: int, has_unlabeled: bool) -> TrainingAmounts:
        """Of a training with so many cases in all, of which some validate."""
        training = config.training
        steps = training.pretraining_steps + training.self_training_steps
        scans = validation_cases * _times(steps, training.validation_interval or _USUAL_INTERVAL)
        if training.snapshot_interval and has_unlabeled:
            scans += _times(steps, training.snapshot_interval)
        return TrainingAmounts(cases, training.pretraining_steps, training.self_training_steps, scans)


def training_seconds(pace: PaceMeasured, amounts: TrainingAmounts) -> tuple[float, float]:
    """Seconds of the whole training, and those of them that segment whole scans."""
    whole_scans = pace.whole_scan * amounts.whole_scans
    steps = pace.pretraining * amounts.pretraining_steps + pace.self_training * amounts.self_training_steps
    whole = pace.case * amounts.cases + steps + whole_scans
    return whole / (1 - pace.error_model_share), whole_scans


def training_time_text(pace: PaceMeasured, amounts: TrainingAmounts) -> str:
    """The time in a sentence, and in a second one what takes much of it: "About 25 min on CPU: 0.5 s a step."."""
    whole, whole_scans = training_seconds(pace, amounts)
    text = f"About {duration(whole)} on {pace.device}: {_step_text(pace, amounts)}."
    if whole and whole_scans / whole > _MUCH:
        share = f"{100 * whole_scans / whole:.0f} %"
        text += f" Validation and snapshots take {share} of it; longer intervals make it faster."
    return text


def _step_text(pace: PaceMeasured, amounts: TrainingAmounts) -> str:
    first, second = f"{pace.pretraining:.2g}", f"{pace.self_training:.2g}"
    if not amounts.self_training_steps or not amounts.pretraining_steps:
        return f"{first if amounts.pretraining_steps else second} s a step"
    return f"{first} s a step of pretraining, {second} s of self-training"


def _times(steps: int, interval: int) -> int:
    """How often something happens that happens every `interval` steps and at the end."""
    return -(-steps // interval)
