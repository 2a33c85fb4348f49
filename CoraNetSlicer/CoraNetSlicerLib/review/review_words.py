"""What is said of uncertain regions: rows of the worklist, what a choice would change, how far a review is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coranet.contract import Choice, Label, Region

from ..core.translation import _
from .region_review import RegionReview

# Less is said to be no change; half of what three digits after the point can show.
_NOTHING_ML = 0.0005
_HEADS = (Choice.CONSERVATIVE, Choice.RADICAL)


@dataclass(frozen=True)
class RegionRow:
    """A line of the worklist.

    Attributes:
        number: of the region.
        structure: which classes are in question.
        ml: volume of the region.
        effect_ml: volume that a decision is expected to change.
        status: what has become of it, in words.
        is_decided: whether somebody has decided.
        tool_tip: more about it.
    """

    number: int
    structure: str
    ml: float
    effect_ml: float
    status: str
    is_decided: bool
    tool_tip: str = ""


def region_rows(review: RegionReview) -> list[RegionRow]:
    """All regions of a review in the order of their numbers."""
    return [_row(review, region) for region in review.regions.regions]


def question_text(review: RegionReview, number: int) -> str:
    """What is to be decided about a region, in three lines: where it stands, and what each choice would change."""
    region = review.regions.region(number)
    what = _("Region {number}: {structure}, {ml} mL, {status}.").format(
        number=number, structure=review.structure(number), ml=short_ml(region.volume_ml), status=review.status(number)
    )
    words = {Choice.CONSERVATIVE: _("Conservative (1): {changes}"), Choice.RADICAL: _("Radical (2): {changes}")}
    effects = [words[head].format(changes=changes_text(region, head, review.loaded.labels)) for head in _HEADS]
    return "\n".join([what, *effects])


def changes_text(region: Region, head: Choice, labels: Sequence[Label]) -> str:
    """What a head would change of the result, such as "+0.61 mL Pancreas, -0.20 mL Tumor"."""
    changes: Mapping[int, float] = region.changes_ml.get(head.value, {})
    names = {label.value: label.name for label in labels}
    parts = [
        f"{'+' if ml > 0 else '-'}{short_ml(abs(ml))} mL {names.get(value, value)}"
        for value, ml in changes.items()
        if abs(ml) >= _NOTHING_ML
    ]
    return ", ".join(parts) or _("as the result")


def short_ml(ml: float) -> str:
    """A small volume as a person reads it, with two to three digits."""
    return f"{ml:.3f}" if ml < 0.1 else f"{ml:.2f}" if ml < 10 else f"{ml:.1f}"


def _row(review: RegionReview, region: Region) -> RegionRow:
    decision = review.decision(region.number)
    structure = review.structure(region.number)
    figures = _("Uncertainty {mean:.2f} on average, {peak:.2f} at most; {share:.0f} % of the surface.").format(
        mean=region.mean_uncertainty, peak=region.peak_uncertainty, share=100 * region.surface_share
    )
    # The name, too: in a narrow panel it is cut short.
    tool_tip = f"{structure}\n{figures}"
    if decision is not None and decision.author:
        tool_tip += "\n" + _("Decided by {author}.").format(author=decision.author)
    return RegionRow(
        number=region.number,
        structure=structure,
        ml=region.volume_ml,
        effect_ml=region.expected_effect_ml,
        status=review.status(region.number),
        is_decided=decision is not None,
        tool_tip=tool_tip,
    )
