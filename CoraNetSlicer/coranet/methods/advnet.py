"""Adversarial network with confidence (Hung et al. 2018, eq. 1 to 5; Nie et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from ..contract.config import TrainingConfig
from ..data.patches import LabeledBatch, UnlabeledBatch
from ..networks import Architecture, HeadLogits
from ..uncertainty import named_classes
from .discriminator import Discriminator
from .known_labels import among_unknown, corrected_labels, with_known_voxels
from .method import Method, Networks, StepLosses, flagged_share, mean_where, student_logits, supervised_loss
from .pseudo_label import pseudo_label_loss

# Hung et al. weigh against a full cross-entropy, of which our supervised loss holds a quarter.
ADVERSARIAL_WEIGHT_LABELED = 0.01 / 4
ADVERSARIAL_WEIGHT_UNLABELED = 0.001 / 4
TRUSTED = 0.2  # least confidence of a pseudo-label


class AdversarialMethod(Method):
    """A discriminator tells labels from predictions; where it takes a prediction for a label, that is a pseudo-label.

    total = supervised + adversarial(labeled) + ramp_up * (adversarial(unlabeled) + w_certain * pseudo) + discriminator

    Hung, W.-C., Tsai, Y.-H., Liou, Y.-T., Lin, Y.-Y., Yang, M.-H.: Adversarial learning for semi-supervised semantic
    segmentation. BMVC 2018. Nie, D., Gao, Y., Wang, L., Shen, D.: ASDNet: attention based semi-supervised deep networks
    for medical image segmentation. MICCAI 2018. Pseudo-labels and their confidence are those of the pseudo_labeler (the
    moving average), in the papers of the network itself; their weight is certain_weight, 0.1 of a cross-entropy there.
    """

    def __init__(self, architecture: Architecture, config: TrainingConfig) -> None:
        super().__init__(architecture, config)
        self.auxiliary["discriminator"] = Discriminator(architecture.classes, architecture.patch_size_kji)

    def pretrain(self, networks: Networks, labeled: LabeledBatch) -> StepLosses:
        """The labeled patches teach the student, and the discriminator what labels look like."""
        logits: HeadLogits = networks.student(labeled.images)
        supervised = supervised_loss(logits, labeled, self.config.misclassification_cost)
        adversarial = ADVERSARIAL_WEIGHT_LABELED * self._adversarial_loss(logits.segmentation)
        total = supervised + adversarial + self._discriminator_loss(logits.segmentation, labeled)
        return StepLosses(total, supervised.detach(), labels=named_classes(logits.segmentation.detach()))

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        on_labeled, on_unlabeled = student_logits(networks.student, labeled, unlabeled)
        pseudo_labels, is_trusted = self._trusted_labels(networks, unlabeled)
        known = unlabeled.known
        supervised = supervised_loss(on_labeled, labeled, self.config.misclassification_cost)
        pseudo_targets = corrected_labels(pseudo_labels, unlabeled)
        weight = with_known_voxels(is_trusted, known, self.config.reviewed_weight)
        pseudo = pseudo_label_loss(on_unlabeled.segmentation, pseudo_targets, weight)
        adversarial = ADVERSARIAL_WEIGHT_LABELED * self._adversarial_loss(on_labeled.segmentation)
        on_unlabeled_loss = self.config.certain_weight * pseudo + ADVERSARIAL_WEIGHT_UNLABELED * self._adversarial_loss(
            on_unlabeled.segmentation
        )
        discriminator = self._discriminator_loss(on_labeled.segmentation, labeled)
        return StepLosses(
            supervised + adversarial + ramp_up * on_unlabeled_loss + discriminator,
            supervised.detach(),
            certain=pseudo.detach(),
            uncertain_share=flagged_share(is_trusted, known),
            labels=named_classes(on_labeled.segmentation.detach()),
            pseudo_labels=pseudo_labels * among_unknown(is_trusted, known),
        )

    def _adversarial_loss(self, logits: Tensor) -> Tensor:
        """-log D(softmax), mean over voxels (eq. 4); it teaches the student and leaves the discriminator alone."""
        discriminator = self.auxiliary["discriminator"]
        fixed = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
        realness: Tensor = functional_call(discriminator, fixed, (logits.float().softmax(1),))
        return functional.softplus(-realness).mean()

    def _discriminator_loss(self, logits: Tensor, labeled: LabeledBatch) -> Tensor:
        """-log D(labels) - log(1 - D(softmax)), means over voxels (eq. 1); it leaves the student alone.

        Where labels are known in part, the discriminator sees both maps as nothing elsewhere, and is applied to that
        part: it can neither look at undecided voxels nor tell the maps apart by them.
        """
        discriminator, known = self.auxiliary["discriminator"], labeled.known
        labels = functional.one_hot(labeled.targets, logits.shape[1]).movedim(-1, 1).float()
        predictions = logits.detach().float().softmax(1)
        if known is not None:
            labels, predictions = labels * known.unsqueeze(1), predictions * known.unsqueeze(1)
        of_labels: Tensor = functional.softplus(-discriminator(labels))
        of_predictions: Tensor = functional.softplus(discriminator(predictions))
        return mean_where(known, of_labels) + mean_where(known, of_predictions)

    @torch.no_grad()
    def _trusted_labels(self, networks: Networks, unlabeled: UnlabeledBatch) -> tuple[Tensor, Tensor]:
        """Pseudo-labels and where they are trusted (eq. 5), both (B, D, H, W)."""
        logits: HeadLogits = networks.pseudo_labeler(unlabeled.teacher_images)
        confidence = self.auxiliary["discriminator"](logits.segmentation.float().softmax(1)).sigmoid()
        return named_classes(logits.segmentation), confidence > TRUSTED
