"""Seconds of a step for any patch, from two that were timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coranet.networks import Architecture
from coranet.networks.architecture import product
from coranet.planning.memory import BatchSizes
from coranet.planning.speed import Speed
from coranet.planning.steps import StepSeconds

VOLUMES = Architecture("vnet", 2, 8, "batch", (32, 48, 48), ((2, 2, 2),) * 2, ((3, 3, 3),) * 3)
SLICES = Architecture("unet", 2, 8, "batch", (1, 64, 96), ((1, 2, 2),) * 2, ((1, 3, 3),) * 3, slice_axis=0)


class Machine:
    """A machine that takes 10 ms and 1 microsecond a voxel, twice as long for twice the filters; it counts."""

    def __init__(self) -> None:
        self.timed: list[Architecture] = []

    def __call__(self, architecture: Architecture, sizes: BatchSizes) -> StepSeconds:
        self.timed.append(architecture)
        voxels = product(architecture.patch_size_kji) * architecture.base_filters / 8
        return StepSeconds(0.01 + 1e-6 * voxels * sizes.labeled, 0.02 + 1e-6 * voxels * sum(sizes))


@pytest.mark.parametrize("architecture", [VOLUMES, SLICES], ids=["volumes", "slices"])
def test_two_patches_tell_all_others(architecture):
    machine = Machine()
    speed = Speed(machine, 1000.0)
    step = speed.step(architecture, BatchSizes(2, 3))
    voxels = product(architecture.patch_size_kji)
    assert step.pretraining == pytest.approx(0.01 + 2e-6 * voxels)
    assert step.self_training == pytest.approx(0.02 + 5e-6 * voxels)
    speed.step(replace(architecture, patch_size_kji=(8, 16, 16)), BatchSizes(1, 1))
    assert len(machine.timed) == 2
    for timed in machine.timed:
        assert all(size % factor == 0 for size, factor in zip(timed.patch_size_kji, timed.factors, strict=True))
        assert architecture.slice_axis is None or timed.patch_size_kji[architecture.slice_axis] == 1


def test_without_time_the_nearest_network_stands_for_another():
    machine = Machine()
    speed = Speed(machine, 0.0)
    few = speed.step(VOLUMES, BatchSizes(2, 2))
    many = speed.step(replace(VOLUMES, base_filters=32), BatchSizes(2, 2))
    assert len(machine.timed) == 2
    assert many.self_training - 0.02 == pytest.approx(8 * (few.self_training - 0.02))


def test_a_disturbed_measurement_gives_no_negative_time():
    answers = iter([StepSeconds(5.0, 5.0), StepSeconds(1.0, 1.0)])
    speed = Speed(lambda architecture, sizes: next(answers), 0.0)
    small = speed.step(replace(VOLUMES, patch_size_kji=(4, 4, 4)), BatchSizes(1, 1))
    large = speed.step(VOLUMES, BatchSizes(2, 2))
    assert 0 <= small.pretraining < large.pretraining
