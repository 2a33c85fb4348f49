"""The worklist of uncertain regions as people read it: texts, rows, and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from coranet.contract import Choice, Label, Region, RegionList, Review, Slide

from ..core.translation import _

# Less counts as no change; half of what three digits after the point can show.
_NOTHING_ML = 0.0005
_HEADS = (Choice.CONSERVATIVE, Choice.RADICAL)
SORT_COLUMNS = ("number", "structure", "ml", "effect_ml", "status")
_LARGEST_FIRST = ("ml", "effect_ml")


def region_title(region: Region) -> str:
    """What a region is called: "Place 3"; "Region 3" where it is a block of the uncertain region."""
    title = _("Region {number}") if region.kind == "block" else _("Place {number}")
    return title.format(number=region.number)


def structure_text(region: Region, labels: Sequence[Label]) -> str:
    """Which classes are in question, and where, such as "Pancreas or Tumor" or "Pancreas: upper left"."""
    names = {label.value: label.name for label in labels}
    classes = _(" or ").join(names.get(value, str(value)) for value in region.label_values)
    return f"{classes}: {region.where}" if region.where else classes


def status_text(review: Review, number: int) -> str:
    """The status of a region, such as "radical", or "radical, slid" where its boundary was slid after that."""
    choice = review.decisions[number].choice if number in review.decisions else None
    texts = {
        None: _("open"),
        Choice.CONSERVATIVE: _("conservative"),
        Choice.RADICAL: _("radical"),
        Choice.KEEP: _("kept"),
        Choice.EDITED: _("edited"),
        Choice.SLID: _("slid"),
    }
    # What was kept and then slid is not as it was.
    if choice in (None, Choice.KEEP, Choice.SLID) or not review.is_slid(number):
        return texts[Choice.SLID if choice is Choice.KEEP and review.is_slid(number) else choice]
    return f"{texts[choice]}, {texts[Choice.SLID]}"


def progress_text(review: Review, regions: RegionList) -> str:
    """How far a review is, such as "7 of 20 reviewed. Still wrong if you stop here: about 0.4 mL"."""
    if not regions.regions:
        return _("There is no uncertain region to review.")
    decided, share = review.progress(regions)
    left_ml = regions.expected_left_ml(review.decisions)
    if left_ml is not None:
        return _("{decided} of {total} reviewed. Still wrong if you stop here: about {ml} mL").format(
            decided=decided, total=len(regions.regions), ml=rounded_ml(left_ml)
        )
    # "All" only when it is all.
    percent = 100 if decided == len(regions.regions) else min(99, round(100 * share))
    return _("{decided} of {total} reviewed, {percent} % of the uncertain volume cleared").format(
        decided=decided, total=len(regions.regions), percent=percent
    )


@dataclass(frozen=True)
class RegionRow:
    """A line of the worklist.

    Attributes:
        number: of the region.
        structure: which classes are in question, and where; where alone if the result has one class.
        ml: volume of the region.
        effect_ml: volume that a decision is expected to change; of a place, what is expected to be wrong there.
        status: in words.
        is_decided: whether there is a decision.
        tool_tip: more about it.
    """

    number: int
    structure: str
    ml: float
    effect_ml: float
    status: str
    is_decided: bool
    tool_tip: str = ""


def region_rows(regions: RegionList, review: Review, labels: Sequence[Label]) -> list[RegionRow]:
    """All regions in the order of their numbers, with the decisions of a review."""
    return [_row(region, review, labels) for region in regions.regions]


def column_titles(has_places: bool) -> list[str]:
    """What the columns are called, in the order of SORT_COLUMNS; "": a column is not shown, as the size of places."""
    if has_places:
        return [_("No."), _("Place"), "", _("Wrong mL"), _("Status")]
    return [_("No."), _("Structure"), _("mL"), _("Effect mL"), _("Status")]


def question_text(region: Region, labels: Sequence[Label]) -> str:
    """What is to be decided about a region, in three lines: which it is, and what each choice would change."""
    is_block = region.kind == "block"
    text = _("{title}: {structure}, {ml} mL.")
    of_place = _("{title}: {structure}. About {ml} mL wrong.")
    question = (text if is_block else of_place).format(
        title=region_title(region),
        structure=structure_text(region, labels),
        ml=short_ml(region.volume_ml if is_block else region.expected_wrong_ml),
    )
    texts = {Choice.CONSERVATIVE: _("Conservative (1): {changes}"), Choice.RADICAL: _("Radical (2): {changes}")}
    effects = [texts[head].format(changes=changes_text(region, head, labels)) for head in _HEADS]
    return "\n".join([question, *effects])


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


def rounded_ml(ml: float) -> str:
    """A volume that is an estimate, with one digit, from 10 on two."""
    if ml < 0.005:
        return "0"
    return f"{ml:.2f}" if ml < 0.095 else f"{ml:.1f}" if ml < 9.95 else f"{ml:.2g}" if ml < 99.5 else f"{ml:.0f}"


def slide_text(slide: Optional[Slide], ml: float, labels: Sequence[Label]) -> str:
    """How a boundary is slid, in two lines; of a slide under way, by how many mL it changes a class, and its end."""
    if slide is None:
        gestures = _("Shift + wheel moves the boundary (keys + and -).")
        return gestures + "\n" + _("Shift + Ctrl + wheel changes the radius (keys [ and ]).")
    name = next((label.name for label in labels if label.value == slide.grows), str(slide.grows))
    change = f"{'-' if ml < 0 else '+'}{short_ml(abs(ml))}"
    text = _("{name} {change} mL, radius {radius:.1f} mm.").format(name=name, change=change, radius=slide.radius_mm)
    return text + "\n" + _("Press Enter to accept, Esc to discard.")


def _row(region: Region, review: Review, labels: Sequence[Label]) -> RegionRow:
    decision = review.decisions.get(region.number)
    structure = structure_text(region, labels)
    is_known = len(labels) == 1 and bool(region.where)
    figures = _("Uncertainty {mean:.2f} on average, {peak:.2f} at most; {share:.0f} % of the surface.").format(
        mean=region.mean_uncertainty, peak=region.peak_uncertainty, share=100 * region.surface_share
    )
    # The name, too: in a narrow panel it is cut short.
    tool_tip = f"{structure}\n{figures}"
    if decision is not None and decision.author:
        tool_tip += "\n" + _("Decided by {author}.").format(author=decision.author)
    return RegionRow(
        number=region.number,
        structure=region.where if is_known else structure,
        ml=region.volume_ml,
        effect_ml=region.expected_effect_ml if region.kind == "block" else region.expected_wrong_ml,
        status=status_text(review, region.number),
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
