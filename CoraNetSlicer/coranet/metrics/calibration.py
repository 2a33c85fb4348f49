"""Whether probabilities agree with frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def expected_calibration_error(probabilities: Array, truth: Array, bins: int = 15) -> list[float]:
    """How far the probability of each foreground class lies from how often the class is there (Guo et al. 2017).

    Voxels are sorted into bins of equal width by the probability of the class, background voxels too: the error is
    the mean over all voxels of |mean probability - share of the class| of their bin. Most voxels are surely
    background, so that values are small; compare them between models, not between data sets.

    Args:
        probabilities: (K, ...), in [0, 1].
        truth: class indices, (...).
        bins: number of bins.

    Returns:
        K - 1 values in [0, 1], of 1 to K - 1 in order.
    """
    return [_error(probabilities[index], truth == index, bins) for index in range(1, len(probabilities))]


def _error(probability: Array, is_there: Array, bins: int) -> float:
    number = np.minimum((probability * bins).astype(np.intp), bins - 1).ravel()
    expected = np.bincount(number, weights=probability.ravel(), minlength=bins)
    observed = np.bincount(number, weights=is_there.ravel(), minlength=bins)
    return float(np.abs(expected - observed).sum() / probability.size)
