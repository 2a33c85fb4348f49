"""The table of the cases of a segmentation, with a button in each row that has something to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import qt

from ..core.section import let_go_of_focus
from ..core.translation import _
from .segmented_cases import CaseRow

# More would be felt by whoever works in another part of the application meanwhile.
_ROWS_AT_ONCE = 40
_TALLEST_PIXELS = 180
_FRAME_PIXELS = 4


class SegmentCasesTable:
    """Paints rows; only those that changed, and a long table in portions."""

    def __init__(self, table: Any, application: Any, actions: Mapping[str, Callable[[str], None]]) -> None:
        """Prepare the table.

        Args:
            table: QTableWidget of three columns.
            application: as panel.application.Application.
            actions: by name, called with the case.
        """
        self._table = table
        self._application = application
        self._actions = actions
        self._texts = {"skip": _("Skip"), "load": _("Load")}
        self._tips = {
            "skip": _("Leave this case out and go on with the others."),
            "load": _("Bring the result into the scene; what is there of it is replaced."),
        }
        self._rows: list[CaseRow] = []
        self._painted: list[Any] = []
        self._items: list[tuple[Any, Any]] = []
        self._buttons: dict[int, Any] = {}
        self._is_waiting = False
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.setVisible(False)

    def show(self, rows: Sequence[CaseRow]) -> None:
        """Show rows in place of those before."""
        if [row.case for row in rows] != [row.case for row in self._rows]:
            self._begin_anew(len(rows))
        self._rows = list(rows)
        self._table.setVisible(bool(rows))
        if not self._is_waiting:
            self._paint()

    def cleanup(self) -> None:
        """Let go of everything."""
        self._rows = []
        self._begin_anew(0)

    def _begin_anew(self, count: int) -> None:
        for row in list(self._buttons):
            self._remove_button(row)
        self._table.setRowCount(0)
        self._table.setRowCount(count)
        self._items = []
        self._painted = [None] * count

    def _paint(self) -> None:
        self._is_waiting = False
        changed = [index for index, row in enumerate(self._rows) if self._painted[index] != row]
        for index in changed[:_ROWS_AT_ONCE]:
            self._paint_row(index, self._rows[index])
            self._painted[index] = self._rows[index]
        if len(changed) > _ROWS_AT_ONCE:
            self._is_waiting = True
            self._application.later(self._paint)
        # No taller than its rows, so that the panel stays short.
        height = self._table.horizontalHeader().height + self._table.verticalHeader().length() + _FRAME_PIXELS
        self._table.setFixedHeight(min(height, _TALLEST_PIXELS))

    def _paint_row(self, index: int, row: CaseRow) -> None:
        while len(self._items) <= index:
            items = (qt.QTableWidgetItem(), qt.QTableWidgetItem())
            for column, item in enumerate(items):
                self._table.setItem(len(self._items), column, item)
            self._items.append(items)
        for item, text in zip(self._items[index], (row.case, row.text), strict=False):
            item.setText(text)
            item.setToolTip(text)
        before = self._painted[index]
        if before is None or before.action != row.action:
            self._remove_button(index)
            if row.action:
                self._add_button(index, row)

    def _add_button(self, index: int, row: CaseRow) -> None:
        button = qt.QPushButton(self._texts[row.action])
        button.setToolTip(self._tips[row.action])
        # Not the widget's own argument: `clicked` sends whether it is checked.
        act = partial(self._act, row.action, row.case)
        button.clicked.connect(act)
        self._table.setCellWidget(index, 2, button)
        self._buttons[index] = (button, act)

    def _remove_button(self, index: int) -> None:
        button, act = self._buttons.pop(index, (None, None))
        if button is not None:
            button.clicked.disconnect(act)
            let_go_of_focus(button)
            self._table.removeCellWidget(index, 2)

    def _act(self, action: str, case: str, _checked: bool = False) -> None:
        self._actions[action](case)
