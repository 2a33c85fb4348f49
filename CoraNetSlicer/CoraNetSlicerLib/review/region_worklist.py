"""The worklist of uncertain regions as people read it: words, and a table in the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIntArray, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkTable

from coranet.contract import Choice, Label, Region, RegionList, Review

from ..core.translation import _

COLUMNS = ("number", "structure", "mL", "effect mL", "status", "author")


def structure_text(region: Region, labels: Sequence[Label]) -> str:
    """Which classes are in question, such as "Pancreas" or "Pancreas or Tumor"."""
    names = {label.value: label.name for label in labels}
    return _(" or ").join(names.get(value, str(value)) for value in region.label_values)


def status_text(choice: Optional[Choice]) -> str:
    """What has become of a region, in words."""
    words = {
        None: _("open"),
        Choice.CONSERVATIVE: _("conservative"),
        Choice.RADICAL: _("radical"),
        Choice.KEEP: _("kept"),
        Choice.EDITED: _("edited"),
    }
    return words[choice]


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


def fill_worklist(node: Any, review: Review, regions: RegionList, labels: Sequence[Label]) -> None:
    """Write a row for each region, in the order of their numbers.

    Args:
        node: vtkMRMLTableNode; what it held before goes.
        review: the decisions.
        regions: of the case.
        labels: the classes.
    """
    table = vtkTable()
    kinds = (vtkIntArray, vtkStringArray, vtkDoubleArray, vtkDoubleArray, vtkStringArray, vtkStringArray)
    columns = [kind() for kind in kinds]
    for name, column in zip(COLUMNS, columns, strict=False):
        column.SetName(name)
    for region in regions.regions:
        decision = review.decisions.get(region.number)
        status = status_text(decision.choice if decision else None)
        effect, author = region.expected_effect_ml, decision.author if decision else ""
        values = (region.number, structure_text(region, labels), region.volume_ml, effect, status, author)
        for column, value in zip(columns, values, strict=False):
            column.InsertNextValue(value)
    for column in columns:
        table.AddColumn(column)
    node.SetAndObserveTable(table)
