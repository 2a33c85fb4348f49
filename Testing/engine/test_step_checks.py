"""Steps that are too large for a machine are refused, or warned of, before the first one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from coranet.contract.config import TrainConfig
from coranet.contract.errors import DeviceError
from coranet.machine.devices import Device
from coranet.networks import Architecture
from coranet.planning.memory import BatchSizes
from coranet.planning.step_checks import (
    patch_beyond_scans,
    require_memory_for_a_scan,
    require_memory_for_a_step,
    slow_steps,
)
from coranet.planning.steps import StepSeconds
from coranet.planning.workplace import Workplace

KIB = 1024.0
HUGE = Architecture("vnet", 3, 8, "batch", (512, 512, 512), ((2, 2, 2),) * 3, ((3, 3, 3),) * 4)
USUAL = replace(HUGE, patch_size_kji=(96, 96, 96))
ONE_AND_ONE = BatchSizes(1, 1)


def machine(free_gib: float | None, kind: str = "cpu") -> SimpleNamespace:
    """A workplace with so much free memory."""
    free = None if free_gib is None else int(free_gib * 2**30)
    return SimpleNamespace(
        free_bytes=free, free_main_bytes=free, device=SimpleNamespace(torch_device=SimpleNamespace(type=kind))
    )


def test_a_patch_that_cannot_fit_is_refused_with_what_it_needs():
    with pytest.raises(DeviceError, match=r"1 unlabeled patches of 512 x 512 x 512 voxels needs at least "):
        require_memory_for_a_step(HUGE, ONE_AND_ONE, KIB, machine(255))
    with pytest.raises(DeviceError, match=r"256\.0 GiB of memory, and 3\.5 GiB are free; lower data\.patch_size_kji"):
        require_memory_for_a_step(HUGE, ONE_AND_ONE, KIB, machine(3.5))


@pytest.mark.parametrize(
    ("architecture", "sizes", "free_gib", "kind"),
    [
        (HUGE, ONE_AND_ONE, 256, "cpu"),
        (HUGE, ONE_AND_ONE, None, "cpu"),
        (USUAL, BatchSizes(2, 2), 4, "cpu"),
        (USUAL, BatchSizes(64, 64), 2, "cuda"),  # halves its batches when memory runs out
    ],
)
def test_what_may_fit_is_not_refused(architecture, sizes, free_gib, kind):
    require_memory_for_a_step(architecture, sizes, KIB, machine(free_gib, kind))


def test_on_a_processor_all_patches_of_a_step_count():
    with pytest.raises(DeviceError, match="64 labeled and 64 unlabeled patches of 96 x 96 x 96 voxels"):
        require_memory_for_a_step(USUAL, BatchSizes(64, 64), KIB, machine(2))


def test_a_spacing_that_makes_scans_larger_than_the_memory_is_refused():
    sentence = r"has 1000 x 2000 x 2000 voxels and needs 14\.9 GiB of memory, and 8\.0 GiB are free; raise data"
    with pytest.raises(DeviceError, match=sentence):
        require_memory_for_a_scan((1000.0, 2000.0, 2000.0), 1, machine(8))
    with pytest.raises(DeviceError, match=r"29\.8 GiB"):
        require_memory_for_a_scan((1000.0, 2000.0, 2000.0), 2, machine(16))
    for free_gib in (15, None):
        require_memory_for_a_scan((1000.0, 2000.0, 2000.0), 1, machine(free_gib))


@pytest.mark.parametrize(
    ("size_dhw", "is_warned"), [((96, 96, 96), False), ((70, 90, 64), False), ((60, 200, 200), True), ((9, 9, 9), True)]
)
def test_a_patch_that_is_much_longer_than_the_scans_is_warned_of(size_dhw, is_warned):
    warning = patch_beyond_scans(USUAL, size_dhw)
    assert (warning is not None) is is_warned
    if warning is not None:
        assert "patches of 96 x 96 x 96 voxels are larger than the scans" in warning.message


def warned(architecture: Architecture, seconds_a_voxel: float, time: str = ""):
    measured = []

    def measure(timed: Architecture, sizes: BatchSizes) -> StepSeconds:
        measured.append(timed.patch_size_kji)
        depth, height, width = timed.patch_size_kji
        seconds = seconds_a_voxel * sum(sizes) * depth * height * width
        return StepSeconds(seconds, seconds)

    config = TrainConfig.from_preset("quick", {"time": time})
    device = Device(torch.device("cpu"), torch.float32, "the processor")
    return slow_steps(architecture, ONE_AND_ONE, config, Workplace(device, 1, measure)), measured


def test_steps_of_minutes_are_warned_of_from_small_ones():
    warning, measured = warned(HUGE, 1e-6)
    assert warning.code == "slow_steps"
    assert "patches of 512 x 512 x 512 voxels takes about 4 min on the processor" in warning.message
    assert all(max(size) <= 64 for size in measured)


def test_fast_usual_and_timed_steps_are_not():
    assert warned(HUGE, 1e-8)[0] is None
    assert warned(USUAL, 1.0) == (None, [])
    assert warned(HUGE, 1e-6, "1h") == (None, [])
