"""Two grids that hold the same voxels in another order: axes that run the other way, or change places.

Programs store one image in several ways: Slicer reverses the slices of left-handed images, as FSL writes them; others
turn every image to their favorite axes. Which voxel is which is then no guess: each lies where one of the other lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, Optional, TypeVar

from .placement import Placement

Index = TypeVar("Index", int, float)

# Of a voxel's shortest edge: headers store places as text or as float32, which is neither visible nor another grid.
TOLERANCE_VOXELS = 0.01


@dataclass(frozen=True)
class AxisOrder:
    """How the voxels of one grid become those of another.

    Attributes:
        axes: for i, j, k of the wanted grid, which of the given grid's axes i, j, k it is.
        reverses: whether that axis runs the other way.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    reverses: tuple[bool, bool, bool] = (False, False, False)

    @property
    def changes_nothing(self) -> bool:
        """Whether both grids are one."""
        return self == AxisOrder()

    def applied(self, voxels: Any) -> Any:
        """Voxels of the given grid in the order of the wanted one.

        Args:
            voxels: numpy array (k, j, i).

        Returns:
            A view, (k, j, i) of the wanted grid.
        """
        turned = voxels.transpose(2, 1, 0).transpose(self.axes)
        steps = tuple(slice(None, None, -1 if is_reversed else 1) for is_reversed in self.reverses)
        return turned[steps].transpose(2, 1, 0)

    def index_of(self, ijk: Sequence[Index], size_ijk: Sequence[int]) -> tuple[Index, Index, Index]:
        """A voxel of the given grid, or a point between voxels, in the indices of the wanted one.

        Args:
            ijk: in the given grid.
            size_ijk: of the given grid.
        """
        i, j, k = (
            size_ijk[axis] - 1 - ijk[axis] if is_reversed else ijk[axis]
            for axis, is_reversed in zip(self.axes, self.reverses, strict=False)
        )
        return i, j, k

    def axis_of(self, axis: int) -> int:
        """Which of the wanted grid's axes i, j, k an axis of the given grid is."""
        return self.axes.index(axis)


def axis_order(source: Placement, target: Placement) -> Optional[AxisOrder]:
    """How the voxels of a grid are to be ordered to be those of another.

    Returns:
        None if the grids do not hold the same voxels: a corner lies more than a hundredth of a voxel beside all others.
    """
    tolerance = TOLERANCE_VOXELS * min(source.shortest_edge, target.shortest_edge)
    same = AxisOrder()
    if _fits(source, target, same, tolerance):
        return same
    orders = (AxisOrder(_three(axes), _signs(signs)) for axes in permutations(range(3)) for signs in _SIGNS)
    return next((order for order in orders if order != same and _fits(source, target, order, tolerance)), None)


_SIGNS = tuple(product((False, True), repeat=3))


def _fits(source: Placement, target: Placement, order: AxisOrder, tolerance: float) -> bool:
    if any(source.size_ijk[axis] != size for axis, size in zip(order.axes, target.size_ijk, strict=False)):
        return False
    for corner in product((0, 1), repeat=3):
        there = [end * (size - 1) for end, size in zip(corner, target.size_ijk, strict=False)]
        here = [0, 0, 0]
        for index, axis, is_reversed in zip(there, order.axes, order.reverses, strict=False):
            here[axis] = source.size_ijk[axis] - 1 - index if is_reversed else index
        if max(abs(a - b) for a, b in zip(source.place_of(here), target.place_of(there), strict=False)) > tolerance:
            return False
    return True


def _three(axes: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = axes
    return first, second, third


def _signs(signs: Sequence[bool]) -> tuple[bool, bool, bool]:
    first, second, third = signs
    return first, second, third
