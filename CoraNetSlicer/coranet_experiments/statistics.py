"""The figures of a comparison: mean and spread over seeds, paired differences over cases, the distance closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean and the limits between which it lies with 95 % confidence; None where they are unknown."""

    mean: float
    low: float | None
    high: float | None


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are known; None if none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def spread(values: Sequence[float | None]) -> float | None:
    """Sample standard deviation of those that are known; None for fewer than two."""
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def paired_difference(
    method: Mapping[tuple[str, int], float | None], other: Mapping[tuple[str, int], float | None]
) -> Interval | None:
    """How much better one method is than another on the same cases and with the same seeds.

    The differences of a case are averaged over the seeds; the 95 % interval is the percentile bootstrap over the cases
    (Efron 1979), so it holds for other cases of the same kind, not for other seeds.

    Args:
        method: (case, seed) -> figure.
        other: the same of the other method.

    Returns:
        Mean difference with its interval (no interval for fewer than two cases); None if they share no case.
    """
    by_case: dict[str, list[float]] = {}
    for (case, seed), value in method.items():
        reference = other.get((case, seed))
        if value is not None and reference is not None:
            by_case.setdefault(case, []).append(value - reference)
    if not by_case:
        return None
    differences = np.array([np.mean(values) for _, values in sorted(by_case.items())])
    if len(differences) < 2:
        return Interval(float(differences.mean()), None, None)
    drawn = np.random.default_rng(0).integers(len(differences), size=(_RESAMPLES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), (2.5, 97.5))
    return Interval(float(differences.mean()), float(low), float(high))


def distance_closed(value: float | None, lower: float | None, upper: float | None) -> float | None:
    """Share of the way from `lower` to `upper` at which `value` lies; None where there is no such way.

    Args:
        value: of a method.
        lower: of supervised-only.
        upper: of fully supervised.
    """
    if value is None or lower is None or upper is None or upper <= lower:
        return None
    return (value - lower) / (upper - lower)
