"""Where the conservative and the radical head agree, where they differ, and how little it takes to make them differ.

Logits are (B, K, ...), class 0 is background.
"""

from __future__ import annotations

import torch
from torch import Tensor


def certain_region(conservative_logits: Tensor, radical_logits: Tensor) -> Tensor:
    """Where the two heads name the same class (Shi et al. 2021: the complement of their XOR).

    Args:
        conservative_logits: (B, K, ...).
        radical_logits: (B, K, ...).

    Returns:
        Bool, (B, ...).
    """
    return conservative_logits.argmax(1) == radical_logits.argmax(1)


def caution_shift(conservative_logits: Tensor, radical_logits: Tensor) -> Tensor:
    """The smallest shift of the decision that makes the heads differ, a voxel; below 0 where they differ already.

    A head trained with a misclassification cost can be moved to another cost by adding a log-cost to its logits.
    For a class, let m_c and m_r be its margins (logit minus the best other logit) in the conservative and the radical
    head. Lowering m_c and raising m_r by t, the heads say different things about the class as soon as t exceeds
    max(m_c, -m_r). Where they differ the wrong way round (m_c > 0 > m_r) the disagreement is as deep as the nearer of
    the two margins. A voxel is doubted as soon as one of its foreground classes is.

    Args:
        conservative_logits: (B, K, ...).
        radical_logits: (B, K, ...).

    Returns:
        Float32, (B, ...), in units of logits (natural logarithm of a cost ratio).
    """
    cautious = _margins(conservative_logits.float())
    eager = _margins(radical_logits.float())
    shift = torch.maximum(cautious, -eager)
    inverted = (cautious > 0) & (eager < 0)
    shift = torch.where(inverted, -torch.minimum(cautious, -eager), shift)
    return shift.amin(1)


def uncertainty_map(conservative_logits: Tensor, radical_logits: Tensor) -> Tensor:
    """Uncertainty in [0, 1]: the logistic function of minus `caution_shift`.

    At least 0.5 exactly where the heads name different classes; a threshold u is the shift log((1 - u) / u).

    Returns:
        Float32, (B, ...).
    """
    value = torch.sigmoid(-caution_shift(conservative_logits, radical_logits))
    # Ties between logits are broken by argmax; the map follows the labels that are shown.
    certain = certain_region(conservative_logits, radical_logits)
    below_half = torch.nextafter(torch.tensor(0.5), torch.tensor(0.0)).to(value)
    return torch.where(certain, value.minimum(below_half), value.clamp_min(0.5))


def _margins(logits: Tensor) -> Tensor:
    """For each foreground class its logit minus the best logit of all other classes; (B, K - 1, ...)."""
    best_two = logits.topk(2, dim=1).values
    best, second = best_two[:, :1], best_two[:, 1:]
    best_other = torch.where(logits == best, second, best)
    return (logits - best_other)[:, 1:]
