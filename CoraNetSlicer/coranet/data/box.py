"""A box of a scan's voxels: what of it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """Voxels of a scan in canonical order (S, P, L), which the network calls (D, H, W).

    Attributes:
        start: first voxel along each axis.
        stop: one beyond the last, larger than `start`.
    """

    start: Triple
    stop: Triple

    def __post_init__(self) -> None:
        if not all(0 <= first < end for first, end in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"a box needs 0 <= start < stop along each axis, got {self.start} to {self.stop}.")

    @staticmethod
    def whole(shape: Sequence[int]) -> Box:
        """The box around all voxels of a scan of (D, H, W) voxels."""
        depth, height, width = shape
        return Box((0, 0, 0), (depth, height, width))

    @staticmethod
    def around(mask: npt.NDArray[Any]) -> Box | None:
        """The smallest box that holds all voxels of a mask (D, H, W) that are not 0; None if there is none."""
        planes = [np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis))) for axis in range(3)]
        if not planes[0].size:
            return None
        return _box([int(plane[0]) for plane in planes], [int(plane[-1]) + 1 for plane in planes])

    @property
    def size(self) -> Triple:
        """Voxels along D, H, W."""
        depth, height, width = (end - first for first, end in zip(self.start, self.stop, strict=True))
        return depth, height, width

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.size[0] * self.size[1] * self.size[2]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index of an array (D, H, W)."""
        depth, height, width = (slice(first, end) for first, end in zip(self.start, self.stop, strict=True))
        return depth, height, width

    def grown(self, margin: Sequence[int], shape: Sequence[int]) -> Box:
        """The box with `margin` more voxels at both ends of each axis, as far as the scan of (D, H, W) voxels goes."""
        return _box(
            [max(0, first - more) for first, more in zip(self.start, margin, strict=True)],
            [min(size, end + more) for end, more, size in zip(self.stop, margin, shape, strict=True)],
        )

    def united(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return _box(np.minimum(self.start, other.start).tolist(), np.maximum(self.stop, other.stop).tolist())

    def overlaps(self, other: Box) -> bool:
        """Whether they share a voxel."""
        return all(
            max(start, other_start) < min(stop, other_stop)
            for start, stop, other_start, other_stop in zip(self.start, self.stop, other.start, other.stop, strict=True)
        )

    def to_lists(self) -> list[list[int]]:
        """Plain JSON types: start, stop."""
        return [list(self.start), list(self.stop)]

    @staticmethod
    def from_lists(content: Sequence[Sequence[int]]) -> Box:
        """The inverse of `to_lists`."""
        return _box(*content)


def without_overlap(boxes: Sequence[Box]) -> list[Box]:
    """The boxes, those that overlap merged into one around them, until none does; ordered by where they start."""
    separate = list(boxes)
    while pair := _overlapping(separate):
        separate = [*(box for box in separate if box not in pair), pair[0].united(pair[1])]
    return sorted(separate, key=lambda box: box.start)


def _overlapping(boxes: Sequence[Box]) -> tuple[Box, Box] | None:
    pairs = combinations(boxes, 2)
    return next(((first, second) for first, second in pairs if first.overlaps(second)), None)


def _box(start: Sequence[int], stop: Sequence[int]) -> Box:
    first, second, third = start
    end, second_end, third_end = stop
    return Box((first, second, third), (end, second_end, third_end))
