"""Real steps with a stop watch, on networks that are thrown away afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from ..contract import Case, Role
from ..contract.config import TrainConfig
from ..data.augmentation import Augmentation
from ..data.cache import PreparedCase
from ..data.class_indices import index_type, places_by_class
from ..data.loading import Loader
from ..data.patches import PatchSampler
from ..inference.network_pass import SlidingWindow
from ..machine.devices import Device, is_out_of_memory
from ..machine.distributed import Team
from ..networks import Architecture
from ..planning.memory import BatchSizes, smaller_batches
from ..planning.steps import Durations, StepSeconds
from .cases import TrainingCases
from .state import TrainingState
from .step import Stepper
from .validation import validate

_WARM_UP = 1
# Of made-up scans so many steps are timed, or as many as this takes.
_MEASURED, _LONG_ENOUGH_S = 3, 0.5
# Of each stage of the training itself, steps are timed for this share of its time; in a team a number of them.
_SHARE_OF_TIME, _LONGEST_S = 0.01, 20.0
_MOST_OF_TRAINING, _OF_TEAM = 200, 4


def patch_sampler(
    config: TrainConfig, architecture: Architecture, spacing_dhw: tuple[float, ...], slice_axis: int | None = None
) -> PatchSampler:
    """What cuts and changes the patches of a training; `slice_axis`: across slices that stay in their plane."""
    training, channels = config.training, architecture.in_channels
    return PatchSampler(
        Augmentation(config.augmentation, architecture.patch_size_kji, spacing_dhw, channels, slice_axis),
        config.seed, config.data.foreground_patches, training.teacher_noise, (training.mixing, training.mixing_share),
        config.data.reviewed_patches,
    )  # fmt: skip


def measure_network(config: TrainConfig, device: Device, architecture: Architecture, sizes: BatchSizes) -> StepSeconds:
    """Time a few steps of a network on made-up scans.

    Args:
        config: of the training.
        device: where to compute.
        architecture: also for the patch size.
        sizes: of the batches.

    Returns:
        Seconds of a step of each stage.
    """
    state = TrainingState(config, architecture, device)
    sampler = patch_sampler(config, architecture, (1.0, 1.0, 1.0))
    labeled, unlabeled = _synthetic_case(sampler, architecture, True), _synthetic_case(sampler, architecture, False)
    with Loader(sampler, [labeled], [unlabeled] if sizes.unlabeled else [], sizes, device) as loader:
        return measure_steps(state, device, Team(), loader, _MEASURED, _LONG_ENOUGH_S)


def measure_whole_scan(config: TrainConfig, device: Device, architecture: Architecture) -> float:
    """Time how a network segments a whole scan, on a made-up one.

    Returns:
        Seconds a voxel.
    """
    case = _synthetic_case(patch_sampler(config, architecture, (1.0, 1.0, 1.0)), architecture, True)
    network = TrainingState(config, architecture, device).teacher
    start = time.monotonic()
    validate(network, [case], SlidingWindow.of(architecture, config.inference, device), architecture.classes)
    return (time.monotonic() - start) / int(case.image[0].size)


def measure_training(
    state: TrainingState, workplace: tuple[Device, Team, float], cases: TrainingCases, loader: Loader,
    window: SlidingWindow,
) -> Durations:  # fmt: skip
    """Time everything that a training does again and again, as it will be done.

    Args:
        state: is changed; throw it away.
        workplace: where to compute, the processes that train together (all must measure), and the seconds left.
        cases: of the training.
        loader: of the training; its batches are the same afterwards.
        window: how whole scans are validated.

    Returns:
        Seconds; those of whole scans in the leader alone.
    """
    _, team, _ = workplace
    step = _with_what_fits(state, workplace, loader)
    if not team.is_leader:
        return Durations(step)
    has_snapshots = state.config.training.snapshot_interval != 0 and bool(cases.unlabeled)
    if not cases.validation and not has_snapshots:
        return Durations(step)
    case = (*cases.validation, *cases.labeled)[0]
    start = time.monotonic()
    validate(state.teacher, [case], window, len(cases.class_names) + 1)
    seconds_a_voxel = (time.monotonic() - start) / case.image[0].size
    validation = sum(case.image[0].size for case in cases.validation) * seconds_a_voxel
    # A snapshot is brought back to the scan's own grid and written.
    return Durations(step, validation, 2 * cases.unlabeled[0].image[0].size * seconds_a_voxel if has_snapshots else 0.0)


def measure_steps(
    state: TrainingState, device: Device, team: Team, loader: Loader, count: int, enough_s: float = math.inf
) -> StepSeconds:
    """Time steps of both stages as they will be done.

    Args:
        state: is changed; throw it away.
        device: where to compute.
        team: the processes that train together; all must measure.
        loader: of the training; its batches are the same afterwards.
        count: at most so many steps of each stage are timed, after one that is not.
        enough_s: seconds after which fewer are enough.

    Returns:
        Seconds of a step of each stage, on the average.
    """
    stepper = Stepper(state, device, team)
    has_unlabeled = state.method.uses_unlabeled and loader.batch_sizes[1] > 0

    def pretraining(step: int) -> None:
        stepper.update(stepper.losses(loader.labeled(step), None, 0.0))

    def self_training(step: int) -> None:
        labeled = loader.labeled(step)
        unlabeled = loader.unlabeled(step, state.method.student_views) if has_unlabeled else None
        stepper.update(stepper.losses(labeled, unlabeled, 1.0))

    first = _seconds(pretraining, count, enough_s)
    return StepSeconds(first, _seconds(self_training, count, enough_s) if has_unlabeled else first)


def _with_what_fits(state: TrainingState, workplace: tuple[Device, Team, float], loader: Loader) -> StepSeconds:
    """Steps of both stages, with smaller batches where memory runs out."""
    device, team, left_s = workplace
    # The processes of a team must take the same steps.
    is_alone = team.count == 1
    most, enough_s = (_MOST_OF_TRAINING, min(_SHARE_OF_TIME * left_s, _LONGEST_S)) if is_alone else (_OF_TEAM, math.inf)
    while True:
        try:
            return measure_steps(state, device, team, loader, most, enough_s)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or team.count > 1:
                raise
        device.empty_cache()
        loader.batch_sizes, _ = smaller_batches(BatchSizes(*loader.batch_sizes), 0)


def _seconds(step: Callable[[int], None], count: int, enough_s: float) -> float:
    for number in range(_WARM_UP):
        step(number)
    start = time.monotonic()
    for count_done in range(1, count + 1):
        # Each update waits for the device.
        step(_WARM_UP + count_done)
        if time.monotonic() - start > enough_s:
            break
    return (time.monotonic() - start) / count_done


def _synthetic_case(sampler: PatchSampler, architecture: Architecture, is_labeled: bool) -> PreparedCase:
    size, channels = sampler.augmentation.source_size, architecture.in_channels
    random = np.random.default_rng(0)
    image = random.standard_normal((channels, *size), dtype=np.float32).astype(np.float16)
    padding = (-3.0,) * channels
    if not is_labeled:
        return PreparedCase(Case("made-up", Role.UNLABELED, "made-up"), image, None, (), padding)
    labels = random.integers(0, architecture.classes, size, dtype=index_type(architecture.classes - 1))
    places = places_by_class(labels, architecture.classes - 1)
    foreground = tuple(np.stack(np.unravel_index(some[:10], size), axis=1) for some in places)
    return PreparedCase(Case("made-up", Role.TRAINING, "made-up", "made-up"), image, labels, foreground, padding)
