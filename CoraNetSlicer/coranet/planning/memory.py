"""What fits into free memory: patch and batch sizes before training, smaller batches when memory ran out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..contract.config import DataConfig, TrainingConfig
from ..contract.errors import DeviceError
from ..contract.events import Warned
from ..machine.devices import Device
from ..methods.method import heads_loss
from ..networks import Architecture, CoraNet, place

VOLUMES_A_STEP, SLICES_A_STEP = 2, 8
# Gradients of activations, the teacher's pass and the workspace of convolutions come on top of what is measured: 1.14
# to 1.47 times as much was seen on a processor.
_OVERHEAD = 1.6
# What other programs, validation and the next batch take.
_RESERVE = 0.2
_FEWEST_PATCH_VOXELS = 4096
_MEASURED_SIDE = 16


class BatchSizes(NamedTuple):
    """Patches a step of one process; `unlabeled` is 0 where there are none."""

    labeled: int
    unlabeled: int


@dataclass(frozen=True)
class MemoryPlan:
    """What is trained with.

    Attributes:
        batch_sizes: patches a step.
        patch_voxels: most voxels of a patch.
        lowered: in a sentence, what had to be made smaller than usual; empty if nothing.
    """

    batch_sizes: BatchSizes
    patch_voxels: int
    lowered: str = ""


def activation_bytes_per_voxel(architecture: Architecture, device: Device) -> float:
    """Bytes that one voxel of a training patch occupies between the forward and the backward pass, measured.

    Args:
        architecture: of the network; a small patch with its proportions goes through once.
        device: where and in which number format.
    """
    network = place(CoraNet(architecture), device).train()
    size = _small_patch(architecture)
    # Weights and their copies in the device's number format do not grow with the batch.
    more, fewer = (_kept_bytes(network, (count, architecture.in_channels, *size), device) for count in (4, 2))
    return (more - fewer) / (2 * math.prod(size))


def usual_batch_sizes(training: TrainingConfig, slices: bool, has_unlabeled: bool) -> BatchSizes:
    """The configured batch sizes, or those of a machine with memory enough.

    Args:
        training: its batch sizes may be None.
        slices: whether patches are single slices.
        has_unlabeled: whether there are unlabeled cases and steps that use them.
    """
    labeled = training.labeled_batch_size or (SLICES_A_STEP if slices else VOLUMES_A_STEP)
    return BatchSizes(labeled, (training.unlabeled_batch_size or labeled) if has_unlabeled else 0)


def most_voxels(free_bytes: int, bytes_per_voxel: float) -> int:
    """Voxels of all patches of a step that fit into free memory; `bytes_per_voxel` of `activation_bytes_per_voxel`."""
    return int(free_bytes * (1 - _RESERVE) / (bytes_per_voxel * _OVERHEAD))


def plan_memory(
    free_bytes: int | None, bytes_per_voxel: float, patch_voxels: int, usual: BatchSizes,
    fixed: tuple[DataConfig, TrainingConfig],
) -> MemoryPlan:  # fmt: skip
    """Make patches and batches small enough; sizes that were set stay as they are.

    Patches shrink to a quarter first, then batches, then patches again: a little less context costs less than
    a noisier step.

    Args:
        free_bytes: memory for this process; None: unknown, nothing is lowered.
        bytes_per_voxel: of `activation_bytes_per_voxel`.
        patch_voxels: of the planned patch.
        usual: from `usual_batch_sizes`.
        fixed: the settings; a patch or batch size that stands there is not changed.
    """
    if free_bytes is None:
        return MemoryPlan(usual, patch_voxels)
    voxels_that_fit = most_voxels(free_bytes, bytes_per_voxel)
    data, training = fixed
    patch_is_free = data.patch_size_kji is None and data.patch_voxels is None
    sizes, patch = usual, patch_voxels
    if patch_is_free:
        patch = _clipped(voxels_that_fit // sum(sizes), patch_voxels // 4, patch_voxels)
    while sum(sizes) * patch > voxels_that_fit and (smaller := _halved(sizes, training)) != sizes:
        sizes = smaller
    if patch_is_free:
        patch = _clipped(voxels_that_fit // sum(sizes), _FEWEST_PATCH_VOXELS, patch_voxels)
    return MemoryPlan(sizes, patch, _lowered(usual, sizes, patch_voxels, patch, free_bytes))


def smaller_batches(sizes: BatchSizes, step: int) -> tuple[BatchSizes, Warned]:
    """The batch sizes to go on with after memory ran out, and a message for the user.

    Args:
        sizes: that were too large.
        step: the step that failed; it is done again.

    Raises:
        DeviceError: single patches do not fit either.
    """
    smaller = BatchSizes(
        max(1, sizes.labeled // 2), -(-sizes.unlabeled // 2) if sizes.unlabeled < 2 else sizes.unlabeled // 2
    )
    if smaller == sizes:
        raise DeviceError(
            "there is not enough memory for a step with a single patch; lower data.patch_voxels (or "
            "data.patch_size_kji), close other programs, or compute elsewhere with machine.device."
        )
    return smaller, Warned(
        "out_of_memory",
        f"memory ran out in step {step}; from here on a step has {patches_in_words(smaller)} instead of "
        f"{patches_in_words(sizes)}.",
    )


def patches_in_words(sizes: BatchSizes) -> str:
    """Batch sizes as "2 labeled and 2 unlabeled patches"."""
    unlabeled = f" and {sizes.unlabeled} unlabeled" if sizes.unlabeled else ""
    plural = "" if sizes.labeled + sizes.unlabeled == 1 else "es"
    return f"{sizes.labeled} labeled{unlabeled} patch{plural}"


def _kept_bytes(network: nn.Module, shape: tuple[int, ...], device: Device) -> int:
    """Bytes of everything that a forward pass of a batch (B, C, D, H, W) and its loss keep for the backward pass."""
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    images = torch.zeros(shape, device=device.torch_device)
    targets = torch.zeros((shape[0], *shape[2:]), dtype=torch.int64, device=device.torch_device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), device.autocast():
        loss = heads_loss(network(images), targets, alpha=5.0)
    # The graph, and with it every address that was counted, lives until here.
    del loss
    return sum(sizes.values())


def _small_patch(architecture: Architecture) -> tuple[int, int, int]:
    """A patch that is deep enough for every level, and no larger than those of the training."""
    sizes = zip(architecture.patch_size_kji, architecture.factors, strict=True)
    depth, height, width = (min(size, -(-_MEASURED_SIDE // factor) * factor) for size, factor in sizes)
    return depth, height, width


def _clipped(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)


def _halved(sizes: BatchSizes, training: TrainingConfig) -> BatchSizes:
    """Half of what was not set; unlabeled patches follow the labeled ones unless they were set."""
    labeled = sizes.labeled if training.labeled_batch_size else max(1, sizes.labeled // 2)
    unlabeled = sizes.unlabeled if training.unlabeled_batch_size else max(min(1, sizes.unlabeled), sizes.unlabeled // 2)
    return BatchSizes(labeled, unlabeled)


def _lowered(usual: BatchSizes, sizes: BatchSizes, usual_patch: int, patch: int, free_bytes: int) -> str:
    parts = []
    if patch < usual_patch:
        parts.append(f"patches of at most {patch} instead of {usual_patch} voxels")
    if sizes != usual:
        parts.append(f"{patches_in_words(sizes)} a step instead of {patches_in_words(usual)}")
    return f"{' and '.join(parts)}: {free_bytes / 2**30:.1f} GiB of memory are free." if parts else ""
