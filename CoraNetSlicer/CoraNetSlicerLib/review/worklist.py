"""The worklist of uncertain regions as people read it: texts, rows, and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from coranet.contract import Choice, Label, Region, RegionList, Review

from ..core.translation import _

if TYPE_CHECKING:
    from .region_review import RegionReview

# Less is said to be no change; half of what three digits after the point can show.
_NOTHING_ML = 0.0005
_HEADS = (Choice.CONSERVATIVE, Choice.RADICAL)
SORT_COLUMNS = ("number", "structure", "ml", "effect_ml", "status")
_LARGEST_FIRST = ("ml", "effect_ml")


def structure_text(region: Region, labels: Sequence[Label]) -> str:
    """Which classes are in question, such as "Pancreas" or "Pancreas or Tumor"."""
    names = {label.value: label.name for label in labels}
    return _(" or ").join(names.get(value, str(value)) for value in region.label_values)


def status_text(choice: Optional[Choice]) -> str:
    """What has become of a region, in words."""
    texts = {
        None: _("open"),
        Choice.CONSERVATIVE: _("conservative"),
        Choice.RADICAL: _("radical"),
        Choice.KEEP: _("kept"),
        Choice.EDITED: _("edited"),
    }
    return texts[choice]


def progress_text(review: Review, regions: RegionList) -> str:
    """How far a review is, such as "7 of 23 reviewed, 81 % of the uncertain volume cleared"."""
    if not regions.regions:
        return _("There is no uncertain region to review.")
    decided, share = review.progress(regions)
    # All is said only when it is all.
    percent = 100 if decided == len(regions.regions) else min(99, round(100 * share))
    return _("{decided} of {total} reviewed, {percent} % of the uncertain volume cleared").format(
        decided=decided, total=len(regions.regions), percent=percent
    )


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
    texts = {Choice.CONSERVATIVE: _("Conservative (1): {changes}"), Choice.RADICAL: _("Radical (2): {changes}")}
    effects = [texts[head].format(changes=changes_text(region, head, review.loaded.labels)) for head in _HEADS]
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
    return ", ".join(parts) or _("no change")


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


class RegionOrder:
    """Sorts rows; rows that are equal stay in the order of their rank.

    Attributes:
        column: one of SORT_COLUMNS.
        is_descending: whether the largest comes first.
    """

    def __init__(self) -> None:
        self.column = SORT_COLUMNS[0]
        self.is_descending = False

    def click(self, column: str) -> None:
        """Sort by a column; clicked again, the other way round."""
        if column == self.column:
            self.is_descending = not self.is_descending
        else:
            self.column, self.is_descending = column, column in _LARGEST_FIRST

    def sorted(self, rows: Sequence[RegionRow]) -> list[RegionRow]:
        """Rows in this order."""
        ranked = sorted(rows, key=lambda row: row.number)
        return sorted(ranked, key=lambda row: getattr(row, self.column), reverse=self.is_descending)
