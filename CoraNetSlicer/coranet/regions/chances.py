"""How probably each voxel of a result is a deep error: what its places are ordered by."""

from __future__ import annotations

import numpy as np
import torch

from ..boundary_slide import BoundaryMargins
from ..contract.doubt import ERROR_MODEL
from ..contract.slide import STEPS_PER_VOXEL
from ..data.components import Array
from ..error_model.depth import deep_log_odds
from ..error_model.fitting import default_tolerance_mm
from ..inference.prediction import Prediction
from ..volume import Grid

# About the softmax's log-odds of an error, for each voxel by which the boundary would have to move to reach it.
_LOG_ODDS_PER_VOXEL = -4.0
# Less is not stored in a map.
_SMALLEST = 2.0**-15


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
    heads = np.clip(prediction.uncertainty, _SMALLEST, 1 - _SMALLEST)
    softmax = margins.margin * np.float32(_LOG_ODDS_PER_VOXEL / STEPS_PER_VOXEL)
    wrong = torch.from_numpy((np.log(heads / (1 - heads)) + softmax) / 2)
    named, second = (torch.from_numpy(labels.astype(np.int32)) for labels in (prediction.segmentation, margins.second))
    tolerance_mm = default_tolerance_mm(grid.spacing_mm, grid.spacing_mm)
    return deep_log_odds(wrong, named, second, grid.spacing_mm[::-1], tolerance_mm).sigmoid_().numpy()
