"""The console calls that do what the buttons did, to be copied."""

from __future__ import annotations

from typing import Any

from .console_calls import CallLog
from .protocols import Desktop
from .section import Section, show_end
from .translation import _


class CallsSection(Section):
    """A few lines to paste, at the end of the panel, while its button is pressed."""

    def __init__(self, ui: Any, calls: CallLog, application: Desktop) -> None:
        super().__init__(ui)
        self._log = calls
        self.on_click(ui.copyCallsButton, lambda: application.copy_text(calls.text))
        self.connect(ui.callsStep.toggled, lambda _is_open: self._show())
        self.connect(calls.changed, self._show)
        self._show()

    def _show(self) -> None:
        is_open = self._ui.callsStep.isChecked()
        self._ui.callsSection.setVisible(is_open)
        self.permit(self._ui.copyCallsButton, "" if self._log.last else _("No button has been pressed yet."))
        # Hundreds of lines: painted when they are visible.
        if is_open:
            show_end(self._ui.callsText, self._log.text)
