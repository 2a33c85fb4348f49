"""How far a boundary must move to reach a voxel, in the segmentation head's own doubt: what slides need.

While rows of logits pass, the margin of the best class over the second one is kept for each voxel. Once the result is
whole, margins become lengths: so that as many voxels have less than a length as lie nearer to the boundary than that.
On the mean, then, a boundary that follows the doubt moves as far as one that follows the distance. The field has
a share of distance, so it grows also where the head doubts nothing, and a slide always finds a next contour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..boundary_slide import BoundaryMargins
from ..contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL, voxel_length_mm
from ..data.box import Box as VoxelBox
from ..data.resampling import resample
from ..uncertainty import second_class
from ..volume import Grid

Array = npt.NDArray[Any]
Box = tuple[slice, slice, slice]

# Margins are kept in sixteenths of a logit.
_STEPS_PER_LOGIT = 16
# Not visited, or the head is as sure as can be.
_SURE = 255
# Up to here the second class is the head's own, behind it that across the nearest boundary: a likelihood of 1 to 55.
_DOUBTED = 4 * _STEPS_PER_LOGIT
# How much of the field is distance; the rest is doubt.
_DISTANCE_SHARE = 0.25
# Cells whose distance is computed at once.
_PORTION_CELLS = 4_000_000


@dataclass(frozen=True)
class HeadMargins:
    """The second class of the segmentation head, filled as rows of logits pass.

    Attributes:
        sureness: (k, j, i), uint8: best logit less the second one, in sixteenths; 255: as much or more.
        second: (k, j, i), label value of the second class.
    """

    sureness: Array
    second: Array

    @staticmethod
    def begin(shape: tuple[int, ...], kind: npt.DTypeLike) -> HeadMargins:
        """Start with no voxel visited."""
        return HeadMargins(np.full(shape, _SURE, np.uint8), np.zeros(shape, kind))


def sureness_and_second(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The margin of the best class in steps of `HeadMargins`, uint8, and the index of the second one.

    Args:
        logits: (1, K, D, H, W), of the segmentation head.

    Returns:
        Each (D, H, W).
    """
    margin, second = second_class(logits)
    return (margin[0] * _STEPS_PER_LOGIT).clamp_(0, _SURE).to(torch.uint8), second[0]


def slide_margins(labels: Array, head: HeadMargins, grid: Grid) -> BoundaryMargins:
    """What margin.nrrd and second.nrrd hold.

    Args:
        labels: (k, j, i), the result.
        head: of the segmentation head; where components of it were removed from the result, it is passed over.
        grid: on which they lie.
    """
    margin = np.full(labels.shape, NOT_REACHABLE, np.uint8)
    second = np.zeros(labels.shape, labels.dtype)
    cells = _BoundaryCells.of(labels, grid)
    counts = np.zeros((2, 256), np.int64)
    for box, away, across in cells.distances():
        reached = away < NOT_REACHABLE
        sureness = _sureness(labels[box], head, box)
        margin[box] = away
        counts += [np.bincount(values[reached], minlength=256) for values in (sureness, away)]
        is_doubted = sureness <= _DOUBTED
        second[box] = np.where(reached, np.where(is_doubted, head.second[box], across), 0)
    table = _field_of(*counts)
    for box in cells.boxes():
        margin[box] = table[_sureness(labels[box], head, box), margin[box]]
    return BoundaryMargins(margin, second, grid.spacing_mm)


def _sureness(labels: Array, head: HeadMargins, box: Box) -> Array:
    # Where the second class is the result, a component was removed, or the voxel was not visited.
    sureness: Array = np.where(head.second[box] == labels, np.uint8(_SURE), head.sureness[box])
    return sureness


def _field_of(sureness_counts: Array, distance_counts: Array) -> Array:
    """Table (256, 256) from sureness and distance to the field, both in the steps of margin.nrrd."""
    # The distance that as many voxels have less of as have less sureness; of each step the middle.
    middles = np.cumsum(sureness_counts) - sureness_counts / 2
    alike = np.searchsorted(np.cumsum(distance_counts), middles)
    field = (1 - _DISTANCE_SHARE) * alike[:, None] + _DISTANCE_SHARE * np.arange(256)[None, :]
    table: Array = np.minimum(np.rint(field), NOT_REACHABLE - 1).astype(np.uint8)
    table[:, NOT_REACHABLE] = NOT_REACHABLE
    return table


@dataclass(frozen=True)
class _BoundaryCells:
    """The boundary of a result on a grid of about twice the voxels' length, on which distances are quickly computed.

    Attributes:
        is_boundary: (K, J, I), bool: a cell that has a voxel with a face to another label.
        first, second: (K, J, I), two labels that meet there.
        strides: voxels of a cell along k, j, i.
        spacing_mm: of the voxels, along i, j, k.
        labels: (k, j, i), the result.
    """

    is_boundary: Array
    first: Array
    second: Array
    strides: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    labels: Array

    @staticmethod
    def of(labels: Array, grid: Grid) -> _BoundaryCells:
        length = voxel_length_mm(grid.spacing_mm)
        k, j, i = (max(1, min(2, int(2 * length / spacing + 1e-6))) for spacing in reversed(grid.spacing_mm))
        shape = tuple(-(-size // stride) for size, stride in zip(labels.shape, (k, j, i), strict=True))
        cells = _BoundaryCells(
            np.zeros(shape, bool), np.zeros(shape, labels.dtype), np.zeros(shape, labels.dtype),
            (k, j, i), grid.spacing_mm, labels,
        )  # fmt: skip
        for axis in range(3):
            cells._mark(axis)
        return cells

    def _mark(self, axis: int) -> None:
        """Mark the cells on both sides of the faces across one axis."""
        lower = tuple(slice(None, -1) if number == axis else slice(None) for number in range(3))
        upper = tuple(slice(1, None) if number == axis else slice(None) for number in range(3))
        before = np.nonzero(self.labels[lower] != self.labels[upper])
        behind = tuple(index + (number == axis) for number, index in enumerate(before))
        for here, there in ((before, behind), (behind, before)):
            cell = tuple(index // stride for index, stride in zip(here, self.strides, strict=True))
            self.is_boundary[cell] = True
            self.first[cell], self.second[cell] = self.labels[here], self.labels[there]

    @cached_property
    def _only_pair(self) -> tuple[int, int] | None:
        """The two labels, where there are no others at a boundary."""
        meeting = np.unique([self.first[self.is_boundary], self.second[self.is_boundary]])
        return (int(meeting[0]), int(meeting[1])) if len(meeting) == 2 else None

    def boxes(self) -> Iterator[Box]:
        """The boxes of voxels, portion by portion, in which something can be reached."""
        return (self._voxels(rows, within) for rows, within in self._portions())

    def distances(self) -> Iterator[tuple[Box, Array, Array]]:
        """Portion by portion: its box of voxels; the distance from the boundary in steps, and the label across it.

        Distances are uint8, `NOT_REACHABLE` where they are too large for it.
        """
        sampling = [stride * spacing for stride, spacing in zip(self.strides, self.spacing_mm[::-1], strict=True)]
        step_mm = voxel_length_mm(self.spacing_mm) / STEPS_PER_VOXEL
        halo = self._reach()[0]
        for rows, within in self._portions():
            first = max(0, rows.start - halo)
            around = (slice(first, rows.stop + halo), *within)
            outside = ~self.is_boundary[around]
            away_mm, nearest = distance_transform_edt(outside, sampling=sampling, return_indices=True)
            box = self._voxels(rows, within)
            # The voxels of a boundary's cells lie half a voxel from it, or one and a half.
            fine = self._resampled(away_mm, rows.start - first, box) / step_mm + STEPS_PER_VOXEL / 2
            away = np.minimum(np.rint(fine), NOT_REACHABLE).astype(np.uint8)
            inner = slice(rows.start - first, rows.stop - first)
            yield box, away, self._across(around, tuple(index[inner] for index in nearest), box)

    def _resampled(self, cells: Array, first: int, box: Box) -> Array:
        """Values of cells for the voxels of a box that begins in row `first`, linearly.

        The last cells may reach over the border of the scan.
        """
        size = tuple(side.stop - side.start for side in box)
        # The rows beside are needed between rows.
        low = min(first, 1)
        rows = cells[first - low : first + -(-size[0] // self.strides[0]) + 1]
        k, j, i = (count * stride for count, stride in zip(rows.shape, self.strides, strict=True))
        fine: Array = resample(torch.from_numpy(rows.astype(np.float32))[None], (k, j, i))[0].numpy()
        begin = low * self.strides[0]
        return fine[begin : begin + size[0], : size[1], : size[2]]

    def _across(self, around: Box, nearest: tuple[Array, ...], box: Box) -> Array:
        """For the voxels of a box the label across the nearest boundary."""
        labels = self.labels[box]
        pair = self._only_pair
        if pair is not None:
            # Of two labels it is the other one, wherever the boundary is.
            return np.where(labels == pair[0], pair[1], pair[0]).astype(labels.dtype)
        first, second = (self._spread(pair[around][nearest], box) for pair in (self.first, self.second))
        return np.where(first != labels, first, second)

    def _spread(self, cells: Array, box: Box) -> Array:
        for axis, stride in enumerate(self.strides):
            cells = np.repeat(cells, stride, axis=axis) if stride > 1 else cells
        return cells[tuple(slice(0, side.stop - side.start) for side in box)]

    def _reach(self) -> list[int]:
        """Cells along k, j, i beyond which nothing is reached."""
        reach_mm = NOT_REACHABLE / STEPS_PER_VOXEL * voxel_length_mm(self.spacing_mm)
        return [
            math.ceil(reach_mm / stride / spacing) + 1
            for stride, spacing in zip(self.strides, reversed(self.spacing_mm), strict=True)
        ]

    def _portions(self) -> Iterator[tuple[slice, tuple[slice, slice]]]:
        """Rows of cells, and the cells along j and i, in which something can be reached."""
        around = VoxelBox.around(self.is_boundary)
        if around is None:
            return
        rows, j, i = around.grown(self._reach(), self.is_boundary.shape).slices
        count = max(1, _PORTION_CELLS // ((j.stop - j.start) * (i.stop - i.start)))
        for first in range(rows.start, rows.stop, count):
            yield slice(first, min(first + count, rows.stop)), (j, i)

    def _voxels(self, rows: slice, within: Sequence[slice]) -> Box:
        k, j, i = (
            slice(cells.start * stride, min(cells.stop * stride, size))
            for cells, stride, size in zip((rows, *within), self.strides, self.labels.shape, strict=True)
        )
        return k, j, i
