"""Scans and steps that are too large for this machine: refused, or warned of, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..contract.config import TrainConfig
from ..contract.errors import DeviceError
from ..contract.events import Warned, duration
from ..networks import Architecture
from ..networks.architecture import product
from ..networks.planning import MOST_PATCH_VOXELS
from ..volume.grid import by
from .memory import VOLUMES_A_STEP, BatchSizes, patches_in_words
from .speed import Speed
from .workplace import Workplace

# Steps of more voxels than this are timed: as many as four usual ones of the largest automatic patch.
_TIMED_VOXELS = 4 * 2 * VOLUMES_A_STEP * MOST_PATCH_VOXELS
_SLOW_S = 60.0
_BYTES_OF_A_VOXEL = 4
# A patch that is halved a few times may have to be a little longer than a scan.
_MUCH_LONGER = 1.5


def require_memory_for_a_scan(size_dhw: Sequence[float], channels: int, workplace: Workplace) -> None:
    """Refuse a spacing, or a size, that makes more voxels of a scan than the main memory holds.

    Args:
        size_dhw: of the median prepared scan.
        channels: images of a scan.
        workplace: the machine.

    Raises:
        DeviceError: a prepared scan needs more memory than is free.
    """
    free, needed = workplace.free_main_bytes, _BYTES_OF_A_VOXEL * channels * math.prod(size_dhw)
    if free is not None and needed > free:
        size = by(tuple(map(round, size_dhw)))
        raise DeviceError(
            f"a scan at this spacing has {size} voxels and needs {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free; raise data.spacing_mm, or lower data.size_kji."
        )


def require_memory_for_a_step(
    architecture: Architecture, sizes: BatchSizes, bytes_per_voxel: float, workplace: Workplace
) -> None:
    """Refuse patches and batches that were set by hand and cannot fit, before a scan is prepared for them.

    What is measured is the least that a step needs. A graphics card that runs out of memory halves its batches, so of
    each kind one patch counts there.

    Args:
        architecture: with the size of the patch.
        sizes: of the batches.
        bytes_per_voxel: of `activation_bytes_per_voxel`.
        workplace: the machine.

    Raises:
        DeviceError: a step needs more memory than is free.
    """
    free = workplace.free_bytes
    if workplace.device.torch_device.type == "cuda":
        sizes = BatchSizes(min(1, sizes.labeled), min(1, sizes.unlabeled))
    needed = sum(sizes) * product(architecture.patch_size_kji) * bytes_per_voxel
    patch = by(architecture.patch_size_kji)
    if free is not None and needed > free:
        raise DeviceError(
            f"a step with {patches_in_words(sizes)} of {patch} voxels needs at least {needed / 2**30:.1f} "
            f"GiB of memory, and {free / 2**30:.1f} GiB are free; lower data.patch_size_kji, data.patch_voxels or the "
            "batch sizes, or compute elsewhere with machine.device."
        )


def patch_beyond_scans(architecture: Architecture, size_dhw: Sequence[float]) -> Warned | None:
    """A warning where a patch that was set by hand is much longer than the scans, so that it is filled with nothing.

    Args:
        architecture: with the size of the patch.
        size_dhw: of the median prepared scan.
    """
    longer = (count > _MUCH_LONGER * size for count, size in zip(architecture.patch_size_kji, size_dhw, strict=True))
    if not any(longer):
        return None
    patch, size = by(architecture.patch_size_kji), by(tuple(map(round, size_dhw)))
    return Warned(
        "patch_beyond_scans",
        f"patches of {patch} voxels are larger than the scans, which have about {size} voxels at the "
        "working spacing, and time goes into what lies beyond; lower data.patch_size_kji.",
    )


def slow_steps(
    architecture: Architecture, sizes: BatchSizes, config: TrainConfig, workplace: Workplace
) -> Warned | None:  # fmt: skip
    """A warning where one step takes a minute or more; only steps that are much larger than usual are timed.

    Args:
        architecture: with the size of the patch.
        sizes: of the batches.
        config: of the training; one with a time has as many steps as fit into it.
        workplace: the machine.
    """
    voxels = sum(sizes) * product(architecture.patch_size_kji)
    if config.time or voxels <= _TIMED_VOXELS or workplace.measure is None:
        return None
    device = workplace.device
    speed = Speed(workplace.measure, 0.0, device.torch_device.type, sizes.unlabeled > 0)
    step = speed.step(architecture, sizes).mean(config.training)
    if step < _SLOW_S:
        return None
    steps = config.training.pretraining_steps + config.training.self_training_steps
    patch = by(architecture.patch_size_kji)
    return Warned(
        "slow_steps",
        f"a step with {patches_in_words(sizes)} of {patch} voxels takes about {duration(step)} on "
        f"{device.name}, and all {steps:,} steps {duration(step * steps)}; lower data.patch_size_kji or the batch "
        "sizes, or give a time.",
    )
