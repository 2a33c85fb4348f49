"""Losses of CoraNet. Logits are (B, K, D, H, W), targets (B, D, H, W) of class indices, masks (B, D, H, W) in {0, 1}.

Equations are those of Shi et al. 2021. A mask that is empty gives a loss of exactly 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1e-5


def conservative_costs(alpha: float, classes: int) -> tuple[float, ...]:
    """Class weights of the conservative head: false foreground costs `alpha` (weight on background), else 1.

    Args:
        alpha: misclassification cost, at least 1.
        classes: number of classes with background.
    """
    return (float(alpha), *([1.0] * (classes - 1)))


def radical_costs(alpha: float, classes: int) -> tuple[float, ...]:
    """Class weights of the radical head: missed foreground costs `alpha` (weight on every foreground class), else 1."""
    return (1.0, *([float(alpha)] * (classes - 1)))


def cost_weighted_cross_entropy(
    logits: Tensor, target: Tensor, costs: tuple[float, ...] | None = None, mask: Tensor | None = None
) -> Tensor:
    """Cross-entropy in which each voxel counts with the cost of its true class (Shi et al. 2021, eq. 1 and 2).

    The mean is weighted: sum(cost * mask * ce) / sum(cost * mask).

    Args:
        logits: (B, K, D, H, W), float.
        target: (B, D, H, W), int64, class indices.
        costs: K weights, or None for plain cross-entropy.
        mask: (B, D, H, W), 1 where a voxel counts; None: everywhere.

    Returns:
        Scalar, at least 0.
    """
    per_voxel = functional.cross_entropy(logits.float(), target, reduction="none")
    weight = torch.ones_like(per_voxel) if mask is None else mask.to(per_voxel.dtype)
    if costs is not None:
        weight = weight * per_voxel.new_tensor(costs)[target]
    return (per_voxel * weight).sum() / weight.sum().clamp_min(_SMOOTH)


def dice_loss(logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """One minus the soft Dice over the foreground classes, summed over the batch before dividing.

    Classes that neither occur in the target nor are predicted count as perfectly found.

    Args:
        logits: (B, K, D, H, W), float.
        target: (B, D, H, W), int64, class indices.
        mask: (B, D, H, W), 1 where a voxel counts; None: everywhere.

    Returns:
        Scalar in [0, 1].
    """
    classes = logits.shape[1]
    probability = logits.float().softmax(1)
    truth = functional.one_hot(target, classes).movedim(-1, 1).to(probability.dtype)
    if mask is not None:
        probability = probability * mask.unsqueeze(1)
        truth = truth * mask.unsqueeze(1)
    over = (0, *range(2, logits.ndim))
    overlap = (probability * truth).sum(over)
    total = probability.sum(over) + truth.sum(over)
    dice = (2 * overlap + _SMOOTH) / (total + _SMOOTH)
    return 1 - dice[1:].mean()


def consistency_loss(student_logits: Tensor, teacher_probability: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the student's softmax to the teacher's inside a region (UC-SN).

    Args:
        student_logits: (B, K, D, H, W).
        teacher_probability: (B, K, D, H, W), softmax of the teacher; no gradient flows into it.
        mask: (B, D, H, W), 1 in the uncertain region.

    Returns:
        Scalar, at least 0: mean over classes and over the voxels of the region.
    """
    squared = (student_logits.float().softmax(1) - teacher_probability.detach()).square().mean(1)
    weight = mask.to(squared.dtype)
    return (squared * weight).sum() / weight.sum().clamp_min(_SMOOTH)
