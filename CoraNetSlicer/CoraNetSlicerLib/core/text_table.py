"""Rows of texts in a table of the panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from .protocols import Scheduler
from .stepwise import Steps, StepwiseWork

# Each takes a part of a millisecond, in which the application does not answer.
_ROWS_AT_ONCE = 40


class TextTable:
    """Paints `rows`; only those that changed, and a long table in portions. The table is hidden while it has no row.

    `fill(index, items, row)` writes a row into the QTableWidgetItem of each column; `on_painted` is called after each
    portion.
    """

    def __init__(
        self, table: Any, scheduler: Scheduler, fill: Callable[[int, list[Any], Any], None],
        on_painted: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.rows: list[Any] = []
        self._table = table
        self._fill = fill
        self._on_painted = on_painted
        self._painted: list[Any] = []
        self._items: list[list[Any]] = []
        self._work = StepwiseWork(scheduler, lambda _problem: None)
        table.setVisible(False)

    def show(self, rows: Sequence[Any]) -> None:
        """Show rows in place of those before, the first ones at once."""
        if len(rows) != len(self.rows):
            self._table.setRowCount(len(rows))
            del self._items[len(rows) :]
            self._painted = [*self._painted, *[None] * len(rows)][: len(rows)]
        self.rows = list(rows)
        self._table.setVisible(bool(rows))
        if not self._work.is_busy:
            steps = self._steps()
            if next(steps, self) is not self:
                self._work.begin(steps)

    def select(self, index: int) -> None:
        """Select one row, and scroll to it; -1: none."""
        selected = {item.row() for item in self._table.selectedItems()}
        if index < 0 and selected:
            self._table.clearSelection()
        elif 0 <= index < len(self._items) and selected != {index}:
            self._table.selectRow(index)
            self._table.scrollToItem(self._items[index][0])

    def clear(self) -> None:
        """Take all rows off."""
        self._work.stop()
        self.show([])

    def _steps(self) -> Steps:
        """Paint the rows that changed, some at once; those too that change meanwhile."""
        while True:
            changed = [index for index, row in enumerate(self.rows) if self._painted[index] != row]
            for index in changed[:_ROWS_AT_ONCE]:
                while len(self._items) <= index:
                    self._add_items()
                self._fill(index, self._items[index], self.rows[index])
                self._painted[index] = self.rows[index]
            self._on_painted()
            if len(changed) <= _ROWS_AT_ONCE:
                return
            yield

    def _add_items(self) -> None:
        items = [qt.QTableWidgetItem() for _column in range(self._table.columnCount)]
        for column, item in enumerate(items):
            self._table.setItem(len(self._items), column, item)
        self._items.append(items)
