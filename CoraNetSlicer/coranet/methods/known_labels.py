"""Labels that are known in unlabeled patches, by a review: they replace what a teacher predicts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..data.patches import UnlabeledBatch


def among_unknown(mask: Tensor, known: Tensor | None) -> Tensor:
    """A mask, weight or label (B, D, H, W) where no label is known, 0 elsewhere; None: none is known anywhere."""
    return mask if known is None else mask * ~known


def corrected_labels(labels: Tensor, unlabeled: UnlabeledBatch) -> Tensor:
    """A teacher's labels (B, D, H, W), int64, with the known ones in their place."""
    if unlabeled.targets is None or unlabeled.known is None:
        return labels
    return torch.where(unlabeled.known, unlabeled.targets, labels)


def corrected_probability(probability: Tensor, unlabeled: UnlabeledBatch) -> Tensor:
    """A teacher's softmax (B, K, D, H, W), float32, with 1 for the known label and 0 for the others in its place."""
    if unlabeled.targets is None or unlabeled.known is None:
        return probability
    truth = functional.one_hot(unlabeled.targets, probability.shape[1]).movedim(-1, 1).to(probability.dtype)
    return torch.where(unlabeled.known.unsqueeze(1), truth, probability)


def with_known_voxels(weight: Tensor | None, known: Tensor | None, reviewed_weight: float) -> Tensor | None:
    """Where labels teach in unlabeled patches: those of a teacher where they may, the known ones wherever they are.

    What was reviewed is what was hard to tell, and little of a scan: weighted like all others, these voxels
    would hardly count.

    Args:
        weight: (B, D, H, W), bool or in [0, 1], how much a teacher's label counts; None: 1 everywhere.
        known: (B, D, H, W), bool; None: no label is known.
        reviewed_weight: how much a known label counts.

    Returns:
        `weight` as it came where nothing is known, else float32.
    """
    if known is None:
        return weight
    everywhere = torch.ones_like(known, dtype=torch.float32)
    return (everywhere if weight is None else weight.float()).masked_fill(known, reviewed_weight)
