"""U-Net (Ronneberger et al. 2015) in 2D: pairs of convolutions, max-pooled down, upsampled, with skip connections."""

from __future__ import annotations

from torch import Tensor, nn

from .architecture import Architecture
from .blocks import convolution_block, extent, level_filters
from .decoder import Decoder


class UNetEncoder(nn.Module):
    """From slices to features at each resolution."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = [architecture.in_channels, *level_filters(architecture)]
        self.blocks = nn.ModuleList(
            _pair(architecture, level, channels[level]) for level in range(len(architecture.kernels))
        )
        self.pools = nn.ModuleList(_pooling(architecture, level) for level in range(len(architecture.strides)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one feature map a level, finest first."""
        features = [self.blocks[0](image)]
        for pool, block in zip(self.pools, self.blocks[1:], strict=True):
            features.append(block(pool(features[-1])))
        return features


class UNetDecoder(Decoder):
    """From features at each resolution to one feature map at full resolution."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture, _pair)


def _pair(architecture: Architecture, level: int, in_channels: int) -> nn.Sequential:
    kernel = extent(architecture, architecture.kernels[level])
    return convolution_block(in_channels, level_filters(architecture)[level], kernel, 2, architecture.normalization)


def _pooling(architecture: Architecture, level: int) -> nn.Module:
    stride = extent(architecture, architecture.strides[level])
    return nn.MaxPool2d(stride) if len(stride) == 2 else nn.MaxPool3d(stride)
