"""How probably each voxel of a result is a deep error: what its places are ordered by."""

from __future__ import annotations

import numpy as np
import torch

from ..boundary_slide import BoundaryMargins
from ..contract.doubt import ERROR_MODEL
from ..contract.slide import NOT_REACHABLE, STEPS_PER_VOXEL
from ..data.box import Box
from ..data.components import Array
from ..error_model.depth import deep_log_odds
from ..error_model.fitting import default_tolerance_mm
from ..inference.prediction import Prediction
from ..uncertainty import SMALLEST_STORED
from ..volume import Grid

# About the softmax's log-odds of an error, for each voxel by which the boundary would have to move to reach it.
_LOG_ODDS_PER_VOXEL = -4.0


def chance_of_errors(
    prediction: Prediction, grid: Grid, doubt: str | None = None, margins: BoundaryMargins | None = None
) -> Array:
    """How probably each voxel is wrong, as far as places need it: for the order of places.

    Args:
        prediction: a result.
        grid: on which it lies.
        doubt: whose doubt its map is, of `contract.doubt`; None: that of the heads.
        margins: what slides need of the result; None: a result of an earlier version has none.

    Returns:
        (k, j, i), float32.
    """
    if doubt == ERROR_MODEL:
        return prediction.uncertainty
    if margins is None:
        # By the fourth power the heads' map finds blocks best.
        squared = np.square(prediction.uncertainty)
        return np.square(squared, out=squared)
    chance = np.zeros(prediction.uncertainty.shape, np.float32)
    reached = Box.around(margins.margin < NOT_REACHABLE)
    if reached is not None:
        box = reached.slices
        near = (prediction.uncertainty[box], prediction.segmentation[box], margins.margin[box], margins.second[box])
        chance[box] = _deep_chance(*near, grid)
    return chance


def _deep_chance(heads: Array, labels: Array, margin: Array, second: Array, grid: Grid) -> Array:
    """How probably each voxel is a deep error, by the heads' map and how far the boundary would have to move."""
    doubt = np.clip(heads, SMALLEST_STORED, 1 - SMALLEST_STORED)
    softmax = margin * np.float32(_LOG_ODDS_PER_VOXEL / STEPS_PER_VOXEL)
    wrong = torch.from_numpy((np.log(doubt / (1 - doubt)) + softmax) / 2)
    named, other = (torch.from_numpy(values.astype(np.int32)) for values in (labels, second))
    tolerance_mm = default_tolerance_mm(grid.spacing_mm, grid.spacing_mm)
    probability: Array = deep_log_odds(wrong, named, other, grid.spacing_mm[::-1], tolerance_mm).sigmoid_().numpy()
    return probability
