"""How far the surfaces of two segmentations lie apart, in millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

SURFACE_DISTANCES = ("hausdorff_mm", "hd95_mm", "assd_mm")

Array = npt.NDArray[Any]


def surface_distances_per_class(
    predicted: Array, truth: Array, classes: int, spacing_kji: Sequence[float]
) -> dict[str, list[float]]:
    """Distances between the surfaces of each foreground class.

    A surface is the voxels of a class that have a neighbour outside of it, across a face or the border of the volume.
    Distances run between voxel centres.

    Args:
        predicted: class indices, (k, j, i).
        truth: class indices, the same shape.
        classes: number of classes with background.
        spacing_kji: distance of voxel centres along k, j, i in mm.

    Returns:
        hausdorff_mm: the farthest that a surface voxel of the one lies from the surface of the other; hd95_mm: the
        same with the 95th percentile of each direction, the larger of the two; assd_mm: the mean over the surface
        voxels of both. Each classes - 1 values, of 1 to classes - 1 in order; NaN where the class is absent in one
        or in both, since there is no distance from or to nothing.
    """
    in_both = set(np.unique(predicted).tolist()) & set(np.unique(truth).tolist())
    rows = [
        _distances(predicted == index, truth == index, spacing_kji) if index in in_both else (math.nan,) * 3
        for index in range(1, classes)
    ]
    return {name: [row[number] for row in rows] for number, name in enumerate(SURFACE_DISTANCES)}


def _distances(predicted: Array, truth: Array, spacing_kji: Sequence[float]) -> tuple[float, float, float]:
    # Here, because it takes as long to import as all else together, and only evaluations need it.
    from monai.metrics import get_mask_edges, get_surface_distance

    # Not compute_hausdorff_distance and its like: they would look for the same surfaces three times.
    surface, true_surface = get_mask_edges(predicted, truth)
    there = get_surface_distance(surface, true_surface, spacing=spacing_kji)
    back = get_surface_distance(true_surface, surface, spacing=spacing_kji)
    farthest = max(there.max(), back.max())
    percentile = max(np.percentile(there, 95), np.percentile(back, 95))
    mean = np.concatenate([there, back]).mean(dtype=np.float64)
    return float(farthest), float(percentile), float(mean)
