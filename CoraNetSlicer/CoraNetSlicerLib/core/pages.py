"""The pages of the panel: one at a time, in the order of the work."""

from __future__ import annotations

from functools import partial
from typing import Any

import qt

from .notification import Signal
from .section import Section, press, release_focus

STEPS = ("data", "train", "segment", "review")
PAGES = (*STEPS, "jobs", "environment")
_NEWS = " \u2022"


class Pages(Section):
    """Shows the page whose button is clicked.

    The form has, for each name in PAGES, a button `{name}Step` and a page `{name}Page`, and the stack `pages`.
    `changed` is sent with the name of the page that is shown now, which is `current`.
    """

    def __init__(self, ui: Any) -> None:
        super().__init__(ui)
        self.changed = Signal()
        self.current = STEPS[0]
        self._last_step = STEPS[0]
        for name in PAGES:
            self.on_click(self._button(name), partial(self._on_click, name))
        # It has no style sheet of its own, which would keep the colours of a dark style from it.
        self.on_event(ui.pages, self._on_event)
        self._paint()

    def show(self, name: str) -> None:
        """Show a page; what was new on it is seen."""
        self.set_news(name, False)
        if name != self.current:
            self.current = name
            self._last_step = name if name in STEPS else self._last_step
            # Else the focus goes to some widget of the new page.
            release_focus(self._ui.pages)
        self._paint()
        self.changed.send(name)

    def set_news(self, name: str, is_new: bool = True) -> None:
        """Mark the button of a page with news; not that of the page in sight."""
        mark = _NEWS if is_new and name != self.current else ""
        button = self._button(name)
        button.setText(str(button.text).removesuffix(_NEWS) + mark)

    def _on_click(self, name: str) -> None:
        # A second click on Jobs or Environment goes back to the step that a person came from.
        self.show(self._last_step if name == self.current and name not in STEPS else name)

    def _on_event(self, event: Any) -> None:
        if event.type() != qt.QEvent.PaletteChange:
            return
        # Buttons with a style sheet keep the colours of the application's style in which it was set.
        sheet = self._ui.steps.styleSheet
        self._ui.steps.setStyleSheet("")
        self._ui.steps.setStyleSheet(sheet)

    def _paint(self) -> None:
        self._ui.pages.setCurrentWidget(getattr(self._ui, f"{self.current}Page"))
        for name in PAGES:
            press(self._button(name), name == self.current)

    def _button(self, name: str) -> Any:
        return getattr(self._ui, f"{name}Step")
