"""How sure a network is of scans whose labels it does not know, and another one made as sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..data.cache import PreparedCase
from ..inference.network_pass import SlidingWindow
from ..networks import HeadLogits

Array = npt.NDArray[Any]

# Factors of logits for which the entropy is known; what lies beyond has learned something else.
FACTORS = np.exp(np.linspace(math.log(0.25), math.log(4.0), 17))


class ScaledNetwork(nn.Module):
    """A network whose logits are so many times as large; what it names is the same."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self._network, self._factor = network, factor

    def forward(self, image: Tensor) -> HeadLogits:
        """See `CoraNet.forward`."""
        return HeadLogits(*(self._factor * head for head in self._network(image)))


def entropies(network: nn.Module, cases: Sequence[PreparedCase], window: SlidingWindow) -> Array | None:
    """How unsure a network is: the entropy of its segmentation head, were its logits so many times as large.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared.
        window: how to cover a whole scan.

    Returns:
        For each of `FACTORS` the sum over all voxels, falling; None where there is no case.
    """
    totals = np.zeros(len(FACTORS))
    for case in cases:
        image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
        done = 0
        for first, rows in window.stream(network, image, case.padding):
            # Each part but the first begins with the last row of the one before.
            logits = rows.segmentation[:, done - first :].float()
            done = first + rows.segmentation.shape[1]
            totals += [_entropy(float(factor) * logits) for factor in FACTORS]
    return totals if len(cases) else None


def as_sure_as(network: nn.Module, wanted: Array | None, found: Array | None) -> nn.Module:
    """A network with logits on such a scale that its entropy is that of another one.

    Args:
        network: gives `HeadLogits`.
        wanted: `entropies` of the other one.
        found: those of this one, of the same cases.
    """
    if wanted is None or found is None or min(wanted.min(), found.min()) <= 0:
        return network
    scale, at_one = np.log(FACTORS), np.log(np.interp(0.0, np.log(FACTORS), wanted))
    # Of rising values: the entropy falls as the factor grows.
    factor = math.exp(float(np.interp(-at_one, -np.log(found), scale)))
    return ScaledNetwork(network, factor).eval()


def _entropy(logits: Tensor) -> float:
    """Sum of the entropy of the softmax over all voxels; logits (K, D, H, W)."""
    log_shares = torch.log_softmax(logits, 0)
    return -float((log_shares.exp() * log_shares).sum())
