"""Real steps with a stop watch."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from prepared import a_prepared_case

from coranet.contract.config import TrainConfig
from coranet.data.loading import Loader
from coranet.inference.network_pass import SlidingWindow
from coranet.machine.distributed import Team
from coranet.planning.memory import BatchSizes
from coranet.training.cases import TrainingCases
from coranet.training.state import TrainingState
from coranet.training.timing import measure_network, measure_steps, measure_training, patch_sampler


@pytest.mark.slow
@pytest.mark.parametrize("slice_axis", [None, 0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_network_is_timed_on_made_up_scans(a_tiny_architecture, a_cpu, slice_axis, channels):
    patch = (8, 12, 12) if slice_axis is None else (1, 12, 12)
    flat = {"slice_axis": 0, "backbone": "unet", "strides": ((1, 2, 2),), "kernels": ((1, 3, 3),) * 2}
    architecture = replace(
        a_tiny_architecture, patch_size_kji=patch, in_channels=channels, **(flat if slice_axis == 0 else {})
    )
    made = measure_network(TrainConfig.from_preset("quick"), a_cpu, architecture, BatchSizes(1, 1))
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in made)


def test_without_unlabeled_patches_all_steps_are_alike(a_tiny_architecture, a_cpu):
    made = measure_network(TrainConfig.from_preset("quick"), a_cpu, a_tiny_architecture, BatchSizes(2, 0))
    assert made.pretraining == made.self_training > 0


@pytest.mark.slow
def test_measuring_changes_no_batch_of_the_training(a_tiny_architecture, a_cpu):
    config = TrainConfig.from_preset("quick")
    state = TrainingState(config, a_tiny_architecture, a_cpu)
    sampler = patch_sampler(config, a_tiny_architecture, (1.0, 1.0, 1.0))
    cases = [a_prepared_case(name="one"), a_prepared_case(name="two")]
    with Loader(sampler, cases, cases, (2, 2), a_cpu) as loader:
        before = [loader.labeled(step).images.clone() for step in range(2)]
        measure_steps(state, a_cpu, Team(), loader, 2)
        after = [loader.labeled(step).images for step in range(2)]
    assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


@pytest.mark.slow
def test_whole_scans_are_timed_where_they_will_be_needed(a_tiny_architecture, a_cpu):
    config = TrainConfig.from_preset("quick", {"training.snapshot_interval": None})
    case = a_prepared_case()
    window = SlidingWindow.of(a_tiny_architecture, config.inference, a_cpu)
    sampler = patch_sampler(config, a_tiny_architecture, (1.0, 1.0, 1.0))

    def measured(validation, settings=config):
        state = TrainingState(settings, a_tiny_architecture, a_cpu)
        cases = TrainingCases((case,), (case,), validation, ("organ", "lesion"))
        with Loader(sampler, [case], [case], (1, 1), a_cpu) as loader:
            return measure_training(state, (a_cpu, Team(), 60.0), cases, loader, window)

    with_validation, without = measured((case, case)), measured(())
    assert with_validation.validation > 0 and with_validation.snapshot > 0
    assert without.validation == 0 and without.snapshot > 0
    nothing = measured((), config.with_overrides({"training.snapshot_interval": 0}))
    assert (nothing.validation, nothing.snapshot) == (0, 0)
