"""What every method of learning from unlabeled patches has in common: one step, from batches to the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..contract.config import TrainingConfig
from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import conservative_costs, cost_weighted_cross_entropy, dice_loss, radical_costs
from ..networks import Architecture, HeadLogits
from ..uncertainty import named_classes


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step, scalars on the device. `total` is minimized; the others are its parts before weighting.

    Attributes:
        total: with gradient.
        supervised: of the labeled batch.
        certain: of pseudo-labels (or of what a method has in their place).
        uncertain: of consistency (or of what a method has in its place).
        uncertain_share: share of unlabeled voxels in the uncertain region.
        labels: (B, D, H, W), prediction of the segmentation head for the labeled batch, for the warnings.
        pseudo_labels: (B, D, H, W), the teacher's labels where they teach, 0 elsewhere, for the warnings; None if the
            method has none.
    """

    total: Tensor
    supervised: Tensor
    certain: Tensor | None = None
    uncertain: Tensor | None = None
    uncertain_share: Tensor | None = None
    labels: Tensor | None = None
    pseudo_labels: Tensor | None = None


class Networks(NamedTuple):
    """The networks of a training; each gives `HeadLogits`.

    Attributes:
        student: the one that learns.
        teacher: its exponential moving average, in evaluation mode; what becomes the model.
        pseudo_labeler: gives regions and pseudo-labels; often the teacher itself.
    """

    student: nn.Module
    teacher: nn.Module
    pseudo_labeler: nn.Module


class Method(ABC):
    """How labeled and unlabeled patches teach the student. One instance lives through a training.

    All methods see the same network, patches, augmentation and number of steps, teach all three heads on labeled
    patches alike, and give the teacher as their model; they differ in what the segmentation head (CoraNet: every
    head) learns from unlabeled patches.

    Attributes:
        config: weights and costs.
        auxiliary: further networks of the method (a discriminator, a second student); trained by the same optimizer,
            kept in checkpoints, not part of the model.
    """

    uses_unlabeled: bool = True

    def __init__(self, architecture: Architecture, config: TrainingConfig) -> None:
        self.architecture = architecture
        self.config = config
        self.auxiliary = nn.ModuleDict()

    @property
    def student_views(self) -> int:
        """How many views of the unlabeled patches, changed in intensity, a step of the second stage needs: 1 or 2."""
        return 1

    def pretrain(self, networks: Networks, labeled: LabeledBatch) -> StepLosses:
        """A step of the first stage: labeled patches alone."""
        logits: HeadLogits = networks.student(labeled.images)
        supervised = supervised_loss(logits, labeled, self.config.misclassification_cost)
        return StepLosses(supervised, supervised.detach(), labels=named_classes(logits.segmentation.detach()))

    @abstractmethod
    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """A step of the second stage.

        Args:
            networks: student, teacher, pseudo_labeler.
            labeled: images and targets, and where these are known.
            unlabeled: views for student and teacher, which boxes the student's patches exchange, and labels where
                a reviewer has decided on them; there they replace what a teacher predicts.
            ramp_up: weight of the unlabeled losses now, in [0, 1].
        """


def student_logits(
    student: nn.Module, labeled: LabeledBatch, unlabeled: UnlabeledBatch
) -> tuple[HeadLogits, HeadLogits]:
    """Logits of the labeled and of the unlabeled patches, in one pass: batch normalization sees both.

    Where boxes are exchanged between patches, the student sees them exchanged; each logit comes back to its own voxel.
    """
    images = torch.cat([labeled.images, unlabeled.student_images])
    count = len(labeled.images)
    if unlabeled.mixing is None:
        logits: HeadLogits = student(images)
    else:
        logits = HeadLogits(*(unlabeled.mixing.apply(head) for head in student(unlabeled.mixing.apply(images))))
    return HeadLogits(*(head[:count] for head in logits)), HeadLogits(*(head[count:] for head in logits))


def supervised_loss(logits: HeadLogits, labeled: LabeledBatch, alpha: float) -> Tensor:
    """`heads_loss` of the labeled patches where their labels are known; undecided voxels do not count.

    Args:
        logits: of the three heads, of the labeled patches.
        labeled: targets, and where they are known.
        alpha: misclassification cost.
    """
    return heads_loss(logits, labeled.targets, alpha, labeled.known)


def mean_where(mask: Tensor | None, values: Tensor) -> Tensor:
    """Mean of (B, D, H, W) over the voxels of a mask, or with weights; None: over all. Of nothing it is 0."""
    return values.mean() if mask is None else (values * mask).sum() / mask.sum().clamp_min(1)


def flagged_share(certainty: Tensor, known: Tensor | None) -> Tensor:
    """Share of the voxels without a known label that are not in a region, bool, or mean doubt; both (B, D, H, W)."""
    return mean_where(None if known is None else ~known, 1.0 - certainty.float())


def heads_loss(logits: HeadLogits, target: Tensor, alpha: float, mask: Tensor | None = None) -> Tensor:
    """(CE + Dice of the segmentation head + CE of the conservative + CE of the radical head) / 4, inside a mask.

    With true labels and no mask this is the supervised loss, with pseudo-labels and the certain region the C-SN loss.

    Args:
        logits: of the three heads.
        target: (B, D, H, W), int64, class indices.
        alpha: misclassification cost.
        mask: (B, D, H, W), 1 where a voxel counts; None: everywhere.
    """
    classes = logits.segmentation.shape[1]
    parts = (
        cost_weighted_cross_entropy(logits.segmentation, target, None, mask),
        dice_loss(logits.segmentation, target, mask),
        cost_weighted_cross_entropy(logits.conservative, target, conservative_costs(alpha, classes), mask),
        cost_weighted_cross_entropy(logits.radical, target, radical_costs(alpha, classes), mask),
    )
    return torch.stack(parts).sum() / 4
