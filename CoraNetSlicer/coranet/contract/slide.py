"""A soft move of the boundary between two classes, as a person makes it with one turn of the wheel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from .axis_order import AxisOrder
from .errors import DataError

# A voxel in margin.nrrd that no slide reaches.
NOT_REACHABLE = 255
# Steps of margin.nrrd that a boundary passes on its way over one voxel; the largest number is 21 voxels away.
STEPS_PER_VOXEL = 12
# What reaches fewer slices to a side is a disc in one of them, where slices are thick.
_BALL_SLICES = 3


@dataclass(frozen=True)
class Slide:
    """One move of the boundary between two classes, largest at a point and none at the radius.

    Attributes:
        center_ijk: index of the point, not always a whole one.
        radius_mm: from where on nothing moves.
        slice_axis: across which axis (0: i) it stays in one slice, a disc; None: it is a ball. The point is then a
            whole one along that axis.
        level: how far the boundary moves at the point, as a share of the radius, where the network's doubt is even on
            both sides; where it doubts more, the boundary moves farther. Above 0 `grows` becomes larger, below 0
            smaller.
        grows, shrinks: label values of the two classes; 0 is background.
        region: number of the place that it decides; None: it is anywhere.
        author: who made it; "" if unknown.
        time: seconds since 1970.
    """

    center_ijk: tuple[float, float, float]
    radius_mm: float
    level: float
    grows: int
    shrinks: int
    region: Optional[int] = None
    author: str = ""
    time: float = 0.0
    slice_axis: Optional[int] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "center_ijk", finite_point(self.center_ijk))
        for name in ("level", "radius_mm"):
            # Also one of numpy's, which JSON cannot hold.
            object.__setattr__(self, name, _number(getattr(self, name), name))
        object.__setattr__(self, "author", str(self.author or ""))
        if not math.isfinite(self.level):
            raise DataError(f"a slide needs a finite level, got {self.level}; correct it.")
        if not 0 < self.radius_mm < math.inf:
            raise DataError(f"the radius of a slide must be above 0 mm, got {self.radius_mm}; correct it.")
        if self.grows == self.shrinks or min(self.grows, self.shrinks) < 0:
            raise DataError(
                f"a slide needs two different label values, got {self.grows} and {self.shrinks}; choose two classes."
            )

    @property
    def height_mm(self) -> float:
        """What is added to the margin at the point: the level times the radius."""
        return self.level * self.radius_mm

    def steps_mm(self, spacing_mm: Sequence[float]) -> tuple[float, ...]:
        """What a voxel's step along i, j, k counts in the distance from the point; see `steps_mm`."""
        return steps_mm(spacing_mm, self.radius_mm, self.slice_axis)

    def in_order(self, order: AxisOrder, size_ijk: Sequence[int]) -> Slide:
        """The same slide in the indices of a grid that holds the voxels in another order.

        Args:
            order: how the voxels of the grid that the slide is in become those of the other.
            size_ijk: of the grid that the slide is in.
        """
        if order.changes_nothing:
            return self
        axis = None if self.slice_axis is None else order.axis_of(self.slice_axis)
        return replace(self, center_ijk=order.index_of(self.center_ijk, size_ijk), slice_axis=axis)


def finite_point(point: Sequence[float]) -> tuple[float, float, float]:
    """A point as three floats; raises DataError where it is not three finite numbers."""
    try:
        first, second, third = map(float, point)
    except (TypeError, ValueError):
        first = second = third = math.nan
    if not all(map(math.isfinite, (first, second, third))):
        raise DataError(f"a point needs three finite numbers, got {point!r}; correct it.")
    return first, second, third


def _number(value: float, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {name} of a slide must be a number, got {value!r}; correct it.") from error


def thick_slice_axis(spacing_mm: Sequence[float], radius_mm: float) -> Optional[int]:
    """Across which axis (0: i) what has this radius is a disc in one slice; None: it is a ball.

    Slices are thick where they are more than twice as far from each other as their pixels are. There the structure is
    another one in each, as soon as a ball reaches less than three of them to a side.

    Args:
        spacing_mm: along i, j, k.
        radius_mm: of the ball.
    """
    thickness = max(spacing_mm)
    is_thick = thickness > 2 * min(spacing_mm) and radius_mm < _BALL_SLICES * thickness
    return list(spacing_mm).index(thickness) if is_thick else None


def steps_mm(spacing_mm: Sequence[float], radius_mm: float, slice_axis: Optional[int]) -> tuple[float, ...]:
    """What a voxel's step along i, j, k counts in distances: across a disc, the next slice is out of its reach.

    Args:
        spacing_mm: along i, j, k.
        radius_mm: of the ball or disc.
        slice_axis: across which axis it is a disc; None: it is a ball.
    """
    return tuple(2 * radius_mm if axis == slice_axis else mm for axis, mm in enumerate(spacing_mm))


def voxel_length_mm(spacing_mm: Sequence[float]) -> float:
    """Edge of the cube that is as large as a voxel: the unit of margin.nrrd, in `STEPS_PER_VOXEL` steps.

    Args:
        spacing_mm: along i, j, k.
    """
    return math.prod(spacing_mm) ** (1 / len(spacing_mm))
