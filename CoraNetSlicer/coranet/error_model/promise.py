"""How much of what is wrong the flagged region holds: expected, and promised by conformal risk control.

Angelopoulos et al. 2024, "Conformal Risk Control": with the risks R of n cases that were not fitted on, the smallest
of nested regions with (n R + 1) / (n + 1) <= alpha keeps the expected risk of the next case at alpha or below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import doubt as contract
from .nested import NestedRegions

Array = npt.NDArray[Any]

# Of the deep errors, what the dial offers.
SHARES = (0.8, 0.9, 0.95)
# Sizes of regions at which curves are known, in units of `usual_voxels`.
RELATIVE_SIZES: Array = np.geomspace(1e-2, 1e3, 576)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RiskCurve:
    """What the regions of a case of each of `RELATIVE_SIZES` would have missed.

    Attributes:
        missed: share of the deep errors that are not flagged, descending; 0 where the case has none.
        flagged: share of all voxels that are flagged, ascending.
    """

    missed: Array
    flagged: Array

    @staticmethod
    def of(probability: Array, deep: Array, usual: float) -> RiskCurve:
        """The curve of a case.

        Args:
            probability: of a deep error, float32, any shape.
            deep: bool, the same shape.
            usual: of `usual_voxels`.
        """
        regions = NestedRegions.of(probability)
        thresholds = regions.thresholds(RELATIVE_SIZES * usual)
        missed = _below(probability[deep], thresholds) if deep.any() else np.zeros(len(thresholds))
        return RiskCurve(missed, 1 - _below(probability, thresholds))


@dataclass(frozen=True)
class Promise(contract.Promise):
    """What a region is expected to hold, as a model's card has it.

    Attributes:
        flagged: share of the voxels of the calibration cases that is flagged, on the mean.
    """

    flagged: float = 0.0

    @staticmethod
    def of(curves: Sequence[RiskCurve], share: float) -> Promise:
        """From the cross-fitted curves of the calibration cases."""
        place = _first_place(curves, share)
        if place is None:
            return Promise(share, len(curves))
        flagged = float(np.mean([curve.flagged[place] for curve in curves]))
        return Promise(share, len(curves), float(RELATIVE_SIZES[place]), flagged)


def _first_place(curves: Sequence[RiskCurve], share: float) -> int | None:
    """The first of `RELATIVE_SIZES` that may be expected to hold a share of the deep errors.

    Conformal risk control allows for a next case that misses everything: from few cases it flags twice what is needed.
    This allows for one that misses twice the rest of the share, which held the share in measurements. So it is the rule
    of conformal risk control for another share, which `contract.Promise.promised` says.

    Returns:
        None where no region does.
    """
    if not curves:
        return None
    risk = np.mean([curve.missed for curve in curves], axis=0)
    allowed = np.flatnonzero(risk <= (1 - share) * (1 - 1 / len(curves)) + _ROUNDING)
    return int(allowed[0]) if len(allowed) else None


def _below(probability: Array, thresholds: Array) -> Array:
    """The share of some probabilities that are below each threshold."""
    ordered = np.sort(probability, axis=None)
    return np.searchsorted(ordered, thresholds.astype(ordered.dtype), "left") / max(1, len(ordered))
