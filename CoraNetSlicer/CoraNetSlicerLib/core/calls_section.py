"""The console calls that do what the buttons did, to be copied."""

from __future__ import annotations

from typing import Any

from .console_calls import CallLog
from .protocols import Desktop
from .section import Section
from .translation import _


class CallsSection(Section):
    """A few lines to paste, at the end of the panel, while its button is pressed."""

    def __init__(self, ui: Any, calls: CallLog, application: Desktop) -> None:
        """Bind the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            calls: the log.
            application: has the clipboard.
        """
        super().__init__(ui)
        self._log = calls
        self._application = application
        self.connect(ui.copyCallsButton.clicked, self._on_copy)
        self.connect(ui.callsStep.toggled, self._on_toggled)
        self.connect(calls.changed, self._show)
        self._show()

    def _on_copy(self, _checked: bool = False) -> None:
        self._application.copy_text(self._log.text)

    def _on_toggled(self, _is_open: bool) -> None:
        self._show()

    def _show(self) -> None:
        is_open = self._ui.callsStep.isChecked()
        self._ui.callsSection.setVisible(is_open)
        self.permit(self._ui.copyCallsButton, "" if self._log.last else _("No button was pressed yet."))
        text = self._ui.callsText
        # Hundreds of lines: painted when somebody looks at them.
        if is_open and text.toPlainText() != self._log.text:
            text.setPlainText(self._log.text)
            bar = text.verticalScrollBar()
            bar.setValue(bar.maximum)
