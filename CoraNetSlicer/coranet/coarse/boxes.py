"""Boxes around the connected parts of a mask, and how far they miss what they should hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..data.box import Box, without_overlap

# More boxes than this are one around all: looking at each with its margin would cost more than it saves.
MOST_BOXES = 8
# Parts that touch by a corner are one.
_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)

Array = npt.NDArray[Any]
Spacing = Sequence[float]


@dataclass(frozen=True)
class Part:
    """A connected part of a mask.

    Attributes:
        box: around it, without a margin.
        mm3: its volume.
    """

    box: Box
    mm3: float


def parts_of(mask: Array, spacing_dhw: Spacing) -> list[Part]:
    """The connected parts of a mask (D, H, W), the largest first; `spacing_dhw` in mm."""
    around = Box.around(mask)
    if around is None:
        return []
    # Within the box alone: labels are small in large scans.
    numbered, count = ndimage.label(mask[around.slices], _NEIGHBOURS)
    voxels = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    parts = [
        Part(_shifted(place, around.start), float(number) * math.prod(spacing_dhw))
        for place, number in zip(ndimage.find_objects(numbered), voxels, strict=True)
    ]
    return sorted(parts, key=lambda part: -part.mm3)


def boxes_around(parts: Sequence[Part], least_mm3: float, margin: Sequence[int], shape: Sequence[int]) -> list[Box]:
    """Boxes of a scan that hold the parts and what surrounds them.

    Args:
        parts: of `parts_of`.
        least_mm3: smaller parts are left out.
        margin: voxels along D, H, W at each side of each part.
        shape: (D, H, W) of the scan.

    Returns:
        Boxes that do not overlap, clipped to the scan; one around all where there were more than `MOST_BOXES`; none
        where there is no part.
    """
    grown = [part.box.grown(margin, shape) for part in parts if part.mm3 >= least_mm3]
    # What lies that scattered is one region; merging pair by pair would take long.
    boxes = without_overlap(grown) if len(grown) <= MOST_BOXES**2 else grown
    return boxes if len(boxes) <= MOST_BOXES else [reduce(Box.united, boxes)]


def margin_voxels(margin_mm: Sequence[float], spacing_dhw: Spacing) -> tuple[int, int, int]:
    """A margin along L, P, S in mm as voxels along D, H, W, rounded up."""
    depth, height, width = (
        math.ceil(margin / step - 1e-6) for margin, step in zip(margin_mm[::-1], spacing_dhw, strict=True)
    )
    return depth, height, width


def looked_at(boxes: Sequence[Box], shape: Sequence[int]) -> float:
    """Which share of a scan of (D, H, W) voxels the boxes hold; all of it where there are none."""
    return sum(box.voxels for box in boxes) / math.prod(shape) if boxes else 1.0


def missed_mm(mask: Array, boxes: Sequence[Box], spacing_dhw: Spacing) -> tuple[float, float, float]:
    """By how much the boxes would have to grow along D, H, W to hold all voxels of a mask, mm.

    Each voxel that lies in no box is counted to the box that it is nearest to.

    Args:
        mask: (D, H, W).
        boxes: at least one.
        spacing_dhw: mm.
    """
    outside = np.argwhere(outside_of(mask, boxes))
    if not len(outside):
        return 0.0, 0.0, 0.0
    gaps = np.stack([_gaps(outside, box) for box in boxes]) * np.asarray(spacing_dhw)
    nearest = gaps.max(-1).argmin(0)
    depth, height, width = gaps[nearest, np.arange(len(outside))].max(0)
    return float(depth), float(height), float(width)


def outside_of(mask: Array, boxes: Sequence[Box]) -> Array:
    """The voxels of a mask (D, H, W) that lie in none of the boxes."""
    outside = np.array(mask > 0)
    for box in boxes:
        outside[box.slices] = False
    return outside


def _gaps(voxels: Array, box: Box) -> Array:
    """How many voxels along each axis lie between each of (n, 3) voxels and a box, counting themselves."""
    below, above = np.array(box.start) - voxels, voxels - np.array(box.stop) + 1
    gaps: Array = np.maximum(np.maximum(below, above), 0)
    return gaps


def _shifted(place: tuple[slice, ...], start: Sequence[int]) -> Box:
    depth, height, width = (
        (part.start + first, part.stop + first) for part, first in zip(place, start, strict=True)
    )  # fmt: skip
    return Box((depth[0], height[0], width[0]), (depth[1], height[1], width[1]))
