"""How sure a network is of scans whose labels it does not know, and another one made as sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..data.cache import PreparedCase
from ..inference.network_pass import SlidingWindow
from ..networks import HeadLogits

# Voxels count in which the radical head gives a structure at least these odds, as a natural logarithm: what lies
# farther away is background to every network.
_NEAR = -6.0
# A network that is so much surer or less sure than another one has learned something else.
_MOST = 4.0


class ScaledNetwork(nn.Module):
    """A network whose logits are so many times as large; what it names is the same."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self._network, self._factor = network, factor

    def forward(self, image: Tensor) -> HeadLogits:
        """See `CoraNet.forward`."""
        return HeadLogits(*(self._factor * head for head in self._network(image)))


def mean_margin(network: nn.Module, cases: Sequence[PreparedCase], window: SlidingWindow) -> float | None:
    """How far the best class lies before the second one, in logits of the segmentation head near the structures.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared; the mean is over their voxels together.
        window: how to cover a whole scan.

    Returns:
        The mean; None where no voxel lies near a structure, or there is no case.
    """
    total, count = 0.0, 0
    for case in cases:
        image = torch.from_numpy(np.asarray(case.image, dtype=np.float32))
        for _, rows in window.stream(network, image, case.padding):
            is_near = rows.radical[1:].amax(0) - rows.radical[0] > _NEAR
            best, second = rows.segmentation.float().topk(2, dim=0).values
            total += float((best - second)[is_near].sum())
            count += int(is_near.sum())
    return total / count if count else None


def as_sure_as(network: nn.Module, wanted: float | None, found: float | None) -> nn.Module:
    """A network with logits on the scale of another one.

    Args:
        network: gives `HeadLogits`.
        wanted: `mean_margin` of the other one.
        found: that of this one, of the same cases.
    """
    if not wanted or not found:
        return network
    return ScaledNetwork(network, min(max(wanted / found, 1 / _MOST), _MOST)).eval()
