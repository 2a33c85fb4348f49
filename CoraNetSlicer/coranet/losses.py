"""Losses of CoraNet. Logits are (B, K, D, H, W), targets (B, D, H, W) of class indices, masks (B, D, H, W).

A mask is bool, or float weights in [0, 1] with which voxels count. Equations are those of Shi et al. 2021. A mask that
is empty gives a loss of exactly 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1e-5
_IGNORED = -100


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
        mask: (B, D, H, W), bool or weights, how much a voxel counts; None: all alike.

    Returns:
        Scalar, at least 0.
    """
    logits = logits.float()
    weight = None if costs is None else logits.new_tensor(costs)
    if mask is None:
        return functional.cross_entropy(logits, target, weight)
    if mask.is_floating_point():
        counted = mask if weight is None else mask * weight[target]
        return (counted * functional.cross_entropy(logits, target, reduction="none")).sum() / _at_least_smooth(counted)
    counts = mask.bool()
    mean = functional.cross_entropy(logits, target.masked_fill(~counts, _IGNORED), weight, ignore_index=_IGNORED)
    # Of nothing torch takes the mean to be NaN; the gradient is 0 either way.
    return torch.where(counts.any(), mean, 0.0)


def dice_loss(logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """One minus the soft Dice over the foreground classes, summed over the batch before dividing.

    Classes that neither occur in the target nor are predicted count as perfectly found.

    Args:
        logits: (B, K, D, H, W), float.
        target: (B, D, H, W), int64, class indices.
        mask: (B, D, H, W), bool or weights, how much a voxel counts; None: all alike.

    Returns:
        Scalar in [0, 1].
    """
    foreground = torch.arange(1, logits.shape[1], device=logits.device).reshape(-1, *[1] * (logits.ndim - 2))
    probability = logits.float().softmax(1)[:, 1:]
    truth = target.unsqueeze(1) == foreground
    over = (0, *range(2, logits.ndim))
    counted = truth
    if mask is not None:
        # A product of bools is a bool, whose sums are cheap.
        probability, counted = probability * mask.unsqueeze(1), truth * mask.unsqueeze(1)
    overlap = (probability * truth).sum(over)
    total = probability.sum(over) + counted.sum(over)
    return 1 - ((2 * overlap + _SMOOTH) / (total + _SMOOTH)).mean()


def consistency_loss(student_logits: Tensor, teacher_probability: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared difference of the student's softmax to the teacher's inside a region (UC-SN).

    Args:
        student_logits: (B, K, D, H, W).
        teacher_probability: (B, K, D, H, W), softmax of the teacher; no gradient flows into it.
        mask: (B, D, H, W), 1 in the uncertain region, or weights; None: everywhere.

    Returns:
        Scalar, at least 0: mean over classes and over the voxels of the region.
    """
    squared = (student_logits.float().softmax(1) - teacher_probability.detach()).square().mean(1)
    if mask is None:
        return squared.mean()
    weight = mask.to(squared.dtype)
    return (squared * weight).sum() / _at_least_smooth(weight)


def _at_least_smooth(weights: Tensor) -> Tensor:
    return weights.sum().clamp_min(_SMOOTH)
