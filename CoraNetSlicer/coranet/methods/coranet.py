"""CoraNet: pseudo-labels in the certain region, a mean teacher in the uncertain one (Shi et al. 2021, section III)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import consistency_loss
from ..networks import HeadLogits
from ..uncertainty import certain_region, named_classes
from .known_labels import among_unknown, corrected_labels, with_known_voxels
from .method import Method, Networks, StepLosses, flagged_share, heads_loss, supervised_loss
from .views import logits_of_views


class CoraNetMethod(Method):
    """total = supervised + ramp_up * (w_certain * certain + w_uncertain * w_consistency * uncertain).

    Of several views of the unlabeled patches (`views`) the certain and the uncertain loss are weighted means.
    """

    @property
    def student_views(self) -> int:
        """See `Method.student_views`; the third view of three is the teacher's."""
        return 2 if self.config.student_views == "three" else 1

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        config = self.config
        on_labeled, views = logits_of_views(networks.student, labeled, unlabeled)
        with torch.no_grad():
            averaged: HeadLogits = networks.teacher(unlabeled.teacher_images)
            pseudo_labeler = (
                averaged
                if networks.pseudo_labeler is networks.teacher
                else networks.pseudo_labeler(unlabeled.teacher_images)
            )  # fmt: skip
            is_certain = certain_region(pseudo_labeler.conservative, pseudo_labeler.radical, config.certain_caution)
            pseudo_labels = named_classes(pseudo_labeler.segmentation)
        supervised = supervised_loss(on_labeled, labeled, config.misclassification_cost)
        known = unlabeled.known
        pseudo_targets = corrected_labels(pseudo_labels, unlabeled)
        mask = with_known_voxels(self._mask(is_certain, pseudo_labeler.segmentation), known, config.reviewed_weight)
        doubted = among_unknown(~is_certain, known)
        certain = _total(
            weight * heads_loss(view, pseudo_targets, config.misclassification_cost, mask) for weight, view in views
        )
        uncertain = _total(weight * teacher_loss(view, averaged, doubted) for weight, view in views)
        weighted = config.certain_weight * certain + config.uncertain_weight * config.consistency_weight * uncertain
        return StepLosses(
            supervised + ramp_up * weighted,
            supervised.detach(),
            certain.detach(),
            uncertain.detach(),
            flagged_share(is_certain, known),
            named_classes(on_labeled.segmentation.detach()),
            pseudo_labels * among_unknown(is_certain, known),
        )

    def _mask(self, is_certain: Tensor, labels: Tensor) -> Tensor | None:
        """How much each pseudo-label counts, (B, D, H, W), given the logits it was made of; None: all alike."""
        mask = None if self.config.certain_mask == "none" else is_certain
        if self.config.pseudo_label_weight == "none":
            return mask
        confidence = labels.float().softmax(1).amax(1)
        return confidence if mask is None else confidence * mask


def _total(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def teacher_loss(student: HeadLogits, teacher: HeadLogits, uncertain: Tensor) -> Tensor:
    """UC-SN: mean over the three heads of the squared difference of student and teacher in the uncertain region."""
    parts = [
        consistency_loss(of_student, of_teacher.float().softmax(1), uncertain)
        for of_student, of_teacher in zip(student, teacher, strict=True)
    ]
    return torch.stack(parts).mean()
