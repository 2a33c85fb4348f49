"""Everything that a training must not lose: networks, optimizer, step, best result."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from ..config import TrainConfig
from ..devices import Device
from ..errors import JobError
from ..networks import Architecture, CoraNet
from ..schedules import learning_rate_factor, teacher_decay
from ..tensors import load_tensors, save_tensors

SCHEMA_VERSION = 1


class TrainingState:
    """Student, teacher (its exponential moving average), pseudo-labeller, optimizer and where they stand."""

    def __init__(self, config: TrainConfig, architecture: Architecture, device: Device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.step = 0
        self.best_dice: float | None = None
        self.student = CoraNet(architecture).to(device.torch_device, memory_format=device.memory_format)  # type: ignore[call-overload]
        self.teacher = _frozen_copy(self.student)
        refreshed = config.training.pseudo_label_source == "refreshed"
        self.labeller = _frozen_copy(self.student) if refreshed else self.teacher
        self.optimizer = torch.optim.AdamW(
            self.student.parameters(),
            lr=config.training.learning_rate,
            betas=config.training.adam_betas,
            weight_decay=config.training.weight_decay,
        )

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

    @torch.no_grad()
    def update_teacher(self) -> None:
        """Move the teacher towards the student; refresh the pseudo-labeller where that is due."""
        decay = teacher_decay(self.step, self.config.training.teacher_decay)
        for old, new in zip(self.teacher.state_dict().values(), self.student.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1.0 - decay)
            else:
                old.copy_(new)
        if self.labeller is not self.teacher and self._labeller_is_due():
            self.labeller.load_state_dict(self.teacher.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint that is either whole or absent.

        Raises:
            StorageError: it could not be written; the one before is untouched.
        """
        content = {
            "schema_version": SCHEMA_VERSION,
            "step": self.step,
            "best_dice": self.best_dice,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "labeller": None if self.labeller is self.teacher else self.labeller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_tensors(path, content)

    def load(self, path: Path) -> None:
        """Take up a checkpoint.

        Raises:
            JobError: the file is damaged or belongs to another network.
        """
        content = load_tensors(path)
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema version {content['schema_version']}")
            self.student.load_state_dict(content["student"])
            self.teacher.load_state_dict(content["teacher"])
            if self.labeller is not self.teacher:
                self.labeller.load_state_dict(content["labeller"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.step = int(content["step"])
            self.best_dice = content["best_dice"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise JobError(f"the checkpoint '{path}' belongs to another configuration; start a new job.") from error

    def _labeller_is_due(self) -> bool:
        since = self.step - self.config.training.pretraining_steps
        return since <= 0 or since % self.config.training.refresh_steps == 0


def _frozen_copy(network: nn.Module) -> nn.Module:
    teacher = copy.deepcopy(network).eval()
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    return teacher
