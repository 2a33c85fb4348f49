"""Dropping volumes of the Data module, folders and files onto the table of cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from vtkmodules.vtkCommonCore import vtkIdList


class CaseDrop(qt.QObject):
    """Sees what is dropped before the table does."""

    def __init__(self, on_paths: Callable[[list[str]], None], on_items: Callable[[list[int]], None]) -> None:
        """Take what is to be done.

        Args:
            on_paths: gets the files and folders.
            on_items: gets items of the subject hierarchy.
        """
        qt.QObject.__init__(self)
        self._on_paths = on_paths
        self._on_items = on_items

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Accept what can be a case, and take it when it is dropped."""
        kind = event.type()
        if kind not in (qt.QEvent.DragEnter, qt.QEvent.DragMove, qt.QEvent.Drop):
            return False
        paths, items = _paths(event), _items(event)
        if not paths and not items:
            return False
        event.acceptProposedAction()
        if kind == qt.QEvent.Drop and paths:
            self._on_paths(paths)
        elif kind == qt.QEvent.Drop:
            self._on_items(items)
        return True


def _paths(event: Any) -> list[str]:
    paths = [str(url.toLocalFile()) for url in event.mimeData().urls()]
    return [path for path in paths if path]


def _items(event: Any) -> list[int]:
    # The tree writes its items into the drag in a form of its own; it can be asked instead.
    tree = event.source()
    if tree is None or not hasattr(tree, "currentItems"):
        return []
    found = vtkIdList()
    tree.currentItems(found)
    return [found.GetId(index) for index in range(found.GetNumberOfIds())]
