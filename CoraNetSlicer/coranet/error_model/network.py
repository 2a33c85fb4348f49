"""A small network that estimates for each voxel how probably a result is wrong there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..contract.codec import from_json, to_json
from .evidence import ENDS, HEAD_CHANNELS, Evidence

# An axis is halved as soon as its voxels are less than this many times as long as the shortest ones.
_MUCH_LONGER = 1.9
# Of these, and of the image, each level also knows how steep they are.
_STEEP = HEAD_CHANNELS.index("segmentation_foreground")
_POSITIONS = 3
# Voxels whose features are there at once, and voxels of the coarsest level that are seen around them.
SLAB_VOXELS, _HALO = 4_000_000, 3


@dataclass(frozen=True)
class ErrorArchitecture:
    """The form of an error network.

    Attributes:
        channels: of the evidence.
        spacing_dhw: mm, of the scans that it is fitted on.
        width: features of each voxel behind the first layer.
        levels: how often the evidence is halved: the coarsest level sees far from the boundary.
        ends: whether it sees how far the ends of the structures are; models of earlier versions do not.
        softmax_share: how much the softmax counts in the log-odds from which deep errors are derived; 0 in models of
            earlier versions.
    """

    channels: int
    spacing_dhw: tuple[float, float, float]
    width: int = 32
    levels: int = 4
    ends: bool = False
    softmax_share: float = 0.0

    @property
    def factors(self) -> list[tuple[int, int, int]]:
        """By how much each level is coarser than the evidence, along (D, H, W)."""
        spacing, total, factors = list(self.spacing_dhw), [1, 1, 1], []
        for _ in range(self.levels):
            halved = [2 if step < _MUCH_LONGER * min(spacing) else 1 for step in spacing]
            spacing = [step * factor for step, factor in zip(spacing, halved, strict=True)]
            total = [whole * factor for whole, factor in zip(total, halved, strict=True)]
            factors.append((total[0], total[1], total[2]))
        return factors

    @property
    def rows(self) -> int:
        """Rows along D that are one row of the coarsest level; a part of a scan begins at a multiple of them."""
        return self.factors[-1][0] if self.levels else 1

    @property
    def level_features(self) -> int:
        """Numbers of a voxel of each level: the evidence, and how steep some of it is."""
        return self.channels + 1 + self.channels - len(HEAD_CHANNELS)

    @property
    def features(self) -> int:
        """Numbers of a voxel, of all levels together with its position."""
        return (1 + self.levels) * self.level_features + self.positions

    @property
    def positions(self) -> int:
        """Numbers that say where a voxel lies."""
        return _POSITIONS + (ENDS if self.ends else 0)

    @property
    def slice_axis(self) -> int:
        """The axis of the longest voxels; D where they are alike."""
        return self.spacing_dhw.index(max(self.spacing_dhw))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(to_json(self))

    @staticmethod
    def from_dict(content: dict[str, Any]) -> ErrorArchitecture:
        """The inverse of `to_dict`.

        Raises:
            TypeError, KeyError, ValueError: something is missing or of another kind.
        """
        network = from_json(ErrorArchitecture, content)
        if not (
            len(HEAD_CHANNELS) < network.channels <= 1100 and 1 <= network.width <= 256 and 0 <= network.levels <= 6
        ):
            raise ValueError(
                f"an error network of {network.channels} channels, {network.width} features, {network.levels} levels"
            )
        if not (min(network.spacing_dhw) > 0 and 0 <= network.softmax_share <= 1):
            raise ValueError(f"spacing {network.spacing_dhw}, share of the softmax {network.softmax_share}")
        return network


class ErrorNetwork(nn.Module):
    """A perceptron of each voxel that sees the evidence averaged at coarser and coarser levels, and where it lies.

    What is averaged is not learned, so that voxels that are fitted on can be sampled, and a fit takes seconds.

    Attributes:
        architecture: its form.
        mean, deviation: of the features that it was fitted on, each (features,).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, architecture: ErrorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("mean", torch.zeros(architecture.features))
        self.register_buffer("deviation", torch.ones(architecture.features))
        self.first = nn.Linear(architecture.features, architecture.width)
        self.second = nn.Linear(architecture.width, architecture.width)
        self.output = nn.Linear(architecture.width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, features) -> log-odds that the result is wrong, (N,)."""
        # Standardized by the weights, which are fewer than the features.
        weight = self.first.weight / self.deviation
        hidden = functional.relu(functional.linear(features, weight, self.first.bias - weight @ self.mean))
        output: Tensor = self.output(functional.relu(self.second(hidden)))
        return output[:, 0]

    def sampled(self, evidence: Evidence, rows: slice, places: Tensor) -> Tensor:
        """The features of some voxels.

        Args:
            evidence: of the scan.
            rows: along D, beginning at a multiple of `architecture.rows`; all of them are seen around the voxels.
            places: (N,), int64, numbers of voxels, counted through these rows.

        Returns:
            (N, features), float32.
        """
        here = evidence.channels[:, rows].float()
        index = torch.unravel_index(places, here.shape[1:])
        parts = [part.flatten(1)[:, places].T for part in (here, self._slopes(here))]
        coarser = [torch.cat([level, self._slopes(level)]) for level in _averages(here, self.architecture.factors)]
        if coarser:
            features = coarser[-1]
            for number in reversed(range(len(coarser) - 1)):
                features = torch.cat([coarser[number], self._finer(features, number + 1, coarser[number].shape[1:])])
            parts.append(_interpolated(features, self.architecture.factors[0], index))
        return torch.cat([*parts, *(along.T for along in self._position(evidence, rows, index))], 1)

    def _position(self, evidence: Evidence, rows: slice, index: Sequence[Tensor]) -> list[Tensor]:
        """Where voxels of some rows lie, whose index along each axis is given, (..., N)."""
        along = [(axis, values[None]) for axis, values in enumerate(evidence.position)]
        if self.architecture.ends:
            axis = self.architecture.slice_axis
            along.append((axis, evidence.ends(axis, self.architecture.spacing_dhw[axis])))
        return [(values[:, rows] if axis == 0 else values)[:, index[axis]] for axis, values in along]

    def _slopes(self, level: Tensor) -> Tensor:
        return _slope(level[[_STEEP, *range(len(HEAD_CHANNELS), self.architecture.channels)]])

    def _finer(self, coarse: Tensor, level: int, size: Sequence[int]) -> Tensor:
        """Features of the level behind one at the voxels of that one; the last ones may reach beyond the scan."""
        factors = [(1, 1, 1), *self.architecture.factors]
        scale = [after / before for before, after in zip(factors[level], factors[level + 1], strict=True)]
        fine = functional.interpolate(coarse[None], scale_factor=scale, mode="trilinear", align_corners=False)[0]
        return fine[:, : size[0], : size[1], : size[2]]


def slabs(architecture: ErrorArchitecture, size: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Rows of a scan of (D, H, W) voxels whose features fit into memory, and the rows around them that they need."""
    depth, height, width = size
    unit = architecture.rows
    # The coarsest level is interpolated between, and its slopes reach one voxel further.
    around = _HALO * unit
    rows = max(around, SLAB_VOXELS // (height * width) // unit * unit)
    for first in range(0, depth, rows):
        last = min(depth, first + rows)
        yield slice(first, last), slice(max(0, first - around), min(depth, last + around))


def _averages(finest: Tensor, factors: Sequence[tuple[int, int, int]]) -> Iterator[Tensor]:
    """The means of blocks of voxels, coarser and coarser; the last voxels are repeated where a block is not whole."""
    level, size, before = finest, finest.shape[1:], (1, 1, 1)
    for axis, block in enumerate(factors[-1] if factors else (), start=1):
        missing = -level.shape[axis] % block
        if missing:
            last = level.narrow(axis, level.shape[axis] - 1, 1)
            level = torch.cat([level, last.repeat_interleave(missing, axis)], axis)
    for total in factors:
        # Each level from the one before: the mean of means of as many voxels is the mean of all.
        level = functional.avg_pool3d(level[None], [new // old for new, old in zip(total, before, strict=True)])[0]
        before = total
        depth, height, width = (-(-voxels // block) for voxels, block in zip(size, total, strict=True))
        yield level[:, :depth, :height, :width]


def _interpolated(coarse: Tensor, factors: Sequence[int], index: Sequence[Tensor]) -> Tensor:
    """Features of a coarse level at some voxels of the finest one, linearly; (C, d, h, w) -> (N, C)."""
    corners = torch.zeros(len(index[0]), 1, dtype=torch.int64)
    weights = torch.ones(len(index[0]), 1)
    for along, factor, count in zip(index, factors, coarse.shape[1:], strict=True):
        # In voxels of the coarse level, from the middle of its first one.
        place = ((along[:, None] + 0.5) / factor - 0.5).clamp(0, count - 1)
        lower = place.long()
        ends = [lower] if factor == 1 else [lower, (lower + 1).clamp_max(count - 1)]
        shares = [torch.ones(1)] if factor == 1 else [1 - (place - lower), place - lower]
        corners = torch.cat([corners * count + end for end in ends], 1)
        weights = torch.cat([weights * share for share in shares], 1)
    voxels = coarse.flatten(1).T.contiguous()
    return functional.embedding_bag(corners, voxels, per_sample_weights=weights, mode="sum")


def _slope(level: Tensor) -> Tensor:
    """Length of the gradient in steps of voxels, 0 across the border; (C, D, H, W)."""
    squares = torch.zeros_like(level)
    for axis in range(1, 4):
        count = level.shape[axis]
        if count > 2:
            difference = (level.narrow(axis, 2, count - 2) - level.narrow(axis, 0, count - 2)) / 2
            squares.narrow(axis, 1, count - 2).add_(difference.square())
    return squares.sqrt_()
