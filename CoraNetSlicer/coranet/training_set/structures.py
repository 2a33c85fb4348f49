"""What the labels say about spacing and patch: how large the structures are, and how thin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..data.box import Box
from ..data.class_indices import class_indices
from ..data.orientation import Orientation
from ..data.resampling import resample, resampled_size
from ..volume import Volume

Array = npt.NDArray[Any]
Triple = tuple[float, float, float]

_MOST_CROP_VOXELS = 3_000_000


@dataclass(frozen=True)
class Structures:
    """The labels of one case.

    Attributes:
        spacing_dhw: of the scan, mm.
        extent_mm: (D, H, W) of the box around all labels; zeros where there is none.
        crop: (D, H, W), class indices inside of that box.
    """

    spacing_dhw: Triple
    extent_mm: Triple
    crop: Array

    @staticmethod
    def of(labels: Volume, values: Sequence[int]) -> Structures:
        """Measure the label map of one case; `values` are those of classes 1, 2, ..."""
        orientation = Orientation.of(labels.grid.direction)
        voxels = orientation.to_canonical(labels.voxels)
        along_l, along_p, along_s = orientation.spacing_to_canonical(labels.grid.spacing_mm)
        spacing = (float(along_s), float(along_p), float(along_l))
        box = Box.around(voxels > 0)
        crop = class_indices(voxels[box.slices] if box else voxels[:0, :0, :0], values)
        depth, height, width = (count * step for count, step in zip(crop.shape, spacing, strict=True))
        return Structures(spacing, (depth, height, width), _middle(crop))


def largest_extent(structures: Sequence[Structures]) -> Triple:
    """The largest extent of the labels along D, H, W over all cases, mm."""
    depth, height, width = np.max([structure.extent_mm for structure in structures], axis=0)
    return float(depth), float(height), float(width)


def kept_dice(structures: Sequence[Structures], spacing_dhw: Triple, classes: int) -> float:
    """Dice of labels that went to another spacing and back with themselves: what a spacing can show at best.

    Args:
        structures: of some cases.
        spacing_dhw: of the network, mm.
        classes: number of foreground classes.

    Returns:
        Mean over the cases, of the class that keeps least; 1 where there is no label.
    """
    scores = np.full((len(structures), classes), np.nan)
    for row, structure in enumerate(structures):
        if structure.crop.size:
            scores[row] = _round_trip(structure, spacing_dhw, classes)
    known = ~np.isnan(scores)
    if not known.any():
        return 1.0
    means = np.where(known, scores, 0).sum(0)[known.any(0)] / known.sum(0)[known.any(0)]
    return float(means.min())


def _round_trip(structure: Structures, spacing_dhw: Triple, classes: int) -> list[float]:
    pad = [
        2 * math.ceil(max(1.0, there / here)) for here, there in zip(structure.spacing_dhw, spacing_dhw, strict=True)
    ]
    before = np.pad(structure.crop, [(count, count) for count in pad])
    size = resampled_size(before.shape, structure.spacing_dhw, spacing_dhw)
    if size == before.shape:
        return [1.0 if (before == index).any() else math.nan for index in range(1, classes + 1)]
    there = _resampled(before, size, classes)
    depth, height, width = before.shape
    back = _resampled(there, (depth, height, width), classes)
    return [_dice(before == index, back == index) for index in range(1, classes + 1)]


def _resampled(labels: Array, size: Sequence[int], classes: int) -> Array:
    """Class indices on another grid: the class with the largest share, as a network's answer is decided."""
    depth, height, width = size
    best = np.zeros(size, dtype=labels.dtype)
    present = [index for index in np.unique(labels).tolist() if 0 < index <= classes]
    most: Tensor | None = None
    background: Tensor | None = None
    for index in present:
        mask = torch.from_numpy((labels == index).astype(np.float32))[None]
        share = resample(mask, (depth, height, width))[0]
        background = 1 - share if background is None else background - share
        wins = share > (torch.zeros_like(share) if most is None else most)
        best[wins.numpy()] = index
        most = share if most is None else torch.maximum(most, share)
    if most is not None and background is not None:
        best[(background > most).numpy()] = 0
    return best


def _dice(first: Array, second: Array) -> float:
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if first.any() else math.nan


def _middle(crop: Array) -> Array:
    """At most three million voxels from the middle of a crop: enough to see how thin structures are."""
    rows = max(1, _MOST_CROP_VOXELS // max(1, math.prod(crop.shape[1:])))
    start = max(0, (crop.shape[0] - rows) // 2)
    return np.ascontiguousarray(crop[start : start + rows])
