"""The key that hides all that lies over the anatomy while it is held: Space, unless it means something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

import qt

from ..core.section import EventWatch

# Space is typed, presses, opens or scrolls there.
_OTHER_MEANING = (
    "QLineEdit",
    "QAbstractSpinBox",
    "QTextEdit",
    "QPlainTextEdit",
    "QAbstractButton",
    "QComboBox",
    "QAbstractItemView",
    "QMenu",
    "QWebEngineView",
)


class HideKey:
    """Space as a key of the main window, off until `set_active` and where the focus gives it another meaning."""

    def __init__(self, window: Any, on_held: Callable[[bool], None], tables: Sequence[Any] = ()) -> None:
        """Make the shortcut.

        Args:
            window: the main window; None: there is none, and no key.
            on_held: is called with True when the key goes down, and with False when it is released.
            tables: tables in which Space means nothing, although it does in others.
        """
        self._on_held = on_held
        self._tables = tuple(tables)
        self._is_active = False
        # Only while the key is held, since all events of the application pass by.
        self._release: Optional[EventWatch] = None
        self._shortcut: Any = None
        if window is None:
            return
        self._shortcut = qt.QShortcut(window)
        self._shortcut.setKey(qt.QKeySequence("Space"))
        self._shortcut.autoRepeat = False
        self._shortcut.enabled = False
        self._shortcut.activated.connect(self._begin)
        qt.QApplication.instance().focusChanged.connect(self._on_focus)

    def set_active(self, active: bool) -> None:
        """Let the key work, or leave it to others; what is hidden comes back."""
        self._is_active = active
        if not active:
            self._end()
        self._permit(qt.QApplication.focusWidget())

    def cleanup(self) -> None:
        """Take the key off the window."""
        self.set_active(False)
        if self._shortcut is not None:
            qt.QApplication.instance().focusChanged.disconnect(self._on_focus)
            self._shortcut.activated.disconnect(self._begin)
            self._shortcut.deleteLater()
            self._shortcut = None

    def _on_focus(self, _before: Any, widget: Any) -> None:
        self._permit(widget)

    def _permit(self, focus: Any) -> None:
        if self._shortcut is not None:
            self._shortcut.enabled = self._is_active and not self._has_other_meaning(focus)

    def _has_other_meaning(self, widget: Any) -> bool:
        if widget is None or any(widget is table or widget == table for table in self._tables):
            return False
        return any(widget.inherits(class_name) for class_name in _OTHER_MEANING)

    def _begin(self) -> None:
        if self._release is None:
            self._release = EventWatch(qt.QApplication.instance(), self._on_event)
            self._on_held(True)

    def _on_event(self, event: Any) -> None:
        """Wherever the focus is, the key is released; or the application is left while it is held."""
        kind = event.type()
        is_released = kind == qt.QEvent.KeyRelease and event.key() == qt.Qt.Key_Space and not event.isAutoRepeat()
        if is_released or kind == qt.QEvent.ApplicationDeactivate:
            self._end()

    def _end(self) -> None:
        if self._release is not None:
            self._release.end()
            self._release = None
            self._on_held(False)
