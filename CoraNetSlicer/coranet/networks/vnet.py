"""V-Net (Milletari et al. 2016): residual blocks of 3D convolutions, strided down and up, with skip connections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .architecture import Architecture, Size


class VNetEncoder(nn.Module):
    """From a patch to features at each resolution."""

    def __init__(self, architecture: Architecture, in_channels: int = 1) -> None:
        super().__init__()
        filters = level_filters(architecture)
        self.blocks = nn.ModuleList(
            ResidualBlock(
                in_channels if level == 0 else filters[level],
                filters[level],
                architecture.kernels[level],
                convolutions_at(level),
                architecture.normalization,
            )
            for level in range(len(filters))
        )
        self.downs = nn.ModuleList(
            _resizing(nn.Conv3d, filters[level], filters[level + 1], stride, architecture.normalization)
            for level, stride in enumerate(architecture.strides)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 1, D, H, W) -> one feature map a level, finest first."""
        features = [self.blocks[0](image)]
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            features.append(block(down(features[-1])))
        return features


class VNetDecoder(nn.Module):
    """From features at each resolution to logits at full resolution."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        filters = level_filters(architecture)
        levels = range(len(architecture.strides))
        self.ups = nn.ModuleList(
            _resizing(
                nn.ConvTranspose3d,
                filters[level + 1],
                filters[level],
                architecture.strides[level],
                architecture.normalization,
            )
            for level in levels
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(
                2 * filters[level],
                filters[level],
                architecture.kernels[level],
                convolutions_at(level),
                architecture.normalization,
            )
            for level in levels
        )
        self.classifier = nn.Conv3d(filters[0], architecture.classes, kernel_size=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps, finest first -> logits (B, K, D, H, W)."""
        x = features[-1]
        for level in reversed(range(len(self.ups))):
            x = self.blocks[level](torch.cat([self.ups[level](x), features[level]], dim=1))
        logits: Tensor = self.classifier(x)
        return logits


class ResidualBlock(nn.Module):
    """Convolutions at one resolution; the input is added to the result where the channels allow."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Size, convolutions: int, normalization: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(convolutions):
            channels = in_channels if number == 0 else out_channels
            layers += [
                nn.Conv3d(channels, out_channels, kernel, padding="same", bias=False),
                _normalization(normalization, out_channels),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        # The last activation comes after the addition.
        self.body = nn.Sequential(*layers[:-1])
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv3d(in_channels, out_channels, kernel_size=1, bias=False)
        )
        self.activation = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) -> (B, C', D, H, W)."""
        result: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return result


def level_filters(architecture: Architecture) -> list[int]:
    """Channels at each level, finest first; doubled at each step down."""
    return [architecture.base_filters * 2**level for level in range(len(architecture.kernels))]


def convolutions_at(level: int) -> int:
    """Convolutions of a block: one at full resolution, where they are dearest, two below."""
    return 1 if level == 0 else 2


def _resizing(
    kind: type[nn.Conv3d] | type[nn.ConvTranspose3d],
    in_channels: int,
    out_channels: int,
    stride: Size,
    normalization: str,
) -> nn.Sequential:
    return nn.Sequential(
        kind(in_channels, out_channels, kernel_size=stride, stride=stride, bias=False),
        _normalization(normalization, out_channels),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _normalization(name: str, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if name == "batch" else nn.InstanceNorm3d(channels, affine=True)
