"""How well what is flagged as uncertain points at the wrong voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Shares of all voxels at which a coverage curve is sampled.
FLAGGED_SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
# The one of them that also has a figure of its own.
_SHARE_WITH_FIGURE = 0.05

Array = npt.NDArray[Any]


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

    def of_coranet(self) -> dict[str, Any]:
        """How well CoraNet's region and map point at the errors."""
        return {**detection(self.wrong, self.uncertain), **covered(self.uncertainty, self.wrong)}


def error_coverage(predicted: Array, truth: Array, flagged: Array) -> tuple[float, float]:
    """How well a flagged region points at the errors.

    Args:
        predicted: class indices.
        truth: class indices.
        flagged: bool.

    Returns:
        Share of the wrong voxels that are flagged (NaN without errors), and share of all voxels that are flagged.
    """
    figures = detection(predicted != truth, flagged)
    return figures["error_coverage"], figures["flagged_share"]


def detection(wrong: Array, flagged: Array) -> dict[str, float]:
    """How well a flagged region points at the wrong voxels.

    Args:
        wrong: bool, any shape.
        flagged: bool, the same shape.

    Returns:
        csi: critical success index, hits / (hits + misses + false alarms), NaN where nothing is wrong nor flagged;
        error_coverage: share of the wrong voxels that are flagged, NaN where none is wrong; flagged_share: of all
        voxels.
    """
    return _detection(float(np.count_nonzero(wrong & flagged)), wrong, int(np.count_nonzero(flagged)))


def detection_at(score: Array, wrong: Array, count: int) -> dict[str, float]:
    """The same for the `count` voxels of highest score; what chance among equal scores would flag on average.

    Args:
        score: any shape, more is more uncertain.
        wrong: bool, the same shape.
        count: number of flagged voxels.
    """
    return _detection(_hits(score, wrong, [count])[0], wrong, count)


def coverage_curve(score: Array, wrong: Array, shares: Sequence[float] = FLAGGED_SHARES) -> list[float]:
    """Share of the wrong voxels that are caught by flagging a share of all voxels, those of highest score.

    Args:
        score: any shape, more is more uncertain.
        wrong: bool, the same shape.
        shares: of all voxels, in [0, 1].

    Returns:
        One value a share; where scores are equal, what chance among them would catch on average. NaN where no voxel
        is wrong.
    """
    errors = int(np.count_nonzero(wrong))
    hits = _hits(score, wrong, [round(share * score.size) for share in shares])
    return [hit / errors if errors else float("nan") for hit in hits]


def covered(score: Array, wrong: Array) -> dict[str, Any]:
    """Share of the wrong voxels that are caught by flagging a share of all voxels, those of highest score.

    Args:
        score: any shape, more is more uncertain.
        wrong: bool, the same shape.

    Returns:
        coverage_curve: {share flagged, as a text: share caught}; covered_at_5_percent: share caught.
    """
    curve = dict(zip(FLAGGED_SHARES, coverage_curve(score, wrong), strict=True))
    return {
        "coverage_curve": {f"{share:g}": caught for share, caught in curve.items()},
        "covered_at_5_percent": curve[_SHARE_WITH_FIGURE],
    }


def _detection(hits: float, wrong: Array, flagged: int) -> dict[str, float]:
    errors = int(np.count_nonzero(wrong))
    counted = errors + flagged - hits
    return {
        "csi": hits / counted if counted else float("nan"),
        "error_coverage": hits / errors if errors else float("nan"),
        "flagged_share": flagged / wrong.size,
    }


def _hits(score: Array, wrong: Array, counts: Sequence[int]) -> list[float]:
    """For each count the mean number of wrong voxels among that many voxels of highest score."""
    ordered, ordered_wrong = np.sort(score, axis=None), np.sort(score[wrong])
    hits = []
    for count in counts:
        if not count:
            hits.append(0.0)
            continue
        least = ordered[len(ordered) - count]
        above, tied = _above_and_at(ordered, least)
        wrong_above, wrong_tied = _above_and_at(ordered_wrong, least)
        hits.append(wrong_above + (count - above) / tied * wrong_tied)
    return hits


def _above_and_at(ordered: Array, value: Any) -> tuple[int, int]:
    """How many entries of an ascending array are above a value, and how many are equal to it."""
    first, last = np.searchsorted(ordered, value, "left"), np.searchsorted(ordered, value, "right")
    return len(ordered) - int(last), int(last - first)
