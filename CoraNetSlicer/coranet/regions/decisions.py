"""What a decision on a region does to a label map; no voxel outside of the region is ever touched."""

from __future__ import annotations

import numpy as np

from ..boundary_slide import BoundaryMargins, apply_slide, known_after
from ..contract import Choice, Region, RegionList, Review, Slide
from ..contract.errors import DataError
from ..data.components import Array
from ..inference.prediction import Prediction

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
    """Give the voxels of a region the labels of a decision; all others stay as they are.

    Args:
        labels: (k, j, i), label values; is changed.
        region: on which was decided.
        choice: what becomes of it; `Choice.EDITED` changes nothing, since what was painted is in `labels` already, and
            there is none of `Choice.SLID`: slides say it.
        region_map: (k, j, i), number of each voxel's region.
        prediction: the case's results, (k, j, i).
    """
    if choice is Choice.EDITED:
        return
    box, inside = voxels_of(region, region_map)
    source = prediction.segmentation if choice is Choice.KEEP else getattr(prediction, choice.value)
    np.copyto(labels[box], source[box], where=inside)


def reviewed_maps(
    prediction: Prediction, regions: RegionList, region_map: Array, review: Review, painted: Array | None = None,
    margins: BoundaryMargins | None = None,
) -> tuple[Array, Array]:  # fmt: skip
    """What a review has made of a case: its label map, and where this is truth.

    Args:
        prediction: the case's results, (k, j, i).
        regions: of the case.
        region_map: (k, j, i), number of each voxel's region.
        review: the decisions and the slides, which come in the order of their times.
        painted: (k, j, i), label values: what was painted in regions that were edited; None: none was.
        margins: of the result; None: no boundary was moved.

    Returns:
        Label values as in the result, but where it was decided otherwise; and uint8, 1 in the decided regions, around
        the boundaries that were moved (`known_after`) and, if the review says so, in the certain region: where both
        heads name one label and no other comes close.

    Raises:
        DataError: a region is not there, or boundaries were moved and there are no margins.
    """
    labels = _reviewed_labels(prediction, regions, region_map, review, painted, margins)
    known = np.zeros(labels.shape, np.uint8)
    if review.trusts_certain:
        certain = (prediction.conservative == prediction.radical) & (prediction.uncertain == 0)
        known[certain] = 1
    for number in review.decisions:
        box, inside = voxels_of(regions.region(number), region_map)
        known[box][inside] = 1
    if margins is not None:
        slides = [change for change in review.in_order_of_time() if isinstance(change, Slide)]
        for count, slide in enumerate(slides):
            # A slide makes nothing known where in the end neither of its classes is.
            box, is_known = known_after(labels, margins, slide, slides[:count])
            known[box][is_known] = 1
    return labels, known


def _reviewed_labels(
    prediction: Prediction, regions: RegionList, region_map: Array, review: Review, painted: Array | None,
    margins: BoundaryMargins | None,
) -> Array:  # fmt: skip
    labels: Array = prediction.segmentation.copy()
    earlier: list[Slide] = []
    for change in review.in_order_of_time():
        if isinstance(change, Slide):
            if margins is None:
                raise DataError(
                    f"boundaries of '{review.case}' were moved, but it has no margins; segment the case again."
                )
            box, moved = apply_slide(labels, margins, change, earlier)
            labels[box] = moved
            earlier.append(change)
            continue
        number, decision = change
        region = regions.region(number)
        if decision.choice is Choice.EDITED and painted is not None:
            box, inside = voxels_of(region, region_map)
            np.copyto(labels[box], painted[box], where=inside, casting="same_kind")
        apply_decision(labels, region, decision.choice, region_map, prediction)
    return labels
