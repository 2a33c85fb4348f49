"""Mean teacher: the student follows its moving average at every voxel (Tarvainen & Valpola 2017, eq. 1)."""

from __future__ import annotations

import torch

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..losses import consistency_loss
from ..networks import HeadLogits
from ..uncertainty import named_classes
from .known_labels import corrected_probability, with_known_voxels
from .method import Method, Networks, StepLosses, student_logits, supervised_loss

# `consistency_weight` is the 0.1 of mean teachers for segmentation (Yu et al. 2019), beside a full cross-entropy. A
# mean over all voxels, most of which agree, is small: where the student says 0.5 and the teacher 0.7, a weight of 0.1
# pulls at the logit with 0.01, and a wrong label (a quarter of a cross-entropy here) with 0.125. CoraNet's term pulls
# harder at such a voxel, since its mean is over the few percent that are uncertain. Ten times 0.1 puts teacher and
# labels on one scale: 0.1 against 0.125.
CONSISTENCY_SCALE = 10.0


class MeanTeacherMethod(Method):
    """total = supervised + ramp_up * CONSISTENCY_SCALE * w_consistency * mean square of student - teacher.

    Tarvainen, A., Valpola, H.: Mean teachers are better role models: weight-averaged consistency targets improve
    semi-supervised deep learning results. NeurIPS 2017. There labeled images are held consistent as well.
    """

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        on_labeled, on_unlabeled = student_logits(networks.student, labeled, unlabeled)
        with torch.no_grad():
            logits: HeadLogits = networks.teacher(unlabeled.teacher_images)
            target = corrected_probability(logits.segmentation.float().softmax(1), unlabeled)
        supervised = supervised_loss(on_labeled, labeled, self.config.misclassification_cost)
        weight = with_known_voxels(None, unlabeled.known, self.config.reviewed_weight)
        consistency = consistency_loss(on_unlabeled.segmentation, target, weight)
        return StepLosses(
            supervised + ramp_up * CONSISTENCY_SCALE * self.config.consistency_weight * consistency,
            supervised.detach(),
            uncertain=consistency.detach(),
            labels=named_classes(on_labeled.segmentation.detach()),
        )
