"""A result at another caution, from its files alone: without the network, whose logits are not kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from ..contract.doubt import uncertainty_threshold
from ..volume import Grid
from .components import Array
from .prediction import Prediction


def at_caution(prediction: Prediction, grid: Grid, label_values: tuple[int, ...], caution: float) -> Prediction:
    """Move the dial of a result.

    Where it flags a voxel that was certain, the conservative head names background and the radical one a structure:
    that of the result, else the one that both heads named, else that of the nearest voxel in which the radical head
    names one. Where a voxel becomes certain, both name the label of the result. With one label this is what the network
    would have said, but where the result itself differs from both heads; with more it is close to it.

    Args:
        prediction: the result.
        grid: of the scan.
        label_values: of all classes.
        caution: where the dial is to stand.
    """
    uncertain = prediction.uncertainty >= np.float32(uncertainty_threshold(caution))
    conservative, radical = prediction.conservative.copy(), prediction.radical.copy()
    for moved in (conservative, radical):
        np.copyto(moved, prediction.segmentation, where=~uncertain)
    flagged = uncertain & (prediction.uncertain == 0) & (conservative == radical)
    conservative[flagged] = 0
    structure = np.where(prediction.segmentation > 0, prediction.segmentation, prediction.radical)[flagged]
    structure[structure == 0] = _nearest_structure(
        flagged & (prediction.segmentation == 0) & (prediction.radical == 0), prediction.radical, grid, label_values
    )
    radical[flagged] = structure
    return replace(prediction, conservative=conservative, radical=radical, uncertain=uncertain.astype(np.uint8))


def _nearest_structure(mask: Array, labels: Array, grid: Grid, label_values: tuple[int, ...]) -> Array:
    """For each voxel of a mask, in the order of the grid, the label of the nearest labeled voxel."""
    count = int(np.count_nonzero(mask))
    if len(label_values) == 1 or not count or not labels.any():
        return np.full(count, label_values[0], labels.dtype)
    spacing = np.array(grid.spacing_mm[::-1])
    # What is nearest lies on the border of a structure.
    border = np.argwhere((labels > 0) & ~binary_erosion(labels > 0))
    _, nearest = cKDTree(border * spacing).query(np.argwhere(mask) * spacing)
    nearest_labels: Array = labels[tuple(border[nearest].T)]
    return nearest_labels
