from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from coranet.contract.config import TrainConfig, TrainingConfig
from coranet.data.patches import LabeledBatch, UnlabeledBatch
from coranet.machine.devices import Device
from coranet.machine.distributed import Team
from coranet.methods import StepLosses
from coranet.training import step
from coranet.training.state import TrainingState
from coranet.training.step import MethodModule, Stepper


@pytest.fixture
def make_stepper(a_tiny_architecture, a_cpu):
    """A new training and what does its steps: `make_stepper(dropout=..., normalization=..., **training settings)`."""

    def make(dropout: float = 0.0, normalization: str = "batch", **settings) -> tuple[TrainingState, Stepper]:
        config = TrainConfig(training=TrainingConfig(pretraining_steps=4, self_training_steps=6, **settings))
        architecture = replace(a_tiny_architecture, dropout=dropout, normalization=normalization)
        state = TrainingState(config, architecture, a_cpu)
        return state, Stepper(state, a_cpu, Team())

    return make


def batches(size: int = 1) -> tuple[LabeledBatch, UnlabeledBatch]:
    images = torch.randn(3, size, 1, 8, 12, 16, generator=torch.Generator().manual_seed(4))
    return LabeledBatch(images[0], (images[0, :, 0] > 0.5).long()), UnlabeledBatch(images[1], images[2])


def weights_of(network: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def equal(first, second) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def multiplied(losses: StepLosses, factor: float) -> StepLosses:
    return replace(losses, total=losses.total * factor)


def test_a_module_gives_the_losses_of_either_stage(make_stepper):
    state, _ = make_stepper()
    module = MethodModule(state)
    labeled, unlabeled = batches()
    total, losses = module(labeled, None, 0.0)
    assert total is losses.total and losses.certain is None
    total, losses = module(labeled, unlabeled, 1.0)
    assert total is losses.total and losses.certain is not None and losses.uncertain is not None


@pytest.mark.parametrize("method", ["coranet", "umct"])
def test_a_module_holds_what_is_trained_and_nothing_else(make_stepper, method):
    state, _ = make_stepper(method=method)
    held = {id(parameter) for parameter in MethodModule(state).parameters()}
    assert held == {id(parameter) for group in state.optimizer.param_groups for parameter in group["params"]}
    assert not held & {id(parameter) for parameter in state.teacher.parameters()}


def test_a_step_moves_the_student_and_its_average_follows(make_stepper):
    state, stepper = make_stepper()
    student, teacher = weights_of(state.networks.student), weights_of(state.teacher)
    assert stepper.update(stepper.losses(*batches(), 1.0)) is True
    assert not equal(weights_of(state.networks.student), student)
    assert not equal(weights_of(state.teacher), teacher)


def test_the_student_trains_and_the_teacher_does_not_switch_to_training(make_stepper):
    state, stepper = make_stepper()
    state.networks.student.eval()
    stepper.losses(*batches(), 1.0)
    assert state.networks.student.training and not state.teacher.training


@pytest.mark.parametrize("factor", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_no_number_changes_nothing(make_stepper, factor):
    state, stepper = make_stepper()
    stepper.update(stepper.losses(*batches(), 1.0))
    before = weights_of(state.teacher), [parameter.clone() for parameter in state.networks.student.parameters()]
    assert stepper.update(multiplied(stepper.losses(*batches(), 1.0), factor)) is False
    assert equal(weights_of(state.teacher), before[0])
    assert equal(state.networks.student.parameters(), before[1])


def test_gradients_that_are_no_numbers_are_left_out_although_the_loss_is_one(make_stepper):
    state, stepper = make_stepper()
    losses = stepper.losses(*batches(), 1.0)
    losses.total.register_hook(lambda gradient: gradient * torch.nan)
    before = [parameter.clone() for parameter in state.networks.student.parameters()]
    assert losses.total.isfinite()
    assert stepper.update(losses) is False
    assert equal(state.networks.student.parameters(), before)


def test_intensities_that_are_no_numbers_do_not_stay_in_running_statistics(make_stepper):
    state, stepper = make_stepper()
    labeled, unlabeled = batches()
    broken = LabeledBatch(labeled.images * torch.nan, labeled.targets)
    assert stepper.update(stepper.losses(broken, unlabeled, 1.0)) is False
    assert all(buffer.isfinite().all() for buffer in state.networks.student.buffers())
    assert stepper.update(stepper.losses(labeled, unlabeled, 1.0)) is True
    assert all(value.isfinite().all() for value in weights_of(state.teacher))


def test_a_huge_gradient_is_clipped(make_stepper, monkeypatch):
    state, stepper = make_stepper()
    received = []
    monkeypatch.setattr(state.optimizer, "step", lambda *_, **__: received.append(norm_of(state.networks.student)))
    stepper.update(multiplied(stepper.losses(*batches(), 1.0), 1e6))
    stepper.update(multiplied(stepper.losses(*batches(), 1.0), 1e-3))
    assert received[0] == pytest.approx(step._LARGEST_GRADIENT_NORM, rel=1e-3)
    assert received[1] < 1


def norm_of(network: nn.Module) -> float:
    return float(
        np.sqrt(
            sum(
                float(parameter.grad.square().sum()) for parameter in network.parameters() if parameter.grad is not None
            )
        )
    )


class Float16OnPaper(Device):
    """The processor with the gradient scaler of a device that computes in float16."""

    def grad_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler("cpu", init_scale=4.0)


@pytest.mark.skipif(not hasattr(torch.amp, "GradScaler"), reason="torch before 2.3 scales on CUDA alone")
def test_a_scaler_leaves_no_trace_but_lowers_itself_where_gradients_are_too_large(a_tiny_architecture, a_cpu):
    device = Float16OnPaper(a_cpu.torch_device, a_cpu.dtype, a_cpu.name)
    config = TrainConfig(training=TrainingConfig(pretraining_steps=4, self_training_steps=6))
    architecture = replace(a_tiny_architecture, normalization="batch")
    scaled, plain = TrainingState(config, architecture, device), TrainingState(config, architecture, a_cpu)
    with_scaler, without = Stepper(scaled, device, Team()), Stepper(plain, a_cpu, Team())
    for stepper in (with_scaler, without):
        assert stepper.update(stepper.losses(*batches(), 1.0)) is True
    # Four is a power of two: gradients are scaled and scaled back without rounding.
    assert equal(weights_of(scaled.networks.student), weights_of(plain.networks.student))
    losses = with_scaler.losses(*batches(), 1.0)
    losses.total.register_hook(lambda gradient: gradient * torch.inf)
    before = [parameter.clone() for parameter in scaled.networks.student.parameters()]
    with_scaler.update(losses)
    assert equal(scaled.networks.student.parameters(), before)
    assert scaled.scaler.get_scale() == 2.0
    assert with_scaler.update(multiplied(with_scaler.losses(*batches(), 1.0), torch.nan)) is False
    assert with_scaler.update(with_scaler.losses(*batches(), 1.0)) is True


@pytest.mark.parametrize(("method", "dropout"), [("coranet", 0.5), ("vat", 0.0)])
def test_what_is_drawn_at_random_is_said_by_the_step(make_stepper, method, dropout):
    state, stepper = make_stepper(dropout, method=method)

    def loss_of(number: int) -> float:
        state.step = number
        return stepper.losses(*batches(2), 1.0).total.item()

    first, other = loss_of(5), loss_of(6)
    torch.rand(7)
    assert loss_of(5) == first
    assert other != first


def test_what_is_left_of_a_failed_step_is_dropped(make_stepper):
    state, stepper = make_stepper()
    stepper.losses(*batches(), 1.0).total.backward()
    stepper.forget()
    assert all(parameter.grad is None for parameter in state.networks.student.parameters())
