"""How a scan is covered by windows: how large they are, where they begin, and with which weights they are joined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from ..networks.architecture import Size

# A scan that is longer than a window by no more than this factor is taken whole, not in windows that are mostly one.
_GROWTH = 1.25
# Standard deviation of the Gaussian that windows are weighted with, as a share of the window (Isensee et al. 2021).
_SIGMA = 0.125


@dataclass(frozen=True)
class AxisCover:
    """The windows along one axis.

    Attributes:
        size: of the scan, voxels.
        window: voxels of each window; more than `size` where the scan is padded.
        starts: first voxel of each window, ascending; below 0 where the scan is padded, by the same on both sides.
    """

    size: int
    window: int
    starts: tuple[int, ...]

    @staticmethod
    def of(size: int, sizes: range, overlap: int) -> AxisCover:
        """As few windows as there can be, and no larger than these need to be, spread evenly.

        Args:
            size: of the scan, voxels.
            sizes: that a window may have, voxels; a scan smaller than the largest is taken whole, in one of those.
            overlap: least number of voxels that neighbouring windows share, below the largest size.
        """
        most = sizes[-1]
        if size <= most:
            return AxisCover(size, most, (-((most - size) // 2),))
        count = math.ceil((size - overlap) / (most - overlap))
        needed = math.ceil((size + (count - 1) * overlap) / count)
        window = next(window for window in sizes if window >= needed)
        starts = tuple(round(number * (size - window) / (count - 1)) for number in range(count))
        return AxisCover(size, window, starts)

    def span(self, number: int) -> tuple[int, int]:
        """First voxel of the scan in a window, and the one after the last."""
        start = self.starts[number]
        return max(start, 0), min(start + self.window, self.size)

    def weights(self) -> list[Tensor]:
        """The weight of each window at its voxels of the scan, each (n,), float32; at each voxel they sum to 1."""
        place = torch.arange(self.window, dtype=torch.float64) - (self.window - 1) / 2
        gaussian = torch.exp(-0.5 * (place / (_SIGMA * self.window)) ** 2)
        spans = [self.span(number) for number in range(len(self.starts))]
        parts = [gaussian[first - start : end - start] for (first, end), start in zip(spans, self.starts, strict=True)]
        total = torch.zeros(self.size, dtype=torch.float64)
        for (first, end), part in zip(spans, parts, strict=True):
            total[first:end] += part
        return [(part / total[first:end]).float() for (first, end), part in zip(spans, parts, strict=True)]


@dataclass(frozen=True)
class Cover:
    """The windows of a scan: all combinations of those along its axes. A window is named by its numbers there.

    Attributes:
        depth, height, width: along D, H, W.
    """

    depth: AxisCover
    height: AxisCover
    width: AxisCover

    @property
    def axes(self) -> tuple[AxisCover, AxisCover, AxisCover]:
        """Along D, H, W."""
        return self.depth, self.height, self.width

    @property
    def window(self) -> Size:
        """(D, H, W) of each window."""
        return self.depth.window, self.height.window, self.width.window

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(len(axis.starts) for axis in self.axes)

    def layer(self, number: int) -> Iterator[Size]:
        """The windows that begin in the same row along D."""
        return ((number, *place) for place in product(range(len(self.height.starts)), range(len(self.width.starts))))

    def place(self, window: Size) -> list[slice]:
        """Which voxels of the scan lie in a window, along D, H, W."""
        return [slice(*axis.span(number)) for axis, number in zip(self.axes, window, strict=True)]

    def inside(self, window: Size) -> list[slice]:
        """Which voxels of a window lie in the scan, along D, H, W."""
        return [
            slice(part.start - axis.starts[number], part.stop - axis.starts[number])
            for part, axis, number in zip(self.place(window), self.axes, window, strict=True)
        ]


@dataclass(frozen=True)
class WindowRule:
    """What windows may be like; they are planned for each scan.

    Attributes:
        patch_size: (D, H, W) that the network was trained on.
        overlap: of neighbouring windows, as a share of the patch.
        factors: sizes along D, H, W that the network can halve as often as it does are multiples of these; None: the
            network takes no other size than the patch.
        slice_axis: 0, 1 or 2 of (D, H, W), along which a 2D network takes each slice by itself: windows hold several
            slices there and do not overlap; None: a 3D network.
        grows: whether windows may be larger than the patch, because the network treats a voxel alike whatever lies
            further off.
        voxels: of a window that is not larger than it needs to be.
    """

    patch_size: Size
    overlap: float
    factors: Size | None = None
    slice_axis: int | None = None
    grows: bool = False
    voxels: int = 0

    def cover(self, size: Sequence[int], most_rows: int) -> Cover:
        """Plan the windows of a scan.

        Args:
            size: (D, H, W) of the scan.
            most_rows: how many rows along D there is memory for; windows have no more, but for those of the patch,
                without which the network does not see what it was trained on.
        """
        most = self._largest(size, most_rows)
        along = [
            AxisCover.of(size[axis], self._sizes(axis, most[axis]), self._overlap(axis, most[axis]))
            for axis in range(3)
        ]
        return Cover(*along)

    def _sizes(self, axis: int, most: int) -> range:
        """Sizes of a window along an axis: up to `most`, none below the patch where that is left open."""
        if axis == self.slice_axis or not self.grows:
            return range(most, most + 1)
        return range(min(self.patch_size[axis], most), most + 1, (self.factors or (1, 1, 1))[axis])

    def _overlap(self, axis: int, most: int) -> int:
        """Voxels that windows of at most `most` voxels along an axis share."""
        patch = self.patch_size[axis]
        return (
            0 if axis == self.slice_axis else min(round(self.overlap * patch), most - 1 if most >= patch else most // 2)
        )

    def _largest(self, size: Sequence[int], most_rows: int) -> list[int]:
        """(D, H, W) of the largest window for a scan."""
        most = list(self.patch_size)
        if self.factors is not None:
            whole = [math.ceil(count / factor) * factor for count, factor in zip(size, self.factors, strict=True)]
            if self.grows:
                most = self._grown(whole)
            most = [
                all_ if here < all_ <= _GROWTH * here and axis != self.slice_axis else here
                for axis, (here, all_) in enumerate(zip(most, whole, strict=True))
            ]
            if most[0] > most_rows:
                most[0] = max(self.patch_size[0], most_rows // self.factors[0] * self.factors[0])
        if self.slice_axis is not None:
            return self._with_slices(most, size, most_rows)
        return most

    def _grown(self, whole: Sequence[int]) -> list[int]:
        """The patch enlarged to the number of voxels that a window may have, axes that are soon whole first."""
        most = list(self.patch_size)
        growth_left = self.voxels / math.prod(most)
        axes = sorted((axis for axis in range(3) if axis != self.slice_axis), key=lambda axis: whole[axis] / most[axis])
        for number, axis in enumerate(axes):
            growth = min(whole[axis] / most[axis], max(growth_left, 1.0) ** (1 / (len(axes) - number)))
            factor = (self.factors or (1, 1, 1))[axis]
            enlarged = max(most[axis], int(most[axis] * growth / factor + 1e-6) * factor)
            growth_left /= enlarged / most[axis]
            most[axis] = enlarged
        return most

    def _with_slices(self, most: list[int], size: Sequence[int], most_rows: int) -> list[int]:
        """The same with as many slices of a 2D network as there is room for, so divided that none is taken twice."""
        axis = int(self.slice_axis or 0)
        most[axis] = 1
        slices_that_fit = max(1, self.voxels // math.prod(most))
        if axis == 0:
            slices_that_fit = max(1, min(slices_that_fit, most_rows))
        most[axis] = math.ceil(size[axis] / math.ceil(size[axis] / slices_that_fit))
        return most
