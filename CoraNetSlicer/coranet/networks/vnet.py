"""V-Net (Milletari et al. 2016): residual blocks of 3D convolutions, strided down and up, with skip connections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .architecture import Architecture
from .blocks import Extent, Projection, activation, convolution_block, downsampling, extent, level_filters
from .decoder import Decoder


class VNetEncoder(nn.Module):
    """From a patch to features at each resolution."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        filters = level_filters(architecture)
        self.blocks = nn.ModuleList(
            _block(architecture, level, architecture.in_channels if level == 0 else filters[level])
            for level in range(len(filters))
        )
        self.downs = nn.ModuleList(
            downsampling(filters[level], filters[level + 1], extent(architecture, stride), architecture.normalization)
            for level, stride in enumerate(architecture.strides)
        )
        # One image is added to every channel of features; of several, each channel gets a sum that is learned.
        self.image_sum: nn.Module | None = None
        if architecture.in_channels > 1:
            unit = extent(architecture, (1, 1, 1))
            self.image_sum = Projection(architecture.in_channels, filters[0], unit, bias=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, C, D, H, W) -> one feature map a level, finest first."""
        features = [self.blocks[0](image, image if self.image_sum is None else self.image_sum(image))]
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            features.append(block(down(features[-1])))
        return features


class VNetDecoder(Decoder):
    """From features at each resolution to one feature map at full resolution."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture, _block)

    def joined(self, level: int, up: Tensor, skipped: Tensor) -> Tensor:
        """See `Decoder.joined`."""
        result: Tensor = self.blocks[level](torch.cat([up, skipped], dim=1), up)
        return result


class ResidualBlock(nn.Module):
    """Convolutions at one resolution, to whose result their input is added.

    As in the paper, no convolution changes the number of channels of what is added: an image is added to every
    channel (of several images, see the encoder). Where features of the encoder are joined to upsampled ones, the latter
    are added.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Extent, convolutions: int, normalization: str
    ) -> None:
        super().__init__()
        # The last activation comes after the addition.
        self.body = convolution_block(in_channels, out_channels, kernel, convolutions, normalization)[:-1]
        self.activation = activation()

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, C, ...) -> (B, C', ...).

        Args:
            x: input of the convolutions.
            added: (B, C' or 1, ...), added to their result; None: `x`.
        """
        result: Tensor = self.activation(self.body(x) + (x if added is None else added))
        return result


def _block(architecture: Architecture, level: int, in_channels: int) -> ResidualBlock:
    # One convolution at full resolution, where it is dearest, two below.
    return ResidualBlock(
        in_channels,
        level_filters(architecture)[level],
        extent(architecture, architecture.kernels[level]),
        1 if level == 0 else 2,
        architecture.normalization,
    )
