from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from coranet.contract.config import DataConfig, TrainingConfig
from coranet.contract.errors import DeviceError
from coranet.machine.devices import Device
from coranet.networks import Architecture
from coranet.planning.memory import (
    BatchSizes,
    activation_bytes_per_voxel,
    plan_memory,
    smaller_batches,
    usual_batch_sizes,
)

PATCH = 884_736
TWO_AND_TWO = BatchSizes(2, 2)
AUTOMATIC = (DataConfig(), TrainingConfig())
VOLUMES = Architecture("vnet", 3, 4, "batch", (24, 32, 40), ((2, 2, 2), (1, 2, 2)), ((3, 3, 3),) * 3)
SLICES = Architecture("unet", 3, 4, "batch", (1, 32, 40), ((1, 2, 2),) * 2, ((1, 3, 3),) * 3, slice_axis=0)


def on_cpu(dtype: torch.dtype = torch.float32) -> Device:
    return Device(torch.device("cpu"), dtype, "")


def room_for(voxels: float, bytes_per_voxel: float = 1000.0) -> int:
    """Free memory in which so many voxels just fit: a fifth stays free, and 1.6 times the activations are needed."""
    return int(voxels * bytes_per_voxel * 1.6 / 0.8) + 1600


def planned(voxels: float, usual: BatchSizes = TWO_AND_TWO, fixed=AUTOMATIC, patch: int = PATCH):
    return plan_memory(room_for(voxels), 1000.0, patch, usual, fixed)


@pytest.mark.parametrize("architecture", [VOLUMES, SLICES], ids=lambda one: one.backbone)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_voxel_takes_what_the_layers_at_full_resolution_keep_and_some_more(architecture, dtype):
    bytes_each = activation_bytes_per_voxel(architecture, on_cpu(dtype))
    # One decoder keeps at least the input of two normalizations and of two convolutions of 4 channels.
    least = 4 * 4 * 4 * (2 if dtype is torch.bfloat16 else 4)
    assert least < bytes_each < 40 * least


@pytest.mark.slow
def test_the_measured_bytes_are_those_of_a_larger_patch(monkeypatch):
    from coranet.planning import memory

    small = activation_bytes_per_voxel(VOLUMES, on_cpu())
    monkeypatch.setattr(memory, "_MEASURED_SIDE", 32)
    assert activation_bytes_per_voxel(VOLUMES, on_cpu()) == pytest.approx(small, rel=0.02)


def test_cheaper_networks_and_formats_take_less():
    full = activation_bytes_per_voxel(VOLUMES, on_cpu())
    assert activation_bytes_per_voxel(VOLUMES, on_cpu(torch.bfloat16)) < 0.7 * full
    assert activation_bytes_per_voxel(replace(VOLUMES, decoders="branches"), on_cpu()) < 0.9 * full
    assert activation_bytes_per_voxel(replace(VOLUMES, base_filters=8), on_cpu()) > 1.5 * full


@pytest.mark.parametrize(
    ("config", "slices", "has_unlabeled", "expected"),
    [
        ({}, False, True, (2, 2)),
        ({}, True, True, (8, 8)),
        ({}, True, False, (8, 0)),
        ({"labeled_batch_size": 3}, False, True, (3, 3)),
        ({"unlabeled_batch_size": 5}, False, True, (2, 5)),
        ({"labeled_batch_size": 3, "unlabeled_batch_size": 5}, True, True, (3, 5)),
        ({"unlabeled_batch_size": 5}, False, False, (2, 0)),
    ],
)
def test_batches_are_as_set_or_of_two_volumes_or_eight_slices(config, slices, has_unlabeled, expected):
    assert usual_batch_sizes(TrainingConfig(**config), slices, has_unlabeled) == expected


def test_nothing_is_lowered_where_memory_suffices_or_is_unknown():
    for plan in (planned(4 * PATCH), plan_memory(None, 1e9, PATCH, BatchSizes(2, 2), AUTOMATIC)):
        assert (plan.batch_sizes, plan.patch_voxels, plan.lowered) == ((2, 2), PATCH, "")


def test_patches_shrink_first():
    plan = planned(2 * PATCH)
    assert plan.batch_sizes == (2, 2)
    assert plan.patch_voxels == pytest.approx(PATCH / 2, abs=1)
    assert plan.lowered == (
        f"patches of at most {plan.patch_voxels} instead of 884736 voxels: 3.3 GiB of memory are free."
    )


def test_then_batches_and_then_patches_again():
    plan = planned(0.75 * PATCH)
    assert plan.batch_sizes == (1, 1)
    assert plan.patch_voxels == pytest.approx(0.375 * PATCH, abs=1)
    assert "and 1 labeled and 1 unlabeled patches a step instead of 2 labeled and 2 unlabeled patches" in plan.lowered
    assert planned(0.2 * PATCH).patch_voxels == pytest.approx(0.1 * PATCH, abs=1)


def test_a_patch_has_a_least_size():
    assert planned(100).patch_voxels == 4096
    assert planned(100, patch=2048).patch_voxels == 2048


@pytest.mark.parametrize("data", [{"patch_voxels": PATCH}, {"patch_size_kji": (96, 96, 96)}])
def test_a_patch_that_was_set_stays(data):
    plan = planned(2 * PATCH, fixed=(DataConfig(**data), TrainingConfig()))
    assert (plan.patch_voxels, plan.batch_sizes) == (PATCH, (1, 1))
    assert plan.lowered.startswith("1 labeled and 1 unlabeled patches a step instead of 2 labeled and 2 unlabeled")


def test_batches_that_were_set_stay():
    training = TrainingConfig(labeled_batch_size=4)
    assert planned(2 * PATCH, BatchSizes(4, 4), (DataConfig(), training)).batch_sizes == (4, 4)
    assert planned(PATCH, BatchSizes(4, 4), (DataConfig(), training)).batch_sizes == (4, 1)
    both = TrainingConfig(labeled_batch_size=4, unlabeled_batch_size=4)
    plan = planned(PATCH / 2, BatchSizes(4, 4), (DataConfig(), both))
    assert plan.batch_sizes == (4, 4)
    assert plan.patch_voxels == pytest.approx(PATCH / 16, abs=1)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 1.7, 3.0, 3.99])
@pytest.mark.parametrize("usual", [BatchSizes(2, 2), BatchSizes(8, 8), BatchSizes(3, 0)])
def test_what_is_planned_fits(share, usual):
    plan = planned(share * PATCH, usual)
    assert sum(plan.batch_sizes) * plan.patch_voxels <= share * PATCH + 16
    assert (plan.batch_sizes.unlabeled == 0) == (usual.unlabeled == 0)


def test_batches_halve_when_memory_ran_out_until_nothing_is_left_to_halve():
    sizes = BatchSizes(5, 8)
    received = []
    with pytest.raises(DeviceError, match=r"single patch; lower data\.patch_voxels"):
        while True:
            sizes, warning = smaller_batches(sizes, step=12)
            received.append((*sizes, warning.code))
    assert received == [(2, 4, "out_of_memory"), (1, 2, "out_of_memory"), (1, 1, "out_of_memory")]


def test_the_warning_says_step_and_sizes():
    _, warning = smaller_batches(BatchSizes(2, 0), step=7)
    assert warning.message == (
        "memory ran out in step 7; from here on a step has 1 labeled patch instead of 2 labeled patches."
    )
    with pytest.raises(DeviceError):
        smaller_batches(BatchSizes(1, 0), step=8)
