"""Short trainings that leave labeled cases out: the error model learns from cases that a network has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..contract.codec import from_json, to_json
from ..contract.config import TrainConfig
from ..contract.errors import JobError

SCHEMA_VERSION = 1
# So many trainings, and fewer of these numbers of labeled cases: two that learn from half of them each are better
# taught in their time than more that learn from more.
_MOST_FOLDS, _TWO_FOLDS_OF = 3, (2, 4, 5, 6)
# More would not make a short training a better stand-in.
_MOST_STEPS = 4000
# Of what the error model takes, what short trainings take; fits take the rest.
_FOLDS_SHARE = 0.6
_FEWEST_FIT_STEPS, MOST_FIT_STEPS = 4, 240
_FEWEST_FOLD_STEPS = 20
# Other overhead.
_COUNTED = 0.9


@dataclass(frozen=True)
class ErrorPlan:
    """How an error model is made; fixed once that has started.

    Attributes:
        folds: for each short training the names of the cases that it leaves out.
        steps: of each of these trainings.
        fit_steps: of each fit of the error model.
        tolerance_mm: of deep errors.
        fit_cost: how long a step of a fit takes, in steps of a short training.
    """

    folds: tuple[tuple[str, ...], ...]
    steps: int
    fit_steps: int
    tolerance_mm: float
    fit_cost: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"schema_version": SCHEMA_VERSION, **to_json(self)}

    @staticmethod
    def from_dict(content: Any, source: object) -> ErrorPlan:
        """The inverse of `to_dict`.

        Raises:
            JobError: it is damaged, or was written by another version.
        """
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            return from_json(ErrorPlan, content)
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(f"'{source}' cannot be read ({error}); start a new job.") from error


def folds_of(names: Sequence[str], seed: int) -> tuple[tuple[str, ...], ...]:
    """Which cases each short training leaves out: each case by one of them, and none leaves all out.

    Args:
        names: of the labeled cases; () where none has to be left out.
        seed: of the order.
    """
    if len(names) < 2:
        return ()
    count = 2 if len(names) in _TWO_FOLDS_OF else _MOST_FOLDS
    order = [sorted(names)[index] for index in np.random.default_rng(seed).permutation(len(names))]
    return tuple(tuple(sorted(order[fold::count])) for fold in range(count))


def fold_config(config: TrainConfig, steps: int) -> TrainConfig:
    """The configuration of a short training: the first stage of the whole one, from its first weights.

    A model from which the whole training goes on may have seen the case, so it is left out.

    Args:
        config: of the whole training.
        steps: of the short one.
    """
    training = replace(
        config.training, initial_model="", pretraining_steps=steps, self_training_steps=0, validation_interval=steps,
        checkpoint_interval=min(50, config.training.checkpoint_interval or 50), snapshot_interval=0, averaged_share=0.0,
    )  # fmt: skip
    return replace(config, time="", training=training)


def steps_for_share(config: TrainConfig, folds: int, relative_cost: float) -> tuple[int, int]:
    """Steps of each short training, and of each fit, where the steps of the training are set.

    Args:
        config: of the whole training, with its steps.
        folds: number of short trainings.
        relative_cost: of a step of self-training, in steps of pretraining.
    """
    training = config.training
    cost = training.pretraining_steps + relative_cost * training.self_training_steps
    share = training.error_model_share
    # The whole is what it takes and what the steps take.
    for_folds = _FOLDS_SHARE * share / (1 - share) * cost
    steps = 0 if not folds else min(max(1, round(for_folds / folds)), _MOST_STEPS)
    total = training.pretraining_steps + training.self_training_steps
    return steps, min(max(_FEWEST_FIT_STEPS, total // 4), MOST_FIT_STEPS)


@dataclass(frozen=True)
class StageSeconds:
    """How long the parts of making an error model take.

    Attributes:
        predicting: all of the cases, once.
        step: one step of a short training.
        fit_step: one step of a fit.
        fits: how many fits there are.
    """

    predicting: float
    step: float
    fit_step: float
    fits: int


def steps_in_time(left_s: float, folds: int, seconds: StageSeconds, most_steps: int) -> tuple[int, int]:
    """Steps of each short training, and of each fit, that fit into some seconds; a few are done in any case.

    Args:
        left_s: seconds.
        folds: number of short trainings.
        seconds: that the parts take.
        most_steps: of a short training: no more than the whole training has.
    """
    left_s = max(0.0, _COUNTED * left_s - seconds.predicting)
    for_fits = left_s * (1 - _FOLDS_SHARE if folds else 1.0)
    fit_steps = int(for_fits / max(seconds.fits * seconds.fit_step, 1e-6))
    fit_steps = min(max(fit_steps, MOST_FIT_STEPS // 8), MOST_FIT_STEPS)
    left_s -= seconds.fits * fit_steps * seconds.fit_step
    steps = int(left_s / max(folds * seconds.step, 1e-6)) if folds else 0
    return min(max(steps, _FEWEST_FOLD_STEPS), _MOST_STEPS, most_steps) if folds else 0, fit_steps
