"""The worklist: a row for each uncertain region, done ones green, the one that is looked at selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from ..core.section import Painting
from .overlays_table import fit_height
from .region_order import COLUMNS, RegionOrder
from .review_words import RegionRow, short_ml

# Each takes a part of a millisecond, in which the application does not answer.
_ROWS_AT_ONCE = 60
_ROW_PIXELS = 22
_TALLEST_PIXELS = 11 * _ROW_PIXELS
# Seen on light and on dark ground.
_DONE = (67, 160, 71, 80)
_STRUCTURE, _NUMBERS = 1, (0, 2, 3)


class RegionsTable:
    """Paints rows; only those that changed, and a long table in portions."""

    def __init__(self, table: Any, application: Any, on_choice: Callable[[int], None]) -> None:
        """Prepare the table.

        Args:
            table: QTableWidget of five columns.
            application: as panel.application.Application.
            on_choice: is called with the number of the region that a person goes to.
        """
        self._table = table
        self._application = application
        self._on_choice = on_choice
        self._rows: list[RegionRow] = []
        self._painted: list[Any] = []
        self._items: list[list[Any]] = []
        self._number = 0
        self._painting, self._is_waiting = Painting(), False
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(_STRUCTURE, qt.QHeaderView.Stretch)
        header.setSortIndicatorShown(True)
        header.setSectionsClickable(True)

    def show(self, rows: Sequence[RegionRow], number: int, order: RegionOrder) -> None:
        """Show rows in place of those before.

        Args:
            rows: in their order.
            number: of the region that is looked at; 0: none.
            order: by which they are sorted.
        """
        self._rows, self._number = list(rows), number
        direction = qt.Qt.DescendingOrder if order.is_descending else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(COLUMNS.index(order.column), direction)
        self._table.setVisible(bool(rows))
        if len(rows) != len(self._painted):
            self._begin_anew(len(rows))
        if not self._is_waiting:
            self._paint()
        self._select()

    def clear(self) -> None:
        """Take all rows off."""
        self._rows = []
        self._begin_anew(0)

    def on_selection(self) -> None:
        """A person has gone to another row, by a click or with the arrow keys."""
        numbers = {item.row() for item in self._table.selectedItems()}
        if self._painting or len(numbers) != 1:
            return
        row = self._rows[numbers.pop()]
        if row.number != self._number:
            self._on_choice(row.number)

    def _begin_anew(self, count: int) -> None:
        with self._painting:
            self._table.setRowCount(0)
            self._table.setRowCount(count)
            self._items, self._painted = [], [None] * count
            fit_height(self._table, _TALLEST_PIXELS)

    def _paint(self) -> None:
        self._is_waiting = False
        changed = [index for index, row in enumerate(self._rows) if self._painted[index] != row]
        with self._painting:
            for index in changed[:_ROWS_AT_ONCE]:
                self._paint_row(index, self._rows[index])
                self._painted[index] = self._rows[index]
        if len(changed) > _ROWS_AT_ONCE:
            self._is_waiting = True
            self._application.later(self._paint)
        else:
            self._select()

    def _paint_row(self, index: int, row: RegionRow) -> None:
        while len(self._items) <= index:
            items = [qt.QTableWidgetItem() for _column in COLUMNS]
            for column, item in enumerate(items):
                self._table.setItem(len(self._items), column, item)
            for column in _NUMBERS:
                items[column].setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            self._items.append(items)
        texts = (str(row.number), row.structure, short_ml(row.ml), short_ml(row.effect_ml), row.status)
        ground = qt.QBrush(qt.QColor(*_DONE)) if row.is_decided else qt.QBrush()
        for item, text in zip(self._items[index], texts, strict=False):
            item.setText(text)
            item.setToolTip(row.tool_tip)
            item.setBackground(ground)

    def _select(self) -> None:
        index = next((at for at, row in enumerate(self._rows) if row.number == self._number), -1)
        selected = {item.row() for item in self._table.selectedItems()}
        with self._painting:
            if index < 0 and selected:
                self._table.clearSelection()
            elif 0 <= index < len(self._items) and selected != {index}:
                self._table.selectRow(index)
                self._table.scrollToItem(self._items[index][0])
