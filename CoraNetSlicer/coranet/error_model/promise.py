"""How much of what is wrong the flagged region holds, promised by conformal risk control.

Angelopoulos et al. 2024, "Conformal Risk Control": with the risks of n cases that nobody was fitted on, a threshold
with (n R + 1) / (n + 1) <= alpha keeps the expected risk of the next case at alpha or below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import doubt as contract

Array = npt.NDArray[Any]

# What can be promised of the deep errors.
SHARES = (0.8, 0.9, 0.95)
# Probabilities at which curves are known: evenly in log odds, from 1 in 60,000 to 1 in 1.003.
THRESHOLDS: Array = 1 / (1 + np.exp(-np.linspace(-11.0, 6.0, 681)))
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RiskCurve:
    """What a case would have missed at each of `THRESHOLDS`.

    Attributes:
        missed: share of the deep errors that are not flagged, ascending; 0 where the case has none.
        flagged: share of all voxels that are flagged, descending.
    """

    missed: Array
    flagged: Array

    @staticmethod
    def of(probability: Array, deep: Array) -> RiskCurve:
        """The curve of a case.

        Args:
            probability: of a deep error, any shape; flagged is what has at least the threshold.
            deep: bool, the same shape.
        """
        errors = np.count_nonzero(deep)
        missed = _below(probability[deep]) / errors if errors else np.zeros(len(THRESHOLDS))
        return RiskCurve(missed, 1 - _below(probability) / max(1, probability.size))


@dataclass(frozen=True)
class Promise(contract.Promise):
    """What a threshold is expected to hold, as a model's card has it.

    Attributes:
        flagged: share of the voxels of the calibration cases that is flagged at the threshold used, on the mean.
    """

    flagged: float = 0.0

    @staticmethod
    def of(curves: Sequence[RiskCurve], share: float) -> Promise:
        """From the cross-fitted curves of the calibration cases."""
        made = Promise(share, threshold_for(curves, share), len(curves), expected_threshold(curves, share))
        if made.used is None:
            return made
        place = int(np.flatnonzero(np.isclose(THRESHOLDS, made.used, rtol=1e-12))[0])
        flagged = float(np.mean([curve.flagged[place] for curve in curves]))
        return replace(made, flagged=flagged)


def threshold_for(curves: Sequence[RiskCurve], share: float) -> float | None:
    """The largest of `THRESHOLDS` that is promised to hold a share of the deep errors of the next case.

    Args:
        curves: of n cases that neither the network nor the error model were fitted on.
        share: 0 to 1, on the mean over cases.

    Returns:
        The threshold; None where no threshold can be promised: 80 % needs at least 4 cases, 90 % 9, 95 % 19.
    """
    count = len(curves)
    return _largest(curves, (1 - share) - share / count) if count else None


def expected_threshold(curves: Sequence[RiskCurve], share: float) -> float | None:
    """The largest of `THRESHOLDS` that may be expected to hold a share; no promise for the next case.

    The promise allows for a next case that misses everything: from few cases it flags twice what is needed. This allows
    for one that misses twice the rest of the share (B = 2 alpha in place of 1), which held the share in measurements.
    """
    return _largest(curves, (1 - share) * (1 - 1 / len(curves))) if curves else None


def needed_cases(share: float) -> int:
    """How many calibration cases a promise of a share needs at least."""
    return int(np.ceil(share / (1 - share) - _ROUNDING))


def _largest(curves: Sequence[RiskCurve], most_missed: float) -> float | None:
    """The largest threshold whose mean risk is at most so much; (n R + 1) / (n + 1) <= a is R <= a - (1 - a) / n."""
    risk = np.mean([curve.missed for curve in curves], axis=0)
    allowed = np.flatnonzero(risk <= most_missed + _ROUNDING)
    return float(THRESHOLDS[allowed[-1]]) if len(allowed) else None


def _below(probabilities: Array) -> Array:
    """How many of some probabilities are below each threshold."""
    # A probability of 32 bits is compared as such, as whoever flags by the threshold does.
    ordered = np.sort(probabilities, axis=None)
    return np.searchsorted(ordered, THRESHOLDS.astype(ordered.dtype), "left").astype(np.float64)
