"""Virtual adversarial training: the same answer where a small change alters it most (Miyato et al. 2018, section 3)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..networks import HeadLogits
from ..uncertainty import named_classes
from .extra_passes import leaving_no_trace
from .known_labels import corrected_probability, with_known_voxels
from .method import Method, Networks, StepLosses, mean_where, student_logits, supervised_loss

# The paper weighs the smoothness 1 against a full cross-entropy, of which our supervised loss holds a quarter;
# with the default consistency_weight of 0.1 the product is that quarter.
SMOOTHNESS_SCALE = 2.5
# Root mean square of the perturbation over the voxels of a patch whose intensities have deviation 1. The paper gives
# norms of whole images: 3.5 for SVHN and 10 for CIFAR-10 of 3072 values, which are 0.06 and 0.18 a value.
EPSILON = 0.1
# Of the finite difference; the paper's 1e-6 is below what float32 resolves through a deep network.
XI = 1e-2


class VirtualAdversarialMethod(Method):
    """total = supervised + ramp_up * SMOOTHNESS_SCALE * w_consistency * KL(clean || perturbed).

    Miyato, T., Maeda, S., Koyama, M., Ishii, S.: Virtual adversarial training: a regularization method for supervised
    and semi-supervised learning. IEEE TPAMI 2018. One power iteration; the perturbed patches are the unlabeled ones.
    """

    def self_train(
        self, networks: Networks, labeled: LabeledBatch, unlabeled: UnlabeledBatch, ramp_up: float
    ) -> StepLosses:
        """See `Method.self_train`."""
        # The unlabeled half serves batch normalization alone, so that all methods' statistics are of both.
        on_labeled, _ = student_logits(networks.student, labeled, unlabeled)
        supervised = supervised_loss(on_labeled, labeled, self.config.misclassification_cost)
        smoothness = smoothness_loss(networks.student, unlabeled, self.config.reviewed_weight)
        weight = SMOOTHNESS_SCALE * self.config.consistency_weight
        return StepLosses(
            supervised + ramp_up * weight * smoothness,
            supervised.detach(),
            uncertain=smoothness.detach(),
            labels=named_classes(on_labeled.segmentation.detach()),
        )


def smoothness_loss(network: nn.Module, unlabeled: UnlabeledBatch, reviewed_weight: float = 1.0) -> Tensor:
    """Divergence of the segmentation head's answers to patches and to their worst perturbation (LDS).

    Where a label is known, the answer to the perturbed patch is compared with that.

    Args:
        network: in training mode; neither its running statistics nor its parameters' gradients are touched before
            the result is differentiated.
        unlabeled: the student's views, (B, C, D, H, W), float32, and labels where a reviewer has decided on them.
        reviewed_weight: how much a voxel counts whose label is known; others count 1.

    Returns:
        Scalar, at least 0.
    """
    images = unlabeled.student_images
    with _full_precision(images.device.type), leaving_no_trace(network):
        with torch.no_grad():
            clean = _segmentation(network, images).softmax(1)
        perturbed = images + adversarial_perturbation(network, images, clean)
        expected, log_probability = (
            corrected_probability(clean, unlabeled),
            _segmentation(network, perturbed).log_softmax(1),
        )
        return divergence(expected, log_probability, with_known_voxels(None, unlabeled.known, reviewed_weight))


def adversarial_perturbation(network: nn.Module, images: Tensor, clean: Tensor) -> Tensor:
    """One power iteration from a random direction: the gradient of the divergence there, of size EPSILON.

    Args:
        network: as in `smoothness_loss`.
        images: (B, C, D, H, W), float32.
        clean: (B, K, D, H, W), the probabilities without perturbation.

    Returns:
        (B, C, D, H, W), without gradient.
    """
    direction = unit_size(torch.randn_like(images)).requires_grad_()
    perturbed = _segmentation(network, images + XI * direction).log_softmax(1)
    (gradient,) = torch.autograd.grad(divergence(clean, perturbed), [direction])
    return EPSILON * unit_size(gradient)


def divergence(p: Tensor, log_q: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean over the voxels of KL(p || q).

    Args:
        p: (B, K, D, H, W), probabilities.
        log_q: (B, K, D, H, W), natural logarithms of probabilities.
        weight: (B, D, H, W), how much a voxel counts; None: all alike.
    """
    return mean_where(weight, (torch.xlogy(p, p) - p * log_q).sum(1))


def unit_size(patches: Tensor) -> Tensor:
    """Each patch of (B, C, D, H, W) divided by its root mean square; patches of zeros stay what they are."""
    largest = patches.abs().amax((1, 2, 3, 4), keepdim=True).clamp_min(1e-30)
    scaled = patches / largest
    size = scaled.square().mean((1, 2, 3, 4), keepdim=True).sqrt()
    return scaled / size.clamp_min(1e-12)


def _full_precision(device_type: str) -> AbstractContextManager[Any]:
    """Half precision would drown the small perturbation. Before torch 2.5 other devices have none and are refused."""
    return torch.autocast(device_type, enabled=False) if device_type in ("cpu", "cuda") else nullcontext()


def _segmentation(network: nn.Module, images: Tensor) -> Tensor:
    logits: HeadLogits = network(images)
    return logits.segmentation.float()
