"""ResNet-18 (He et al. 2016) in 3D as an encoder; the decoder is the V-Net's.

The stem keeps full resolution, which a segmentation needs, in place of the 7x7 convolution and the pooling that made
pictures four times smaller; strides and kernels follow the spacing of the scans.
"""

from __future__ import annotations

from torch import Tensor, nn

from .architecture import Architecture
from .blocks import (
    Extent,
    Projection,
    activation,
    convolution,
    convolution_block,
    extent,
    level_filters,
    normalization_layer,
)

_STAGES = 4
_BLOCKS_A_STAGE = 2


class ResNetEncoder(nn.Module):
    """A stem and four stages of two basic blocks: 17 convolutions (with the classifier, 18 layers).

    Each step down begins a stage. Where there are fewer than four steps, the stages left over stay at the coarsest
    resolution; where there are more, there are as many stages as steps.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        filters = level_filters(architecture)
        normalization = architecture.normalization
        kernels = [extent(architecture, kernel) for kernel in architecture.kernels]
        self.stem = convolution_block(architecture.in_channels, filters[0], kernels[0], 1, normalization)
        self.stages = nn.ModuleList(
            _stage((filters[level - 1], filters[level]), kernels[level], extent(architecture, stride), normalization)
            for level, stride in enumerate(architecture.strides, start=1)
        )
        unit = tuple(1 for _ in kernels[-1])
        self.coarsest = nn.Sequential(
            *(
                _stage((filters[-1], filters[-1]), kernels[-1], unit, normalization)
                for _ in range(_STAGES - len(self.stages))
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, C, D, H, W) -> one feature map a level, finest first."""
        features = [self.stem(image)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        features[-1] = self.coarsest(features[-1])
        return features


class BasicBlock(nn.Module):
    """Two convolutions whose result is added to the input (He et al. 2016, figure 2 and equation 2)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Extent, stride: Extent, normalization: str) -> None:
        super().__init__()
        axes = len(kernel)
        self.body = nn.Sequential(
            convolution(in_channels, out_channels, kernel, stride),
            normalization_layer(normalization, out_channels, axes),
            activation(),
            convolution(out_channels, out_channels, kernel),
            normalization_layer(normalization, out_channels, axes),
        )
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or max(stride) > 1:
            self.shortcut = nn.Sequential(
                Projection(in_channels, out_channels, stride, bias=False),
                normalization_layer(normalization, out_channels, axes),
            )
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C', ...), each axis divided by its stride."""
        result: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return result


def _stage(channels: tuple[int, int], kernel: Extent, stride: Extent, normalization: str) -> nn.Sequential:
    before, after = channels
    blocks = [BasicBlock(before, after, kernel, stride, normalization)]
    unit = tuple(1 for _ in stride)
    blocks += [BasicBlock(after, after, kernel, unit, normalization) for _ in range(_BLOCKS_A_STAGE - 1)]
    return nn.Sequential(*blocks)
