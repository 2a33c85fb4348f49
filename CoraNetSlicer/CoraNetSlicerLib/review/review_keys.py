"""Keys that work wherever the focus is, as long as the review is in sight and nobody types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import qt

_TYPED_INTO = ("QLineEdit", "QAbstractSpinBox", "QTextEdit", "QPlainTextEdit")


class ReviewKeys:
    """Shortcuts of the main window: after a click into a view, the view has the focus and not the panel.

    They are off until `set_active`; then keys go where they always go, to the views or the Segment Editor.
    """

    def __init__(self, window: Any, actions: Mapping[str, Callable[[], object]]) -> None:
        """Make the shortcuts.

        Args:
            window: the main window; None: there is none, and no key.
            actions: by name of the key.
        """
        self._window = window
        self._shortcuts: list[tuple[Any, Callable[[], None]]] = []
        for key, action in actions.items() if window is not None else ():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            # A key that is held down must not decide about one region after the other.
            shortcut.autoRepeat = False
            shortcut.enabled = False
            receive = partial(_unless_typing, action)
            shortcut.activated.connect(receive)
            self._shortcuts.append((shortcut, receive))

    def set_active(self, active: bool) -> None:
        """Let the keys work, or leave them to whoever else wants them."""
        for shortcut, _receive in self._shortcuts:
            shortcut.enabled = active

    def cleanup(self) -> None:
        """Take the keys off the window."""
        for shortcut, receive in self._shortcuts:
            shortcut.enabled = False
            shortcut.activated.disconnect(receive)
            shortcut.deleteLater()
        self._shortcuts.clear()


class Sight(qt.QObject):
    """Hears when a widget comes into sight and when it goes: folded away, covered by another module, or closed.

    Attributes:
        is_there: whether it is in sight.
    """

    def __init__(self, widget: Any, on_change: Callable[[bool], None]) -> None:
        """Watch a widget.

        Args:
            widget: is watched.
            on_change: is called with whether it is in sight.
        """
        qt.QObject.__init__(self)
        self.is_there = bool(widget.isVisible())
        self._widget = widget
        self._on_change = on_change
        widget.installEventFilter(self)

    def end(self) -> None:
        """Watch no more."""
        self._widget.removeEventFilter(self)

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Tell of it; the event goes on."""
        kind = event.type()
        if kind in (qt.QEvent.Show, qt.QEvent.Hide):
            self.is_there = kind == qt.QEvent.Show
            self._on_change(self.is_there)
        return False


def _unless_typing(action: Callable[[], object]) -> None:
    # A field takes what is typed into it before any shortcut hears of it; this is for those that do not.
    widget = qt.QApplication.focusWidget()
    is_field = widget is not None and any(widget.inherits(one) for one in _TYPED_INTO)
    if not is_field or widget.readOnly:
        action()
