"""What all backbones are built of, for slices (2D) and volumes (3D): a kernel of two numbers makes a 2D layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .architecture import Architecture, Size

# Kernel or stride of a layer: (D, H, W) of a 3D network, the two axes within a slice of a 2D one.
Extent = tuple[int, ...]


class FeatureDropout(nn.Module):
    """Leaves out whole channels at random while in training mode (Tompson et al. 2015).

    For Monte Carlo dropout set the modules of this class, and none else, to training mode: `module.train()`.

    Attributes:
        share: probability that a channel is left out; the others are scaled up so that the mean stays.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same, with some channels zero."""
        return torch.feature_dropout(x, self.share, self.training) if self.share else x


class Projection(nn.Module):
    """A convolution of one voxel, with a stride: channels are mixed and nothing else.

    Written as a matrix product over channels: torch has no fast convolution of one voxel in 3D on processors, and the
    slow one gives up the channels-last layout.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Extent, bias: bool = True) -> None:
        super().__init__()
        self.stride = stride
        self.channels = nn.Linear(in_channels, out_channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C', ...), each axis divided by its stride."""
        coarse = x[tuple([slice(None), slice(None), *(slice(None, None, step) for step in self.stride)])]
        result: Tensor = self.channels(coarse.movedim(1, -1)).movedim(-1, 1)
        return result


def convolution_block(
    in_channels: int, out_channels: int, kernel: Extent, convolutions: int, normalization: str
) -> nn.Sequential:
    """Convolutions, each with normalization and activation."""
    layers: list[nn.Module] = []
    for number in range(convolutions):
        layers += [
            convolution(in_channels if number == 0 else out_channels, out_channels, kernel),
            normalization_layer(normalization, out_channels, len(kernel)),
            activation(),
        ]
    return nn.Sequential(*layers)


def downsampling(in_channels: int, out_channels: int, stride: Extent, normalization: str) -> nn.Sequential:
    """A strided convolution with normalization and activation."""
    kind = nn.Conv2d if len(stride) == 2 else nn.Conv3d
    return _resizing(kind(in_channels, out_channels, stride, stride, bias=False), stride, normalization)  # type: ignore[arg-type]


def upsampling(in_channels: int, out_channels: int, stride: Extent, normalization: str) -> nn.Sequential:
    """A transposed convolution with normalization and activation."""
    kind = nn.ConvTranspose2d if len(stride) == 2 else nn.ConvTranspose3d
    return _resizing(kind(in_channels, out_channels, stride, stride, bias=False), stride, normalization)  # type: ignore[arg-type]


class VolumeConvolution(nn.Conv3d):
    """A 3D convolution, in float32 where the volume is two slices deep and the processor computes.

    In bfloat16 the gradient of a kernel three deep reads uninitialized memory there (torch 2.13, oneDNN).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) -> (B, C', D', H', W')."""
        if x.shape[2] != 2 or x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def convolution(in_channels: int, out_channels: int, kernel: Extent, stride: Extent | None = None) -> nn.Module:
    """A convolution with odd kernel and no bias that keeps the size, or divides it by the stride."""
    kind = nn.Conv2d if len(kernel) == 2 else VolumeConvolution
    padding = tuple(size // 2 for size in kernel)
    return kind(in_channels, out_channels, kernel, stride or 1, padding, bias=False)  # type: ignore[arg-type]


def normalization_layer(name: str, channels: int, axes: int) -> nn.Module:
    """Batch or instance normalization over `axes` spatial axes, with learned scale and shift."""
    if name == "batch":
        return (nn.BatchNorm2d if axes == 2 else nn.BatchNorm3d)(channels)
    return (nn.InstanceNorm2d if axes == 2 else nn.InstanceNorm3d)(channels, affine=True)


def activation() -> nn.Module:
    """What comes after each normalization."""
    return nn.LeakyReLU(0.01, inplace=True)


def extent(architecture: Architecture, size: Size) -> Extent:
    """A kernel or stride without the axis that the network does not see."""
    return tuple(count for axis, count in enumerate(size) if axis != architecture.slice_axis)


def level_filters(architecture: Architecture) -> list[int]:
    """Channels at each level, finest first; doubled at each step down."""
    return [architecture.base_filters * 2**level for level in range(len(architecture.kernels))]


def _resizing(layer: nn.Module, stride: Extent, normalization: str) -> nn.Sequential:
    channels = int(layer.out_channels)  # type: ignore[arg-type]
    return nn.Sequential(layer, normalization_layer(normalization, channels, len(stride)), activation())
