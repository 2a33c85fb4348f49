"""What a decision on a region does to a label map; no voxel outside of the region is ever touched."""

from __future__ import annotations

import numpy as np

from ..contract import Choice, Region, RegionList, Review
from ..inference.prediction import Prediction
from .components import Array

Box = tuple[slice, slice, slice]


def voxels_of(region: Region, region_map: Array) -> tuple[Box, Array]:
    """The voxels of a region.

    Args:
        region: which.
        region_map: (k, j, i), number of each voxel's region.

    Returns:
        The box around it (k, j, i), and which voxels of this box are in the region, bool.
    """
    k, j, i = (slice(first, last + 1) for first, last in reversed(region.bounds_ijk))
    return (k, j, i), region_map[k, j, i] == region.number


def apply_decision(labels: Array, region: Region, choice: Choice, region_map: Array, prediction: Prediction) -> None:
    """Give the voxels of a region what a decision says; all others stay as they are.

    Args:
        labels: (k, j, i), label values; is changed.
        region: on which was decided.
        choice: what becomes of it; `Choice.EDITED` changes nothing, since what was painted is in `labels` already.
        region_map: (k, j, i), number of each voxel's region.
        prediction: the case's results, (k, j, i).
    """
    if choice is Choice.EDITED:
        return
    box, inside = voxels_of(region, region_map)
    source = prediction.segmentation if choice is Choice.KEEP else getattr(prediction, choice.value)
    np.copyto(labels[box], source[box], where=inside)


def reviewed_maps(
    prediction: Prediction, regions: RegionList, region_map: Array, review: Review, painted: Array | None = None
) -> tuple[Array, Array]:
    """What a review has made of a case: its label map, and where this is truth.

    Args:
        prediction: the case's results, (k, j, i).
        regions: of the case.
        region_map: (k, j, i), number of each voxel's region.
        review: the decisions.
        painted: (k, j, i), label values: what was painted in regions that were edited; None: none was.

    Returns:
        Label values as in the result, but where it was decided otherwise; and uint8, 1 in the decided regions and, if
        the review says so, in the certain region: where both heads name one label and no other comes close.
    """
    labels = prediction.segmentation.copy()
    known = np.zeros(labels.shape, np.uint8)
    if review.trusts_certain:
        certain = (prediction.conservative == prediction.radical) & (prediction.uncertain == 0)
        known[certain] = 1
    for number, decision in review.decisions.items():
        region = regions.region(number)
        box, inside = voxels_of(region, region_map)
        if decision.choice is Choice.EDITED and painted is not None:
            np.copyto(labels[box], painted[box], where=inside, casting="same_kind")
        apply_decision(labels, region, decision.choice, region_map, prediction)
        known[box][inside] = 1
    return labels, known
