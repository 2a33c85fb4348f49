"""Uncertainty-aware multi-view co-training: two networks teach each other (Xia et al. 2020, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..contract.config import TrainingConfig
from ..data.patches import LabeledBatch, UnlabeledBatch
from ..networks import Architecture, CoraNet, HeadLogits, MirroredView
from ..uncertainty import named_classes
from .extra_passes import entropy
from .known_labels import among_unknown, corrected_labels, with_known_voxels
from .method import Method, Networks, StepLosses, flagged_share, student_logits, supervised_loss
from .pseudo_label import pseudo_label_loss


class CoTrainingMethod(Method):
    """Each of two networks learns from the other's labels, each voxel weighted by how sure the other is.

    total = supervised(student) + supervised(partner)
            + ramp_up * w_certain * (pseudo(student, of partner) + pseudo(partner, of student))

    Xia, Y., Yang, D., Yu, Z., et al.: Uncertainty-aware multi-view co-training for semi-supervised medical image
    segmentation and domain adaptation. Medical Image Analysis 2020. The partner sees every patch mirrored along all
    axes. With two views the paper's fusion of the other views has one member, so its confidence weighs the voxels;
    the confidence is that of the softmax, not of Monte Carlo dropout. The student's moving average is the model.
    """

    def __init__(self, architecture: Architecture, config: TrainingConfig) -> None:
        super().__init__(architecture, config)
        self.auxiliary["partner"] = MirroredView(CoraNet(architecture))

    def pretrain(self, networks: Networks, labeled: LabeledBatch) -> StepLosses:
        """The labeled patches teach both networks."""
        losses = super().pretrain(networks, labeled)
        partner: HeadLogits = self.auxiliary["partner"](labeled.images)
        of_partner = supervised_loss(partner, labeled, self.config.misclassification_cost)
        return StepLosses(losses.total + of_partner, losses.supervised, labels=losses.labels)

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        cost = self.config.misclassification_cost
        own_labeled, own_unlabeled = student_logits(networks.student, labeled, unlabeled)
        partner_labeled, partner_unlabeled = student_logits(self.auxiliary["partner"], labeled, unlabeled)
        supervised = supervised_loss(own_labeled, labeled, cost)
        of_partner = supervised_loss(partner_labeled, labeled, cost)
        own_labels, own_confidence = labels_and_confidence(own_unlabeled.segmentation)
        partner_labels, partner_confidence = labels_and_confidence(partner_unlabeled.segmentation)
        known = unlabeled.known
        own_weight, partner_weight = (
            with_known_voxels(confidence, known, self.config.reviewed_weight)
            for confidence in (own_confidence, partner_confidence)
        )
        from_partner = pseudo_label_loss(
            own_unlabeled.segmentation, corrected_labels(partner_labels, unlabeled), partner_weight
        )
        to_partner = pseudo_label_loss(
            partner_unlabeled.segmentation, corrected_labels(own_labels, unlabeled), own_weight
        )
        return StepLosses(
            supervised + of_partner + ramp_up * self.config.certain_weight * (from_partner + to_partner),
            supervised.detach(),
            certain=from_partner.detach(),
            uncertain_share=flagged_share(partner_confidence, known),
            labels=named_classes(own_labeled.segmentation.detach()),
            pseudo_labels=among_unknown(partner_labels, known),
        )


@torch.no_grad()
def labels_and_confidence(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (B, D, H, W) and 1 - entropy / log K, in [0, 1], of logits (B, K, D, H, W)."""
    probability = logits.float().softmax(1)
    confidence = 1.0 - entropy(probability) / math.log(logits.shape[1])
    return named_classes(logits), confidence.clamp(0.0, 1.0)
