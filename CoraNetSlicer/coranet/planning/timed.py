"""A plan for the time there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract import Datalist, Role
from ..contract.config import TrainConfig
from ..contract.config.time_budget import seconds_of
from ..contract.errors import ConfigError
from ..contract.events import duration
from ..data.preprocessing import ScanStatistics
from ..methods import METHODS
from ..training_set.structures import Structures
from ..training_set.survey import USED_ROLES
from .error_budget import reserved_s
from .memory import activation_bytes_per_voxel, most_voxels
from .search import Candidate, Search, voxels_a_step
from .sentences import patch_sentence, spacing_sentence, steps_sentence
from .speed import Speed
from .steps import FEWEST_STEPS, Durations, StepPlan, StepSeconds
from .workplace import Workplace

# Of the time that is left, what is not kept for checkpoints, events and other overhead.
_FOR_STEPS = 0.95
# Writing the model, and setting the dial.
_FINISH_S = 3.0
# Timing networks may take this share of the time, and these seconds.
_TIMING_SHARE, _TIMING_S = 0.05, {"cpu": 15.0}
_TIMING_ON_CARDS_S = 8.0
_FOR_VALIDATION = 0.05
# Fewer steps are warned of.
FEW_STEPS = 200


@dataclass(frozen=True)
class LabeledScans:
    """What the labeled cases say.

    Attributes:
        statistics: of the scans.
        structures: of the labels.
        seconds: that reading and preparing one case takes.
        is_part: whether they are the part that is looked at after a coarse stage, not whole scans.
    """

    statistics: Sequence[ScanStatistics]
    structures: Sequence[Structures]
    seconds: float = 0.0
    is_part: bool = False


@dataclass(frozen=True)
class TimedPlan:
    """What was chosen for a time.

    Attributes:
        chosen: spacing, network, patch and batch.
        steps: that are expected to fit.
        sentences: the plan and its reasons.
    """

    chosen: Candidate
    steps: StepPlan
    sentences: tuple[str, ...]


def plan_in_time(
    config: TrainConfig, datalist: Datalist, scans: LabeledScans, workplace: Workplace, channels: int
) -> TimedPlan:
    """Choose spacing, patch, network, batch and steps together.

    Args:
        config: has a time.
        datalist: the cases.
        scans: the labeled ones.
        workplace: the machine.
        channels: images of a scan.

    Raises:
        ConfigError: the time does not suffice for a training.
    """
    speed = speed_of(config, datalist, workplace)
    seconds = seconds_for_steps(config, datalist, scans.seconds, workplace) - max(0.0, speed.left_s)
    search = Search(
        config, scans.statistics, scans.structures, len(datalist.labels), speed.uses_unlabeled, speed,
        max(seconds, 1.0), channels,
    )  # fmt: skip
    candidates = search.candidates()
    chosen = _within_memory(candidates, workplace)
    seconds = seconds_for_steps(config, datalist, scans.seconds, workplace)
    steps = expected_steps(config, datalist, seconds, speed.step(chosen.architecture, chosen.sizes))
    sentences = (
        spacing_sentence(chosen, search),
        patch_sentence(chosen, search, [label.name for label in datalist.labels], scans.is_part),
        steps_sentence(steps, time_of_steps(config, datalist), workplace.device, is_final=False),
    )
    return TimedPlan(chosen, steps, sentences)


def speed_of(config: TrainConfig, datalist: Datalist, workplace: Workplace) -> Speed:
    """The speed of the machine, not measured yet."""
    if workplace.measure is None:
        raise ConfigError("a plan for a time needs to measure steps; set the numbers of steps instead.")
    kind = workplace.device.torch_device.type
    most_s = min(_TIMING_SHARE * workplace.left_s(config.time), _TIMING_S.get(kind, _TIMING_ON_CARDS_S))
    uses_unlabeled = METHODS[config.training.method].uses_unlabeled and bool(datalist.without_all_labels())
    return Speed(workplace.measure, most_s, kind, uses_unlabeled)


def seconds_for_steps(config: TrainConfig, datalist: Datalist, seconds_a_case: float, workplace: Workplace) -> float:
    """What of the time is left for steps and validations, if all cases are still to be prepared."""
    count = len(datalist.with_role(*USED_ROLES))
    left_s = workplace.left_s(config.time) - reserved_s(config, datalist)
    return _FOR_STEPS * (left_s - count * seconds_a_case - _FINISH_S)


def time_of_steps(config: TrainConfig, datalist: Datalist) -> str:
    """The time into which the steps fit, for people; with what is kept for an error model."""
    reserved = reserved_s(config, datalist)
    if not reserved:
        return config.time
    return f"{config.time}, of which the error model takes {duration(reserved)},"


def expected_steps(config: TrainConfig, datalist: Datalist, seconds: float, step: StepSeconds) -> StepPlan:
    """The steps that fit into some seconds.

    Raises:
        ConfigError: too few to learn anything.
    """
    has_validation = bool(datalist.with_role(Role.VALIDATION))
    # What a validation takes is known when the cases are prepared; that they keep to their share is known now.
    validation_s = _FOR_VALIDATION * max(seconds, 0.0) / 20 if has_validation else 0.0
    return steps_in_time(config, seconds, Durations(step, validation_s))


def steps_in_time(config: TrainConfig, seconds: float, durations: Durations) -> StepPlan:
    """The steps that fit into some seconds.

    Raises:
        ConfigError: too few to learn anything.
    """
    steps = StepPlan.in_time(config.training, seconds, durations)
    if steps is None:
        raise _too_short(config, durations.step, seconds)
    return steps


def final_steps(config: TrainConfig, left_s: float, durations: Durations) -> StepPlan:
    """The steps of a training whose cases are prepared; `left_s` is what is left of its time, in seconds.

    Where that has become too little, a few steps are done nevertheless: everything else is paid for.
    """
    # The dial is set on the validation cases once more.
    seconds = _FOR_STEPS * (left_s - _FINISH_S - durations.validation)
    steps = StepPlan.in_time(config.training, seconds, durations)
    while steps is None:
        seconds = max(2 * seconds, FEWEST_STEPS * durations.step.mean(config.training))
        steps = StepPlan.in_time(config.training, seconds, durations)
    return steps


def _too_short(config: TrainConfig, step: StepSeconds, seconds: float) -> ConfigError:
    """The sentence for a time in which nothing can be learned."""
    mean = step.mean(config.training)
    missing = FEW_STEPS * mean - seconds
    of_step = duration(mean) if mean >= 10 else f"{mean:.2g} s"
    from_where = f"a step takes about {of_step} here, and the scans have to be read and prepared first"
    return ConfigError(
        f"the time of {config.time} is too short for {FEWEST_STEPS} steps: {from_where}; give at least "
        f"{duration(60 * (1 + (missing + (seconds_of(config.time) or 0.0)) // 60))}."
    )


def _within_memory(candidates: Sequence[Candidate], workplace: Workplace) -> Candidate:
    """The best one whose step fits into free memory; the smallest where none does."""
    free = workplace.free_bytes
    known: dict[tuple[int, object, object], float] = {}
    for candidate in candidates:
        if free is None:
            return candidate
        key = (candidate.architecture.base_filters, candidate.architecture.kernels, candidate.architecture.strides)
        if key not in known:
            known[key] = activation_bytes_per_voxel(candidate.architecture, workplace.device)
        if voxels_a_step(candidate) <= most_voxels(free, known[key]):
            return candidate
    return min(candidates, key=lambda candidate: voxels_a_step(candidate) * candidate.architecture.base_filters)
