"""Pseudo-labels everywhere, without a mask (Lee 2013, eq. 15 and 16)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import cost_weighted_cross_entropy, dice_loss
from ..networks import HeadLogits
from ..uncertainty import named_classes
from .known_labels import among_unknown, corrected_labels, with_known_voxels
from .method import Method, Networks, StepLosses, student_logits, supervised_loss


class PseudoLabelMethod(Method):
    """total = supervised + ramp_up * w_certain * pseudo, pseudo: the pseudo_labeler's label at every unlabeled voxel.

    Lee, D.-H.: Pseudo-Label: the simple and efficient semi-supervised learning method for deep neural networks.
    ICML workshop on challenges in representation learning, 2013. There the network labels for itself; here, as with
    all methods, the moving average labels, and ramp_up stands for the paper's alpha(t).
    """

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        on_labeled, on_unlabeled = student_logits(networks.student, labeled, unlabeled)
        with torch.no_grad():
            logits: HeadLogits = networks.pseudo_labeler(unlabeled.teacher_images)
            pseudo_labels = named_classes(logits.segmentation)
        supervised = supervised_loss(on_labeled, labeled, self.config.misclassification_cost)
        weight = with_known_voxels(None, unlabeled.known, self.config.reviewed_weight)
        pseudo = pseudo_label_loss(on_unlabeled.segmentation, corrected_labels(pseudo_labels, unlabeled), weight)
        return StepLosses(
            supervised + ramp_up * self.config.certain_weight * pseudo,
            supervised.detach(),
            certain=pseudo.detach(),
            labels=named_classes(on_labeled.segmentation.detach()),
            pseudo_labels=among_unknown(pseudo_labels, unlabeled.known),
        )


def pseudo_label_loss(logits: Tensor, pseudo_labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """(CE + Dice) / 4: the segmentation head's part of `heads_loss`, so that all methods weigh pseudo-labels alike.

    Args:
        logits: (B, K, D, H, W), of the segmentation head.
        pseudo_labels: (B, D, H, W), int64, class indices.
        weight: (B, D, H, W), how much a voxel counts, in [0, 1]; None: 1 everywhere.

    Returns:
        Scalar, at least 0.
    """
    return (
        cost_weighted_cross_entropy(logits, pseudo_labels, None, weight) + dice_loss(logits, pseudo_labels, weight)
    ) / 4
