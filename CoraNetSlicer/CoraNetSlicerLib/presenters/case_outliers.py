"""Scans that are unlike the others of the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from ..scene.case_facts import VolumeFacts
from ..translation import _
from .case_rows import CaseRow, Finding, warning

# Scans of one study differ by less; where they differ by more, one of them usually is something else.
_SPACING_RATIO = 2.0
_RANGE_RATIO = 5.0
# An outlier is one among others: of two, nobody can say which it is.
_FEWEST = 3


def outliers(scans: Sequence[tuple[CaseRow, VolumeFacts]]) -> Iterator[Finding]:
    """Warnings about scans whose spacing or intensity is far from the median of the others.

    Args:
        scans: rows with what is known of their volumes; those that cannot be used are not looked at.
    """
    usable = [(row, facts) for row, facts in scans if not facts.problem]
    if len(usable) < _FEWEST:
        return
    for row, facts in usable:
        others = [other for owner, other in usable if owner is not row]
        yield from _spacing_outlier(row, facts, others)
        # Of files nobody has seen the voxels.
        seen = [other for other in others if other.high > other.low]
        if facts.high > facts.low and len(seen) + 1 >= _FEWEST:
            yield from _intensity_outlier(row, facts, seen)


def spacing_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """How many times larger one spacing is than the other, along the axis where they differ most.

    The spacings are compared sorted: the same scan may have its slices along another axis.
    """
    pairs = zip(sorted(first), sorted(second))
    return max(max(one, other) / max(min(one, other), 1e-6) for one, other in pairs)


def in_words(spacing_mm: Sequence[float]) -> str:
    """A spacing as "0.9 x 1.3 x 2.4"."""
    return " x ".join(f"{value:.3g}" for value in spacing_mm)


def _spacing_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Iterator[Finding]:
    usual = [median(sorted(other.spacing_mm)[axis] for other in others) for axis in range(3)]
    if spacing_ratio(facts.spacing_mm, usual) > _SPACING_RATIO:
        yield warning(
            row,
            _("other spacing"),
            _(
                "'{name}' has voxels of {own} mm, the others of about {usual} mm; check that it is a scan of that kind."
            ).format(name=row.name, own=in_words(sorted(facts.spacing_mm)), usual=in_words(usual)),
        )


def _intensity_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Iterator[Finding]:
    low, high = median(other.low for other in others), median(other.high for other in others)
    usual, own = high - low, facts.high - facts.low
    middle = median(other.median for other in others)
    is_far = abs(facts.median - middle) > 2 * max(usual, own)
    if is_far or max(own / usual, usual / own) > _RANGE_RATIO:
        yield warning(
            row,
            _("other grey values"),
            _(
                "'{name}' has grey values from {own_low:.4g} to {own_high:.4g}, the others from about {low:.4g} to "
                "{high:.4g}; check that it is a scan of that kind."
            ).format(name=row.name, own_low=facts.low, own_high=facts.high, low=low, high=high),
        )
