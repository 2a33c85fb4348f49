"""In which order the regions of a review are listed: by rank, or as a click on the head of a column says."""

from __future__ import annotations

from collections.abc import Sequence

from .review_words import RegionRow

COLUMNS = ("number", "structure", "ml", "effect_ml", "status")
_LARGEST_FIRST = ("ml", "effect_ml")


class RegionOrder:
    """Sorts rows; rows that are equal stay in the order of their rank.

    Attributes:
        column: one of COLUMNS.
        is_descending: whether the largest comes first.
    """

    def __init__(self) -> None:
        self.column = COLUMNS[0]
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
