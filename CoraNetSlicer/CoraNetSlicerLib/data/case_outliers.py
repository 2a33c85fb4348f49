"""Scans that are unlike the others of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from coranet.contract.outliers import INTENSITY_RANGE, VOLUME_ML, other_modalities, other_spacings, times_apart

from ..core.translation import _
from .case_facts import VolumeFacts
from .case_rows import CaseRow, Finding, warning


def outliers(scans: Sequence[tuple[CaseRow, VolumeFacts]]) -> Iterator[Finding]:
    """Warnings about scans whose spacing or intensities are unlike the others', by the rules that the engine has, too.

    Args:
        scans: rows with what is known of their volumes; those that cannot be used are not looked at.
    """
    usable = [(row, facts) for row, facts in scans if not facts.problem]
    for index in other_spacings([facts.spacing_mm for _row, facts in usable]):
        row, facts = usable[index]
        yield _spacing_outlier(row, facts, [other for owner, other in usable if owner is not row])
    # Of files nobody has seen the voxels.
    seen = [(row, facts) for row, facts in usable if facts.high > facts.low]
    ranges, lowest = ([facts.high - facts.low for _row, facts in seen], [facts.lowest for _row, facts in seen])
    for index in sorted({*other_modalities(lowest), *times_apart(ranges, INTENSITY_RANGE)}):
        row, facts = seen[index]
        yield _intensity_outlier(row, facts, [other for owner, other in seen if owner is not row])


def volume_outliers(cases: Sequence[tuple[CaseRow, Mapping[str, float]]], learned: Sequence[str]) -> Iterator[Finding]:
    """Warnings about segments that are many times larger or smaller than in the other cases.

    Args:
        cases: rows with the volumes in mL of their segments, by name.
        learned: names of the segments to learn.
    """
    for name in learned:
        having = [(row, volumes[name]) for row, volumes in cases if name in volumes]
        volumes = [volume for _row, volume in having]
        for index in times_apart(volumes, VOLUME_ML):
            row, others = having[index][0], [*volumes[:index], *volumes[index + 1 :]]
            text = _(
                "'{segment}' of '{name}' has about {own:.2g} mL, in the others {least:.2g} to {most:.2g} mL; check the "
                "segmentation and the spacing."
            )
            numbers = {"own": volumes[index], "least": min(others), "most": max(others)}
            yield warning(row, _("other size"), text.format(segment=name, name=row.name, **numbers))


def spacing_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """How many times larger one spacing is than the other, along the axis where they differ most.

    The spacings are compared sorted: the same scan may have its slices along another axis.
    """
    pairs = zip(sorted(first), sorted(second), strict=False)
    return max(max(one, other) / max(min(one, other), 1e-6) for one, other in pairs)


def in_words(spacing_mm: Sequence[float]) -> str:
    """A spacing as "0.9 x 1.3 x 2.4"."""
    return " x ".join(f"{value:.3g}" for value in spacing_mm)


def _spacing_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Finding:
    usual = [median(sorted(other.spacing_mm)[axis] for other in others) for axis in range(3)]
    text = _("'{name}' has voxels of {own} mm, the others of about {usual} mm; check that it is a scan of that kind.")
    words = {"name": row.name, "own": in_words(sorted(facts.spacing_mm)), "usual": in_words(usual)}
    return warning(row, _("other spacing"), text.format(**words))


def _intensity_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Finding:
    low, high = median(other.low for other in others), median(other.high for other in others)
    text = _(
        "'{name}' has grey values from {own_low:.4g} to {own_high:.4g}, the others from about {low:.4g} to {high:.4g}; "
        "check that it is a scan of that kind."
    )
    words = {"name": row.name, "own_low": facts.low, "own_high": facts.high, "low": low, "high": high}
    return warning(row, _("other grey values"), text.format(**words))
