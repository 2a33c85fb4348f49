"""What a person does with widgets, and reads off them; for the tests of sections."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QTextDocument
from PySide6.QtWidgets import QApplication
from pythonqt import unwrap


def tool_tip(widget: Any) -> str:
    """The tool tip without the mark-up that Slicer adds."""
    document = QTextDocument()
    document.setHtml(str(widget.toolTip))
    return document.toPlainText()


def click(button: Any) -> None:
    """Click a button that can be clicked."""
    assert button.isVisible(), f"'{button.objectName}' is hidden"
    assert button.isEnabled(), f"'{button.objectName}' is greyed out: {tool_tip(button)}"
    button.click()


def choose(combo: Any, text: str) -> None:
    """Choose an entry of a combo box."""
    index = combo.findText(text)
    assert index >= 0, f"'{combo.objectName}' has no '{text}', only {entries(combo)}"
    assert combo.isEnabled(), f"'{combo.objectName}' is greyed out: {tool_tip(combo)}"
    combo.setCurrentIndex(index)


def entries(combo: Any) -> list[str]:
    """The texts of a combo box."""
    return [combo.itemText(index) for index in range(combo.count)]


def cell(table: Any, row: int, column: int) -> str:
    """The text of a cell, of its item or of the widget in it."""
    widget = table.cellWidget(row, column)
    if widget is not None:
        return str(getattr(widget, "currentText", None) or getattr(widget, "text", ""))
    item = table.item(row, column)
    return item.text() if item is not None else ""


def cells(table: Any) -> list[list[str]]:
    """The texts of a whole table, row by row."""
    return [[cell(table, row, column) for column in range(table.columnCount)] for row in range(table.rowCount)]


def greyed(widget: Any) -> str:
    """Why a widget is greyed out; "" if it is not. One that does not say why fails."""
    if widget.isEnabled():
        return ""
    assert tool_tip(widget), f"'{widget.objectName}' is greyed out and does not say why"
    return tool_tip(widget)


def drop_files(widget: Any, *paths: object) -> bool:
    """Drag files from the file manager onto a widget; whether it took them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return drop(widget, data)


def drop(widget: Any, data: QMimeData) -> bool:
    """Drag something onto a widget; whether it took it."""
    how = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    try:
        enter = QDragEnterEvent(QPointF(1, 1), Qt.DropAction.CopyAction, *how)
    except TypeError:  # before Qt 6.12
        enter = QDragEnterEvent(QPoint(1, 1), Qt.DropAction.CopyAction, *how)
    QApplication.sendEvent(unwrap(widget), enter)
    if not enter.isAccepted():
        return False
    dropped = QDropEvent(QPointF(1, 1), Qt.DropAction.CopyAction, *how)
    QApplication.sendEvent(unwrap(widget), dropped)
    return dropped.isAccepted()
