"""How a slide moves a boundary, and how it starts at a point. NumPy alone: the Slicer side uses it, too.

margin.nrrd and second.nrrd hold for each voxel near a boundary how far the boundary must move to reach it, and which
class it then gets. With the sign of the class these are a field that is 0 at the boundary; a slide adds a bump to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from .contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL, Slide, steps_mm, voxel_length_mm

Array = npt.NDArray[Any]
Box = tuple[slice, slice, slice]

# Around the boundary's old and new place, so many voxels to each side are known after a slide...
_KNOWN_VOXELS = 2
# ... where the bump has at least this share of its height.
_KNOWN_HEIGHT = 0.25


@dataclass(frozen=True)
class BoundaryMargins:
    """What slides need to know of a result.

    Attributes:
        margin: (k, j, i), uint8: how far the boundary must move to reach a voxel, in voxels / `STEPS_PER_VOXEL`;
            `NOT_REACHABLE`: it is never reached.
        second: (k, j, i), label value that the voxel gets when the boundary has passed it.
        spacing_mm: along i, j, k.
    """

    margin: Array
    second: Array
    spacing_mm: tuple[float, float, float]


def apply_slide(
    labels: Array, margins: BoundaryMargins, slide: Slide, earlier: Iterable[Slide] = ()
) -> tuple[Box, Array]:
    """Move the boundary between two classes.

    A voxel changes where the boundary passes it, and only from one class of the pair to the other. What a person has
    painted before stays where the boundary does not pass.

    Args:
        labels: (k, j, i), label values as they are now: those of the result after the earlier slides.
        margins: of the result, before any slide.
        slide: which is added to the earlier ones.
        earlier: slides that were made before, in their order; those of another pair count for nothing.

    Returns:
        The box around the ball of the slide (k, j, i), without voxels where the ball lies outside of the scan; and the
        new labels in it. Outside nothing changes.
    """
    box = slide_box(slide, labels.shape, margins.spacing_mm)
    now: Array = labels[box].copy()
    before, after = _fields(margins, box, slide, earlier)
    of_pair = (now == slide.grows) | (now == slide.shrinks)
    now[of_pair & (after > 0) & (before <= 0)] = slide.grows
    now[of_pair & (after < 0) & (before >= 0)] = slide.shrinks
    return box, now


def known_after(
    labels: Array, margins: BoundaryMargins, slide: Slide, earlier: Iterable[Slide] = ()
) -> tuple[Box, Array]:
    """Where labels are truth once a person has taken a slide.

    That is where the bump has at least a quarter of its height, and there what the boundary has passed, and two voxels
    to each side of its old and its new place.

    Args:
        labels: (k, j, i), label values after the slide.
        margins: of the result, before any slide.
        slide: which was taken.
        earlier: slides that were made before.

    Returns:
        The box around the ball of the slide (k, j, i), and which of its voxels are known, bool.
    """
    box, inside = settled_after(labels, margins, slide)
    before, after = _fields(margins, box, slide, earlier)
    near_mm = _KNOWN_VOXELS * voxel_length_mm(margins.spacing_mm)
    passed = (before > 0) != (after > 0)
    near = passed | (np.minimum(np.abs(before), np.abs(after)) <= near_mm)
    known: Array = near & inside & (before != 0)
    return box, known


def settled_after(labels: Array, margins: BoundaryMargins, slide: Slide) -> tuple[Box, Array]:
    """Where nothing is uncertain any more once a person has taken a slide: where it has a quarter of its height.

    That is more than what is known to be right: deep in a structure, the reviewer did not look for another one.

    Args:
        labels: (k, j, i), label values after the slide.
        margins: of the result, before any slide.
        slide: which was taken.

    Returns:
        The box around the ball of the slide (k, j, i), and which of its voxels of the two classes these are, bool.
    """
    box = slide_box(slide, labels.shape, margins.spacing_mm)
    of_pair = (labels[box] == slide.grows) | (labels[box] == slide.shrinks)
    is_core = _bump(slide, box, margins.spacing_mm) >= _KNOWN_HEIGHT
    settled: Array = of_pair & is_core & _moves(margins, box, slide)
    return box, settled


def pair_at(
    labels: Array,
    margins: BoundaryMargins,
    center_ijk: Sequence[float],
    reach_mm: float,
    slice_axis: Optional[int] = None,
) -> Optional[tuple[int, int]]:
    """The two classes whose boundary is nearest to a point.

    Args:
        labels: (k, j, i), label values of the result.
        margins: of the result.
        center_ijk: index of the point.
        reach_mm: how far a boundary may be.
        slice_axis: across which axis (0: i) it must be in the same slice; None: across none.

    Returns:
        (grows, shrinks): the structure before background; of two structures first the one in which the point lies.
        None: there is no boundary that near.
    """
    steps = steps_mm(margins.spacing_mm, reach_mm, slice_axis)
    box = _box(center_ijk, reach_mm, labels.shape, steps)
    margin, second, here = margins.margin[box], margins.second[box], labels[box]
    path_mm = margin * np.float32(voxel_length_mm(margins.spacing_mm) / STEPS_PER_VOXEL)
    path_mm += np.sqrt(_squared_mm(center_ijk, box, steps))
    path_mm[(margin == NOT_REACHABLE) | (here == second) | (path_mm > reach_mm)] = np.inf
    if not path_mm.size or not np.isfinite(path_mm.min()):
        return None
    nearest = np.unravel_index(int(path_mm.argmin()), path_mm.shape)
    inside, outside = int(here[nearest]), int(second[nearest])
    if 0 in (inside, outside):
        return max(inside, outside), 0
    at = tuple(
        min(max(round(index), 0), size - 1) for index, size in zip(reversed(center_ijk), labels.shape, strict=False)
    )
    return (outside, inside) if int(labels[at]) == outside else (inside, outside)


def slide_box(slide: Slide, shape: Sequence[int], spacing_mm: Sequence[float]) -> Box:
    """The box around the ball of a slide, cut at the border of the scan.

    Args:
        slide: which.
        shape: (k, j, i) of the scan.
        spacing_mm: along i, j, k.
    """
    return _box(slide.center_ijk, slide.radius_mm, shape, slide.steps_mm(spacing_mm))


def _box(center_ijk: Sequence[float], radius_mm: float, shape: Sequence[int], steps_ijk_mm: Sequence[float]) -> Box:
    sides = []
    for center, step, size in zip(reversed(center_ijk), reversed(steps_ijk_mm), shape, strict=False):
        first = max(0, math.ceil(center - radius_mm / step))
        last = min(size - 1, math.floor(center + radius_mm / step))
        sides.append(slice(min(first, size), max(last + 1, min(first, size))))
    k, j, i = sides
    return k, j, i


def _fields(margins: BoundaryMargins, box: Box, slide: Slide, earlier: Iterable[Slide]) -> tuple[Array, Array]:
    """The signed field of a pair in a box without and with the slide, mm; 0 where a voxel is of another pair."""
    field = _signed_mm(margins, box, slide)
    for other in earlier:
        if {other.grows, other.shrinks} == {slide.grows, slide.shrinks}:
            sign = 1 if other.grows == slide.grows else -1
            field += np.float32(sign * other.height_mm) * _bump(other, box, margins.spacing_mm)
    after = field + np.float32(slide.height_mm) * _bump(slide, box, margins.spacing_mm)
    outside = ~_moves(margins, box, slide)
    field[outside], after[outside] = 0, 0
    return field, after


def _moves(margins: BoundaryMargins, box: Box, slide: Slide) -> Array:
    """Which voxels of a box a slide can reach."""
    second = margins.second[box]
    of_pair: Array = (second == slide.grows) | (second == slide.shrinks)
    of_pair &= margins.margin[box] != NOT_REACHABLE
    return of_pair


def _signed_mm(margins: BoundaryMargins, box: Box, slide: Slide) -> Array:
    """How far the boundary is, mm: above 0 where the result names `grows`, whose second class is `shrinks`."""
    # Half a step more, so that nothing moves at level 0.
    step = np.float32(voxel_length_mm(margins.spacing_mm) / STEPS_PER_VOXEL)
    away: Array = (margins.margin[box].astype(np.float32) + np.float32(0.5)) * step
    np.negative(away, out=away, where=margins.second[box] == slide.grows)
    return away


def _bump(slide: Slide, box: Box, spacing_mm: Sequence[float]) -> Array:
    """1 at the point, 0 from the radius on, and smooth between: (1 - r^2 / R^2)^2."""
    inside = 1 - _squared_mm(slide.center_ijk, box, slide.steps_mm(spacing_mm)) / np.float32(slide.radius_mm**2)
    bump: Array = np.maximum(inside, 0, out=inside)
    bump *= bump
    return bump


def _squared_mm(center_ijk: Sequence[float], box: Box, steps_ijk_mm: Sequence[float]) -> Array:
    """Squared distance of each voxel of a box from a point, float32."""
    k, j, i = (
        ((np.arange(side.start, side.stop) - center) * step).astype(np.float32) ** 2
        for side, center, step in zip(box, reversed(center_ijk), reversed(steps_ijk_mm), strict=False)
    )
    squared: Array = k[:, None, None] + j[None, :, None] + i[None, None, :]
    return squared
