"""Everything that a training must not lose: networks, optimizer, step, best result."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..contract.config import TrainConfig
from ..contract.errors import JobError
from ..machine.devices import Device
from ..methods import METHODS, Method, Networks, deep_supervision
from ..methods.deep_supervision import DeepSupervision
from ..model_package import ModelPackage
from ..networks import Architecture, CoraNet, place
from ..schedules import learning_rate_factor, rising_decay, teacher_decay
from ..tensors import load_tensors, save_tensors
from .averaging import WeightAverage, move_towards

SCHEMA_VERSION = 2


class TrainingState:
    """Student, teacher (its exponential moving average), pseudo-labeler, method, optimizer and where they stand.

    Attributes:
        step: number of steps done.
        best_dice: mean validation Dice of the best model so far.
        average: mean of the teacher's weights over the last steps; None: it was not asked for.
        before: validation Dice by class name of the model from which the training goes on; None: there is none.
    """

    def __init__(self, config: TrainConfig, architecture: Architecture, device: Device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.step = 0
        self.best_dice: float | None = None
        self.before: dict[str, float | None] | None = None
        student = place(CoraNet(architecture), device)
        self.method: Method = METHODS[config.training.method](architecture, config.training)
        if config.training.deep_supervision:
            weight, alpha = config.training.deep_supervision, config.training.misclassification_cost
            self.method.auxiliary[deep_supervision.NAME] = DeepSupervision(architecture, weight, alpha)
        place(self.method.auxiliary, device)
        teacher = _frozen_copy(student)
        refreshed = config.training.pseudo_label_source == "refreshed"
        self.networks = Networks(student, teacher, _frozen_copy(student) if refreshed else teacher)
        self.optimizer = torch.optim.AdamW(
            [*student.parameters(), *self.method.auxiliary.parameters()],
            lr=config.training.learning_rate,
            betas=config.training.adam_betas,
            weight_decay=config.training.weight_decay,
            **device.optimizer_options(),
        )
        self.scaler = device.grad_scaler()
        self.average = WeightAverage(teacher) if config.training.averaged_share else None

    @property
    def teacher(self) -> nn.Module:
        """What becomes the model."""
        return self.networks.teacher

    @property
    def total_steps(self) -> int:
        """Steps of both stages."""
        return self.config.training.pretraining_steps + self.config.training.self_training_steps

    def set_learning_rate(self) -> float:
        """Set the rate for the coming step; returns it."""
        training = self.config.training
        factor = learning_rate_factor(training.learning_rate_schedule, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = training.learning_rate * factor
        return training.learning_rate * factor

    def begin_with(self, model: ModelPackage) -> None:
        """Start student, teacher and pseudo-labeler from the weights of a model of the same architecture.

        Further networks of a method start from nothing: a second student must not be a copy of the first.

        Raises:
            ModelError: the weights are missing, damaged, or of another network.
        """
        model.load_weights(self.networks.student)
        for network in (self.networks.teacher, self.networks.pseudo_labeler):
            network.load_state_dict(self.networks.student.state_dict())

    @property
    def _first_averaged(self) -> int:
        return self.total_steps - max(1, round(self.config.training.averaged_share * self.total_steps))

    def update_teacher(self) -> None:
        """Move the teacher towards the student; refresh the pseudo-labeler where that is due."""
        student, teacher, pseudo_labeler = self.networks
        move_towards(teacher, student, self._teacher_decay())
        if self.average is not None and self.step >= self._first_averaged:
            self.average.add(teacher)
        if pseudo_labeler is not teacher and self._pseudo_labeler_is_due():
            pseudo_labeler.load_state_dict(teacher.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint that is either whole or absent.

        Raises:
            StorageError: it could not be written; the one before is untouched.
        """
        content = {name: part.state_dict() for name, part in self._stateful().items()}
        save_tensors(
            path,
            {
                "schema_version": SCHEMA_VERSION,
                "step": self.step,
                "best_dice": self.best_dice,
                "before": self.before,
                **content,
            },
        )

    def load(self, path: Path) -> None:
        """Take up a checkpoint.

        Raises:
            JobError: the file is damaged or belongs to another network.
        """
        content = load_tensors(path)
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            for name, part in self._stateful().items():
                part.load_state_dict(content[name])
            self.step = int(content["step"])
            self.best_dice = content["best_dice"]
            self.before = content.get("before")
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise JobError(f"the checkpoint '{path}' belongs to another configuration; start a new job.") from error

    def _stateful(self) -> dict[str, Any]:
        parts = {
            "student": self.networks.student,
            "teacher": self.networks.teacher,
            "labeller": self.networks.pseudo_labeler,  # the name that checkpoints of earlier versions have
            "auxiliary": self.method.auxiliary,
            "optimizer": self.optimizer,
            "scaler": self.scaler,
        }
        if self.average is not None:
            parts["average"] = self.average
        if self.networks.pseudo_labeler is self.networks.teacher:
            del parts["labeller"]
        return parts

    def _teacher_decay(self) -> float:
        """A mean that begins with the first student forgets the random start; what a model knows is to be kept."""
        training = self.config.training
        share = self.step / max(1, self.total_steps)
        decay = rising_decay(training.teacher_decay, training.teacher_decay_end, share)
        return decay if training.initial_model else teacher_decay(self.step, decay)

    def _pseudo_labeler_is_due(self) -> bool:
        since = self.step - self.config.training.pretraining_steps
        return since <= 0 or since % self.config.training.refresh_steps == 0


def _frozen_copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False)
