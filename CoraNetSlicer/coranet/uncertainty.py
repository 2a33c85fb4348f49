"""Where the conservative and the radical head agree, where they differ, and how little it takes to make them differ.

Logits are (B, K, ...), class 0 is background.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Of a float32's 23 bits behind the first one so many are not stored; smaller numbers are stored as 0.
_DROPPED_BITS = 13
SMALLEST_STORED = 2.0**-15
# How far the dial can be set (`inference.caution`), either way.
_END_OF_DIAL = 20.0


def named_classes(logits: Tensor) -> Tensor:
    """The class of the largest logit, of equal ones the first; (B, K, ...) -> int64, (B, ...)."""
    # The same as argmax, in a tenth of its time on a CPU.
    return logits.max(1).indices


def second_class(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The second class of each voxel, and by how much the largest logit exceeds its own.

    Args:
        logits: (B, K, ...).

    Returns:
        Margin, float, at least 0; and class, int64; each (B, ...). Of three equal logits the second is any.
    """
    if logits.shape[1] == 2:
        first, second = logits.unbind(1)
        return (first - second).abs(), (first >= second).long()
    best, index = logits.max(1, keepdim=True)
    others = logits.scatter(1, index, -torch.inf).max(1)
    return best.squeeze(1) - others.values, others.indices


def certain_region(conservative_logits: Tensor, radical_logits: Tensor, caution: float = 0.0) -> Tensor:
    """Where the two heads name the same class (Shi et al. 2021: the complement of their XOR).

    Args:
        conservative_logits: (B, K, ...).
        radical_logits: (B, K, ...).
        caution: at least 0; above, the heads must still name the same class when they are moved apart by this much.

    Returns:
        Bool, (B, ...).
    """
    is_certain = named_classes(conservative_logits) == named_classes(radical_logits)
    return is_certain & (caution_shift(conservative_logits, radical_logits) >= caution) if caution > 0 else is_certain


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
    """Uncertainty in [0, 1]: u = 1 / (1 + exp(t)) of the `caution_shift` t.

    At least 0.5 exactly where the heads name different classes. The uncertain region for a caution t is where the map
    is at least `contract.doubt.uncertainty_threshold(t)`.

    Returns:
        Float32, (B, ...).
    """
    value = torch.sigmoid(-caution_shift(conservative_logits, radical_logits))
    # Ties between logits are broken by argmax; the map follows the labels that are shown.
    certain = certain_region(conservative_logits, radical_logits)
    below_half = torch.nextafter(torch.tensor(0.5), torch.tensor(0.0)).to(value)
    return torch.where(certain, value.minimum(below_half), value.clamp_min(0.5))


def rounded_down(uncertainty: Tensor) -> Tensor:
    """Values of the map as they are stored: 11 significant bits, and 0 below 2^-15, which is a caution of 10.4.

    So a file has half of its size. Rounding down moves no value over 0.5.

    Args:
        uncertainty: float32 in [0, 1].
    """
    bits = uncertainty.contiguous().view(torch.int32)
    stored = (bits & -(1 << _DROPPED_BITS)).view(torch.float32)
    return stored.masked_fill_(stored < SMALLEST_STORED, 0)


def threshold_of_rounded(threshold: float) -> float:
    """The value that exact numbers are at least where `rounded_down` ones are at least a threshold, a float32."""
    exact = torch.tensor([threshold], dtype=torch.float32)
    stored = rounded_down(exact.clone())
    up = (
        stored
        if stored.item() >= exact.item()
        else (stored.view(torch.int32) + (1 << _DROPPED_BITS)).view(torch.float32)
    )
    return max(up.item(), SMALLEST_STORED)


def caution_at(uncertainty: float) -> float:
    """The inverse of `contract.doubt.uncertainty_threshold`: log((1 - u) / u), within what the dial can be set to.

    At 1 that is -20, whose threshold is 1 in float32: files cannot hold what is infinite.
    """
    if not 0 < uncertainty < 1:
        return _END_OF_DIAL if uncertainty <= 0 else -_END_OF_DIAL
    return min(max(math.log((1 - uncertainty) / uncertainty), -_END_OF_DIAL), _END_OF_DIAL)


def moved_labels(
    conservative_logits: Tensor, radical_logits: Tensor, uncertainty: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """What the conservative and the radical head name when the dial stands at a caution t.

    At t = 0 that is what they were trained to name. At t > 0 the conservative head keeps a foreground class if its
    margin exceeds t; the radical head names the foreground class of largest margin where that exceeds -t. A voxel that
    the heads name the wrong way round (conservative foreground, radical background) stays so until one of them turns;
    then it is conservative background and radical foreground. At t < 0 the heads keep their labels where they are
    uncertain; where they are not, both name what the one with the larger margin names.

    So as t grows the conservative foreground shrinks and the radical one grows, heads that are certain name the same
    class, and with two classes uncertain ones never do. (With more, a third class may be what makes them uncertain.)

    Args:
        conservative_logits: (B, K, ...).
        radical_logits: (B, K, ...).
        uncertainty: (B, ...), of `uncertainty_map`.
        threshold: of `contract.doubt.uncertainty_threshold`.

    Returns:
        Class indices of the conservative and of the radical head, int64, each (B, ...).
    """
    cautious, eager = named_classes(conservative_logits), named_classes(radical_logits)
    if threshold == 0.5:
        return cautious, eager
    cautious_lead, eager_lead = _lead(conservative_logits), _lead(radical_logits)
    if threshold > 0.5:
        certain = uncertainty < threshold
        surer = torch.where(cautious_lead >= eager_lead, cautious, eager)
        return torch.where(certain, surer, cautious), torch.where(certain, surer, eager)
    # In the numbers of the map, so that its rounding is theirs.
    gives_up = (cautious > 0) & (torch.sigmoid(-cautious_lead) >= threshold)
    joins = (eager == 0) & (torch.sigmoid(-eager_lead) >= threshold)
    turned = (cautious > 0) & (eager == 0) & (gives_up | joins)
    likeliest = named_classes(radical_logits[:, 1:]) + 1
    return cautious.masked_fill(gives_up | turned, 0), torch.where(joins | turned, likeliest, eager)


def _lead(logits: Tensor) -> Tensor:
    """The best logit minus the second best; (B, ...)."""
    best, second = best_two(logits.float())
    return (best - second).squeeze(1)


def _margins(logits: Tensor) -> Tensor:
    """For each foreground class its logit minus the best logit of all other classes; (B, K - 1, ...)."""
    if logits.shape[1] == 2:
        return logits[:, 1:] - logits[:, :1]
    best, second = best_two(logits)
    foreground = logits[:, 1:]
    return foreground - torch.where(foreground == best, second, best)


def best_two(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The best and the second best logit, each (B, 1, ...); equal ones count twice. `topk` would take longer."""
    best, index = logits.max(1, keepdim=True)
    return best, logits.scatter(1, index, -torch.inf).amax(1, keepdim=True)
