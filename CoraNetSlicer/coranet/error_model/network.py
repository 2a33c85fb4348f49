"""A small network that says for each voxel how probably a result is wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..contract.codec import from_json, to_json

# An axis is halved, and convolved along, as soon as its voxels are less than this many times the smallest spacing.
_MUCH_COARSER = 1.9


@dataclass(frozen=True)
class ErrorArchitecture:
    """The form of an error network.

    Attributes:
        channels: of the evidence.
        spacing_dhw: mm, of the scans that it is fitted on.
        width: features of each level.
        levels: how often the evidence is halved: the coarsest level sees far from the boundary.
    """

    channels: int
    spacing_dhw: tuple[float, float, float]
    width: int = 16
    levels: int = 3

    @property
    def factors(self) -> list[tuple[int, int, int]]:
        """By how much each level is coarser than the one above it, along (D, H, W)."""
        spacing, factors = list(self.spacing_dhw), []
        for _ in range(self.levels):
            depth, height, width = (2 if step < _MUCH_COARSER * min(spacing) else 1 for step in spacing)
            factors.append((depth, height, width))
            spacing = [step * factor for step, factor in zip(spacing, factors[-1], strict=True)]
        return factors

    @property
    def kernels(self) -> list[tuple[int, int, int]]:
        """Sizes of the kernels of each level: 1 along an axis whose voxels are still much longer."""
        spacing, kernels = list(self.spacing_dhw), []
        for factors in self.factors:
            spacing = [step * factor for step, factor in zip(spacing, factors, strict=True)]
            depth, height, width = (3 if step < _MUCH_COARSER * min(spacing) else 1 for step in spacing)
            kernels.append((depth, height, width))
        return kernels

    @property
    def rows(self) -> int:
        """Rows along D that are one row of the coarsest level."""
        rows = 1
        for factors in self.factors:
            rows *= factors[0]
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(to_json(self))

    @staticmethod
    def from_dict(content: dict[str, Any]) -> ErrorArchitecture:
        """The inverse of `to_dict`.

        Raises:
            TypeError, KeyError, ValueError: something is missing or of another kind.
        """
        made = from_json(ErrorArchitecture, content)
        if not (1 <= made.channels <= 1100 and 1 <= made.width <= 256 and 1 <= made.levels <= 6):
            raise ValueError(
                f"an error network of {made.channels} channels, {made.width} features, {made.levels} levels"
            )
        if not min(made.spacing_dhw) > 0:
            raise ValueError(f"spacing {made.spacing_dhw}")
        return made


class ErrorNetwork(nn.Module):
    """A pyramid: evidence averaged at coarser and coarser levels, convolved there, and brought back to each voxel.

    At full resolution each voxel is seen by itself, with what the levels say of its surroundings. So nearly all of the
    work is done on an eighth of the voxels or fewer.

    Attributes:
        architecture: its form.
        mean, deviation: of the evidence that it was fitted on, (F,).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, architecture: ErrorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        channels, width = architecture.channels, architecture.width
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, kernel in enumerate(architecture.kernels):
            inputs = channels if level == 0 else channels + width
            self.down.append(_convolution(inputs, width, kernel))
            self.up.append(_convolution(width if level == architecture.levels - 1 else 2 * width, width, kernel))
        self.voxel = nn.Conv3d(channels, width, 1)
        self.surroundings = nn.Conv3d(width, width, 1, bias=False)
        self.hidden = nn.Conv3d(width, width, 1)
        self.output = nn.Conv3d(width, 2, 1)
        nn.init.zeros_(self.output.weight)

    def forward(self, evidence: Tensor) -> Tensor:
        """Logits of wrong, and of wrong by more than the tolerance.

        Args:
            evidence: (B, F, D, H, W), float32.

        Returns:
            (B, 2, D, H, W), float32.
        """
        standard = self._standard(evidence)
        around = self._up(self.surroundings(self._context(standard)), 0, standard.shape[2:])
        features = functional.relu(self.voxel(standard) + around)
        output: Tensor = self.output(functional.relu(self.hidden(features)))
        return output

    def standardize(self, mean: Tensor, deviation: Tensor) -> None:
        """Set what evidence is divided by, each (F,)."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def start_at(self, shares: Sequence[float]) -> None:
        """Begin with the shares of wrong and of deeply wrong voxels everywhere."""
        with torch.no_grad():
            self.output.bias.copy_(torch.logit(torch.tensor(shares), eps=1e-6))  # type: ignore[union-attr]

    def _standard(self, evidence: Tensor) -> Tensor:
        return (evidence - self.mean[:, None, None, None]) / self.deviation[:, None, None, None]

    def _context(self, standard: Tensor) -> Tensor:
        """What the levels say, at the resolution of the first of them."""
        features: list[Tensor] = []
        pooled = standard
        for factors, down in zip(self.architecture.factors, self.down, strict=True):
            pooled = _averaged(pooled, factors)
            inputs = torch.cat([pooled, _averaged(features[-1], factors)], 1) if features else pooled
            features.append(functional.relu(down(inputs)))
        context = functional.relu(self.up[-1](features[-1]))
        for level in range(self.architecture.levels - 2, -1, -1):
            finer = features[level]
            context = self._up(context, level + 1, finer.shape[2:])
            context = functional.relu(self.up[level](torch.cat([finer, context], 1)))
        return context

    def _up(self, coarse: Tensor, level: int, size: Sequence[int]) -> Tensor:
        """Features of a level on the grid above it, whose last voxels may fill a coarse one in part."""
        scale = [float(factor) for factor in self.architecture.factors[level]]
        fine = functional.interpolate(coarse, scale_factor=scale, mode="trilinear", align_corners=False)
        return fine[:, :, : size[0], : size[1], : size[2]]


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int, int]) -> nn.Conv3d:
    depth, height, width = (size // 2 for size in kernel)
    layer = nn.Conv3d(inputs, outputs, kernel, padding=(depth, height, width))
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def _averaged(features: Tensor, factors: tuple[int, int, int]) -> Tensor:
    """The mean of each block of voxels; of those that are there, where the last block is not whole."""
    return functional.avg_pool3d(features, factors, ceil_mode=True, count_include_pad=False)
