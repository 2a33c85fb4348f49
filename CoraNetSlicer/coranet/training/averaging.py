"""The mean of a teacher's weights over the last steps of a training (Izmailov et al. 2018), as a further candidate."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Mean of the weights of a network at the moments at which they were added, each counted alike.

    Running statistics of batch normalization are averaged like weights: near the end of a training, where the learning
    rate is small, the networks are nearly one.

    Attributes:
        network: with these weights, in evaluation mode; before the first was added as it came.
        count: how often weights were added.
    """

    def __init__(self, network: nn.Module) -> None:
        """Begin with nothing; `network` is copied."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.count = 0

    def add(self, network: nn.Module) -> None:
        """Add the weights that a network of the same architecture has now."""
        self.count += 1
        move_towards(self.network, network, 1 - 1 / self.count)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"count": self.count, "network": self.network.state_dict()}

    def load_state_dict(self, content: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: it is of another network, or of something else.
        """
        self.network.load_state_dict(content["network"])
        self.count = int(content["count"])


@torch.no_grad()
def move_towards(network: nn.Module, other: nn.Module, decay: float) -> None:
    """Weights become decay * theirs + (1 - decay) * those of another network; counters become the other's.

    Args:
        network: is changed.
        other: of the same architecture.
        decay: in [0, 1].
    """
    old, new = list(network.state_dict().values()), list(other.state_dict().values())
    get_ema_multi_avg_fn(decay)(
        *([tensor for tensor in tensors if tensor.is_floating_point()] for tensors in (old, new)), 0
    )
    for of_network, of_other in zip(old, new, strict=True):
        if not of_network.is_floating_point():
            of_network.copy_(of_other)
