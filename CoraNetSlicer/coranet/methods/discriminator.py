"""A small convolutional network that tells labels from predictions, voxel by voxel."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ..networks.architecture import Size
from ..networks.blocks import VolumeConvolution

_CHANNELS = (16, 32, 64)
_FEWEST = 4


class Discriminator(nn.Module):
    """Three strided convolutions, a classifier, and back to full size (that of Hung et al. 2018, but smaller)."""

    def __init__(self, classes: int, patch_size_kji: Size) -> None:
        """Fit it to the patches.

        Args:
            classes: number of classes with background.
            patch_size_kji: an axis is halved while it has four voxels; one of size 1 (single slices) is not convolved.
        """
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = classes, list(patch_size_kji)
        for wider in _CHANNELS:
            kernel, stride, padding = zip(*(_along_axis(count) for count in size), strict=True)
            layers += [VolumeConvolution(channels, wider, kernel, stride, padding), nn.LeakyReLU(0.2)]
            channels, size = wider, [count // step for count, step in zip(size, stride, strict=True)]
        self.body = nn.Sequential(*layers, nn.Conv3d(channels, 1, kernel_size=1))

    def forward(self, probability: Tensor) -> Tensor:
        """(B, K, D, H, W), probabilities or labels as such -> (B, D, H, W), float32, logit of being labels."""
        coarse = self.body(probability).float()
        return functional.interpolate(coarse, probability.shape[2:], mode="trilinear", align_corners=False)[:, 0]


def _along_axis(count: int) -> tuple[int, int, int]:
    """Kernel, stride and padding along an axis of `count` voxels."""
    if count == 1:
        return 1, 1, 0
    return (4, 2, 1) if count >= _FEWEST else (3, 1, 1)
