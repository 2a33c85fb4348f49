"""One step of each stage: from batches to the loss that is minimized (Shi et al. 2021, section III)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import TrainingConfig
from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import (
    conservative_costs,
    consistency_loss,
    cost_weighted_cross_entropy,
    dice_loss,
    radical_costs,
)
from ..networks import HeadLogits
from ..uncertainty import certain_region


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step. `total` is minimized; the others are its parts before weighting, without gradient.

    `uncertain_share` is the share of unlabeled voxels in the uncertain region.
    """

    total: Tensor
    supervised: float
    certain: float = 0.0
    uncertain: float = 0.0
    uncertain_share: float = 0.0


def pretraining_step(network: nn.Module, labeled: LabeledBatch, alpha: float) -> StepLosses:
    """Stage 1: the labeled batch teaches all three heads.

    Args:
        network: gives `HeadLogits`.
        labeled: images and targets.
        alpha: misclassification cost.
    """
    supervised = heads_loss(network(labeled.images), labeled.targets, alpha)
    return StepLosses(supervised, supervised.item())


def self_training_step(
    student: nn.Module,
    teachers: tuple[nn.Module, nn.Module],
    batches: tuple[LabeledBatch, UnlabeledBatch],
    config: TrainingConfig,
    ramp_up: float,
) -> StepLosses:
    """Stage 2: supervised loss, pseudo-labels in the certain region, the teacher in the uncertain region.

    total = supervised + ramp_up * (w_certain * certain + w_uncertain * w_consistency * uncertain)

    Args:
        student: the network that learns.
        teachers: the network whose agreement gives regions and pseudo-labels, and the moving average that the
            uncertain region follows (often the same).
        batches: labeled and unlabeled.
        config: costs and weights.
        ramp_up: weight of the unlabeled losses now, in [0, 1].
    """
    labeled, unlabeled = batches
    logits = student(torch.cat([labeled.images, unlabeled.student_images]))
    count = len(labeled.images)
    on_labeled = HeadLogits(*(head[:count] for head in logits))
    on_unlabeled = HeadLogits(*(head[count:] for head in logits))
    with torch.no_grad():
        averaged: HeadLogits = teachers[1](unlabeled.teacher_images)
        labeller: HeadLogits = averaged if teachers[0] is teachers[1] else teachers[0](unlabeled.teacher_images)
        is_certain = certain_region(labeller.conservative, labeller.radical)
        pseudo_labels = labeller.segmentation.argmax(1)
    supervised = heads_loss(on_labeled, labeled.targets, config.misclassification_cost)
    certain = heads_loss(on_unlabeled, pseudo_labels, config.misclassification_cost, is_certain)
    uncertain = teacher_loss(on_unlabeled, averaged, ~is_certain)
    unlabeled_loss = config.certain_weight * certain + config.uncertain_weight * config.consistency_weight * uncertain
    return StepLosses(
        supervised + ramp_up * unlabeled_loss,
        supervised.item(),
        certain.item(),
        uncertain.item(),
        1.0 - is_certain.float().mean().item(),
    )


def heads_loss(logits: HeadLogits, target: Tensor, alpha: float, mask: Tensor | None = None) -> Tensor:
    """(CE + Dice of the segmentation head + CE of the conservative + CE of the radical head) / 4, inside a mask.

    With true labels and no mask this is the supervised loss, with pseudo-labels and the certain region the C-SN loss.
    """
    classes = logits.segmentation.shape[1]
    parts = (
        cost_weighted_cross_entropy(logits.segmentation, target, None, mask),
        dice_loss(logits.segmentation, target, mask),
        cost_weighted_cross_entropy(logits.conservative, target, conservative_costs(alpha, classes), mask),
        cost_weighted_cross_entropy(logits.radical, target, radical_costs(alpha, classes), mask),
    )
    return torch.stack(parts).sum() / 4


def teacher_loss(student: HeadLogits, teacher: HeadLogits, uncertain: Tensor) -> Tensor:
    """UC-SN: mean over the three heads of the squared difference of student and teacher in the uncertain region."""
    parts = [
        consistency_loss(of_student, of_teacher.float().softmax(1), uncertain)
        for of_student, of_teacher in zip(student, teacher, strict=True)
    ]
    return torch.stack(parts).mean()
