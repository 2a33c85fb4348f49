"""Uncertainty-aware mean teacher: the student follows where the teacher is sure (Yu et al. 2019, section 2.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import consistency_loss
from ..networks import HeadLogits
from ..uncertainty import named_classes
from .extra_passes import dropout_switched_on, entropy
from .known_labels import corrected_probability, with_known_voxels
from .mean_teacher import CONSISTENCY_SCALE
from .method import Method, Networks, StepLosses, flagged_share, student_logits, supervised_loss

PASSES = 8  # T in the paper
# No gradients are kept, so two copies of the unlabeled patches need no more memory than the student's own pass.
_COPIES_AT_ONCE = 2
_NOISE = 0.1  # standard deviation; intensities have deviation 1


class UncertaintyAwareMeanTeacherMethod(Method):
    """Mean teacher at the voxels whose entropy, over random passes of the teacher, lies below a rising threshold.

    Yu, L., Wang, S., Li, X., Fu, C.-W., Heng, P.-A.: Uncertainty-aware self-ensembling model for semi-supervised 3D
    left atrium segmentation. MICCAI 2019. Passes differ by noise, and by dropout where the network has it
    (network.dropout; 0.5 in the paper). The threshold rises with ramp_up, in the paper over the whole training.
    """

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        on_labeled, on_unlabeled = student_logits(networks.student, labeled, unlabeled)
        with torch.no_grad():
            logits: HeadLogits = networks.teacher(unlabeled.teacher_images)
            target = corrected_probability(logits.segmentation.float().softmax(1), unlabeled)
            doubt = entropy(mean_probability(networks.teacher, unlabeled.teacher_images))
            is_sure = doubt < entropy_threshold(target.shape[1], ramp_up)
        supervised = supervised_loss(on_labeled, labeled, self.config.misclassification_cost)
        weight = with_known_voxels(is_sure, unlabeled.known, self.config.reviewed_weight)
        consistency = consistency_loss(on_unlabeled.segmentation, target, weight)
        return StepLosses(
            supervised + ramp_up * CONSISTENCY_SCALE * self.config.consistency_weight * consistency,
            supervised.detach(),
            uncertain=consistency.detach(),
            uncertain_share=flagged_share(is_sure, unlabeled.known),
            labels=named_classes(on_labeled.segmentation.detach()),
        )


def mean_probability(teacher: nn.Module, images: Tensor) -> Tensor:
    """Mean softmax of the segmentation head over random passes.

    Args:
        teacher: in evaluation mode; its dropout is switched on for the passes.
        images: (B, C, D, H, W).

    Returns:
        (B, K, D, H, W), float32.
    """
    copies = torch.cat([images] * _COPIES_AT_ONCE)
    parts = []
    with dropout_switched_on(teacher):
        for _ in range(PASSES // _COPIES_AT_ONCE):
            logits: HeadLogits = teacher(copies + _NOISE * torch.randn_like(copies))
            probability = logits.segmentation.float().softmax(1)
            parts.append(probability.unflatten(0, (_COPIES_AT_ONCE, len(images))).mean(0))
    return torch.stack(parts).mean(0)


def entropy_threshold(classes: int, ramp_up: float) -> float:
    """H = (3/4 + ramp_up / 4) U_max; U_max = log K is the largest entropy of K classes (log 2 in the paper)."""
    return (0.75 + 0.25 * ramp_up) * math.log(classes)
