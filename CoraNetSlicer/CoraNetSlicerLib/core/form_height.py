"""The height of the form: as much as its texts need at its width."""

from __future__ import annotations

from typing import Any

import qt


class FormHeight(qt.QObject):
    """Gives a form a minimum height when its layout or its width has changed.

    After another module was open, the panel of the application asks a form for its minimum height alone, and not how
    high it must be for its width: a sentence of two lines would slide over what is above it.
    """

    def __init__(self, form: Any) -> None:
        """Watch a form.

        Args:
            form: a widget with a layout whose height depends on its width.
        """
        qt.QObject.__init__(self)
        self._form = form
        form.installEventFilter(self)

    def end(self) -> None:
        """Watch no more."""
        self._form.removeEventFilter(self)

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Set the height anew; the event goes on."""
        if event.type() in (qt.QEvent.LayoutRequest, qt.QEvent.Resize):
            layout = self._form.layout()
            if layout is not None and layout.hasHeightForWidth():
                self._form.setMinimumHeight(layout.heightForWidth(self._form.width))
        return False
