"""A main window with a view and the panel beside it, and results to be reviewed: for tests that press keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from clicks import cells
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget
from pythonqt import proxy_of, unwrap
from synthetic_predictions import (
    CASE_ID,
    synthetic_heads,
    write_margins,
    write_regions,
    write_segmented_job,
    write_volumes,
)

from coranet.contract import Job


class View(QWidget):
    """Takes the focus at a click, as slice and 3D views do, and remembers the keys that it got."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        self.keys.append(event.text())


class Window:
    """The main window of the application, with a view and the panel."""

    def __init__(self, form: Any) -> None:
        self.real = QMainWindow()
        self.view = View()
        self.real.setCentralWidget(self.view)
        dock = QDockWidget()
        dock.setWidget(unwrap(form))
        self.real.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        self.real.resize(1200, 1600)
        self.real.show()
        self.real.activateWindow()
        assert QTest.qWaitForWindowActive(self.real)
        QTest.mouseClick(self.view, Qt.MouseButton.LeftButton)
        self.dock = dock
        self.proxy = proxy_of(self.real)

    def press(self, keys: str, on: Any = None) -> list[str]:
        """Press keys one after the other.

        Args:
            keys: what is written on them.
            on: the widget that has the focus; None: the view.

        Returns:
            What of it came to the view.
        """
        widget = self.view if on is None else unwrap(on)
        widget.setFocus()
        before = len(self.view.keys)
        for key in keys:
            # As the operating system does: to the window, which gives it to whom the focus is.
            QTest.keyClick(QApplication.focusWidget() or widget, key)
        QApplication.processEvents()
        return self.view.keys[before:]


def a_reviewable_job(folder: Path, change: Callable[[dict[str, np.ndarray]], None] | None = None) -> Job:
    """A finished segmentation of one case with uncertain regions.

    Args:
        folder: becomes the job.
        change: gets the arrays of the heads before they are written.
    """
    heads = synthetic_heads()
    if change is not None:
        change(heads)
    folder.parent.mkdir(parents=True, exist_ok=True)
    job = write_segmented_job(folder, heads)
    files = job.prediction(CASE_ID)
    write_regions(files, heads)
    write_margins(files, heads)
    write_volumes(files, heads)
    return job


NUMBER, STRUCTURE, ML, EFFECT, STATUS = range(5)


def statuses(ui) -> list[str]:
    return [row[STATUS] for row in cells(ui.regionsTable)]


def selected(ui) -> list[int]:
    return sorted({item.row() for item in ui.regionsTable.selectedItems()})


def green(ui) -> list[int]:
    items = [ui.regionsTable.item(row, NUMBER) for row in range(ui.regionsTable.rowCount)]
    return [row for row, item in enumerate(items) if unwrap(item).background().color().green() > 120]
