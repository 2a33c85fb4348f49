"""Back to full resolution: what the decoders of all backbones share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .architecture import Architecture
from .blocks import extent, level_filters, upsampling


class Decoder(nn.Module):
    """From features at each resolution to one feature map at full resolution."""

    def __init__(self, architecture: Architecture, block: Callable[[Architecture, int, int], nn.Module]) -> None:
        """Plan the levels.

        Args:
            architecture: for strides and filters.
            block: makes the convolutions of a level from architecture, level and number of channels that come in.
        """
        super().__init__()
        filters = level_filters(architecture)
        self.ups = nn.ModuleList(
            upsampling(filters[level + 1], filters[level], extent(architecture, stride), architecture.normalization)
            for level, stride in enumerate(architecture.strides)
        )
        self.blocks = nn.ModuleList(
            block(architecture, level, 2 * filters[level]) for level in range(len(architecture.strides))
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps, finest first -> (B, base_filters, ...)."""
        x = features[-1]
        for level in reversed(range(len(self.ups))):
            x = self.joined(level, self.ups[level](x), features[level])
        return x

    def joined(self, level: int, up: Tensor, skipped: Tensor) -> Tensor:
        """Features of a level from those that come up and those that the encoder has left there."""
        result: Tensor = self.blocks[level](torch.cat([up, skipped], dim=1))
        return result
