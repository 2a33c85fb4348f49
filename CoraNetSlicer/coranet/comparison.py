"""CoraNet's uncertain region against other uncertainties of the same model, on one scan with known truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .inference.prediction import channels_on_own_grid
from .metrics import FLAGGED_SHARES, coverage_curve, detection, detection_at
from .uncertainty_sources import ScanPasses, least_confidence, predictive_entropy
from .volume import Grid

SOFTMAX_THRESHOLDS = (0.5, 0.7, 0.9)
# Of FLAGGED_SHARES, the one that is also told by itself.
_TOLD_SHARE = 0.05

Array = npt.NDArray[Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class KnownErrors:
    """A case whose errors are known, on the scan's own grid; each (k, j, i).

    Attributes:
        wrong: bool, where the segmentation is not the truth.
        uncertain: bool, CoraNet's region.
        uncertainty: CoraNet's map.
    """

    wrong: Array
    uncertain: Array
    uncertainty: Array

    def of_coranet(self) -> Row:
        """How well CoraNet's region and map point at the errors."""
        return {**detection(self.wrong, self.uncertain), **covered(self.uncertainty, self.wrong)}


def compare_uncertainties(errors: KnownErrors, probabilities: Array, passes: ScanPasses, grid: Grid) -> dict[str, Row]:
    """What other uncertainties of the same network find.

    Args:
        errors: of the case.
        probabilities: of one pass of the segmentation head, (K, k, j, i).
        passes: over the prepared scan.
        grid: of the scan.

    Returns:
        By name a row as of `KnownErrors.of_coranet`. "coranet"; "softmax" (1 - the highest probability), "dropout"
        and "augmentation" (entropy of the mean of 8 passes), "chance": as many voxels are flagged as by CoraNet, those
        of highest uncertainty. "softmax_0.5" and so on: every voxel is flagged whose highest probability is below the
        threshold; they have no curve of their own.
    """
    count = int(np.count_nonzero(errors.uncertain))
    rows = {"coranet": errors.of_coranet()}
    for name, score in _scores(probabilities, passes, grid):
        rows[name] = {**detection_at(score, errors.wrong, count), **covered(score, errors.wrong)}
    for threshold in SOFTMAX_THRESHOLDS:
        rows[f"softmax_{threshold:g}"] = detection(errors.wrong, probabilities.max(0) < threshold)
    return rows


def covered(score: Array, wrong: Array) -> Row:
    """Share of the wrong voxels that are caught by flagging a share of all voxels, those of highest score.

    Returns:
        coverage_curve: {share flagged, as a text: share caught}; covered_at_5_percent: share caught.
    """
    curve = dict(zip(FLAGGED_SHARES, coverage_curve(score, wrong), strict=True))
    return {
        "coverage_curve": {f"{share:g}": caught for share, caught in curve.items()},
        "covered_at_5_percent": curve[_TOLD_SHARE],
    }


def _scores(probabilities: Array, passes: ScanPasses, grid: Grid) -> Iterator[tuple[str, Array]]:
    """One at a time: a score is as large as the scan."""
    yield "softmax", least_confidence(probabilities)
    for name, several in (("dropout", passes.dropout), ("augmentation", passes.augmentation)):
        yield name, predictive_entropy(channels_on_own_grid(several(), grid, passes.box))
    yield "chance", np.random.default_rng(passes.seed).random(grid.size_ijk[::-1], dtype=np.float32)
