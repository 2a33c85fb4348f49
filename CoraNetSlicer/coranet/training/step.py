"""One step of either stage as a module, so that torch can run it in several processes, and its update of weights."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..machine.devices import Device
from ..machine.distributed import Team
from ..methods import Networks, StepLosses, deep_supervision
from ..methods.deep_supervision import DeepSupervision
from ..networks import CoraNet
from .state import TrainingState

_LARGEST_GRADIENT_NORM = 12.0


class MethodModule(nn.Module):
    """The student and the method's further networks; its forward pass is the method's step.

    Everything that is trained lies inside of one module, so that gradients are averaged however often and in
    whatever order a method uses its networks.
    """

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.student = state.networks.student
        self.auxiliary = state.method.auxiliary
        self._method = state.method
        # In a tuple, so that they do not count as parts of this module.
        self._fixed = (state.networks.teacher, state.networks.pseudo_labeler)

    def forward(
        self, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, ramp_up: float
    ) -> tuple[Tensor, StepLosses]:
        """Loss to be minimized, and all losses; without an unlabeled batch it is a step of pretraining."""
        networks = Networks(self.student, *self._fixed)
        name = deep_supervision.NAME
        deep = cast(DeepSupervision, self.auxiliary[name]) if name in self.auxiliary else None
        with deep.watching(cast(CoraNet, self.student)) if deep else nullcontext() as features:
            if unlabeled is None:
                losses = self._method.pretrain(networks, labeled)
            else:
                losses = self._method.self_train(networks, labeled, unlabeled, ramp_up)
        if deep is None or features is None:
            return losses.total, losses
        return losses.total + deep.loss(features, labeled, unlabeled), losses


class Stepper:
    """Computes losses and updates student, further networks and teacher."""

    def __init__(self, state: TrainingState, device: Device, team: Team) -> None:
        self._state = state
        self._device = device
        self._team = team
        # Pretraining may leave a method's further networks out.
        leaves_out = len(state.method.auxiliary) > 0
        self._module = team.distributed_module(MethodModule(state), device, leaves_out)

    def losses(self, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, ramp_up: float) -> StepLosses:
        """Forward pass of a step."""
        # Dropout and the noise of a method depend on the step alone, so that a resumed training draws them again.
        torch.manual_seed(_seed(self._state.config.seed, self._state.step, self._team.rank))
        self._module.train()
        with self._device.autocast():
            answer: tuple[Tensor, StepLosses] = self._module(labeled, unlabeled, ramp_up)
        total, losses = answer
        # This one has gone through the wrapper that averages gradients, the one inside of `losses` has not.
        return replace(losses, total=total)

    def update(self, losses: StepLosses) -> bool:
        """Backward pass and update; left out, and False, where loss or gradients are no numbers in any process."""
        state = self._state
        state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(losses.total).backward()
        state.scaler.unscale_(state.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self._module.parameters(), _LARGEST_GRADIENT_NORM)
        # A scaler expects gradients that are too large for float16, and leaves such steps out itself.
        size = losses.total.detach() if state.scaler.is_enabled() else losses.total.detach() + norm
        # Asked once, after everything was given to the device: each answer makes the processor wait for it.
        is_finite = not self._team.any(not math.isfinite(size.item()))
        if is_finite:
            state.scaler.step(state.optimizer)
        state.scaler.update()
        if is_finite:
            self._team.average_statistics(state.networks.student)
            state.update_teacher()
        else:
            self._forget_statistics()
        return is_finite

    def forget(self) -> None:
        """Drop what a step that ran out of memory has left."""
        self._state.optimizer.zero_grad(set_to_none=True)
        self._device.empty_cache()

    @torch.no_grad()
    def _forget_statistics(self) -> None:
        """Replace what batch normalization has seen, which may be no numbers and would stay so for ever."""
        for of_student, of_teacher in zip(
            self._state.networks.student.buffers(), self._state.teacher.buffers(), strict=True
        ):
            of_student.copy_(of_teacher)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
