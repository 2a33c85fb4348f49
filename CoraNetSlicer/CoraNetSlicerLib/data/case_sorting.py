"""The cases of the table by how uncertain they are, as a click on the head of that column says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from coranet.contract import CaseUncertainty

from .case_rows import CaseRow


class CaseSorting:
    """As they were added, the most uncertain first, or the least uncertain first; those that nobody knows come last.

    Attributes:
        is_sorted: whether they are sorted at all.
        is_descending: whether the most uncertain come first.
    """

    def __init__(self) -> None:
        self.is_sorted = False
        self.is_descending = False

    def click(self) -> None:
        """Sort; clicked again, the other way round; then not any more."""
        if self.is_sorted and not self.is_descending:
            self.is_sorted = False
        else:
            self.is_sorted, self.is_descending = True, not self.is_sorted

    def sorted(self, rows: Sequence[CaseRow], known: Mapping[str, Optional[CaseUncertainty]]) -> list[CaseRow]:
        """Rows in this order.

        Args:
            rows: as they were added.
            known: by key of the row, how uncertain it is.
        """
        if not self.is_sorted:
            return list(rows)
        shares = {key: one.share for key, one in known.items() if one is not None}
        ranked = [row for row in rows if row.key in shares]
        ranked.sort(key=lambda row: shares[row.key], reverse=self.is_descending)
        return [*ranked, *(row for row in rows if row.key not in shares)]


def share_text(uncertainty: Optional[CaseUncertainty]) -> str:
    """How much of what was found is uncertain, in percent; "" if nobody knows."""
    if uncertainty is None:
        return ""
    percent = 100 * uncertainty.share
    return f"{percent:.0f} %" if percent >= 1 or not percent else f"{percent:.1f} %"
