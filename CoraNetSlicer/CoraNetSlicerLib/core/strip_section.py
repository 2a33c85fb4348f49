"""The strip at the bottom of the panel, always in sight: what runs, the last message, and the console calls."""

from __future__ import annotations

from typing import Any, Optional

import qt

from coranet.contract.events import duration

from .activities import Activities, Activity
from .console_calls import CallLog, call
from .protocols import Host
from .section import Section, problem_text, show_end
from .translation import _

_PARTS_OF_BAR = 1000


class StripSection(Section):
    """A bar, the time left, a button that stops, and a message in one line."""

    def __init__(self, ui: Any, activities: Activities, calls: Optional[CallLog] = None) -> None:
        super().__init__(ui, calls)
        self._activities = activities
        self._message = ElidedLabel(ui.messageLabel)
        self.on_event(ui.messageLabel, lambda event: self._message.fit() if event.type() == qt.QEvent.Resize else None)
        ui.runningProgressBar.setRange(0, _PARTS_OF_BAR)
        self.on_click(ui.stopRunningButton, self._stop)
        self.connect(activities.changed, self._show)
        self._show()

    def _stop(self) -> None:
        running = self._activities.current
        if running is None:
            return
        try:
            running.stop()
        except Exception as error:  # noqa: BLE001 - a click must always have an answer
            self._activities.show(problem_text(error))
            return
        if running.folder is not None:
            self.note(call("attach", running.folder, then="cancel"))

    def _show(self) -> None:
        ui, running = self._ui, self._activities.current
        ui.runningRow.setVisible(running is not None)
        if running is not None:
            self._show_running(running)
        self._message.show(self._activities.message)

    def _show_running(self, running: Activity) -> None:
        ui, seconds = self._ui, running.seconds_left
        ui.runningLabel.setText(running.name)
        ui.runningProgressBar.setVisible(running.share is not None)
        ui.runningProgressBar.setValue(round(_PARTS_OF_BAR * (running.share or 0.0)))
        # At the end, what is left (loading, writing) is not known to the second.
        ui.runningTimeLabel.setText(_("{time} left").format(time=duration(seconds)) if seconds and seconds >= 1 else "")
        self.permit(ui.stopRunningButton, running.reason_not_stoppable)


class CallsSection(Section):
    """A few lines to paste, at the end of the panel, while its button is pressed."""

    def __init__(self, ui: Any, calls: CallLog, application: Host) -> None:
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


class ElidedLabel:
    """A label of one line that ends in "..." where there is no room; the tool tip has all of it.

    The horizontal size policy of the QLabel is Ignored, so that it may be narrower than its text.
    """

    def __init__(self, label: Any) -> None:
        self._label = label
        self._text = ""
        label.setTextFormat(qt.Qt.PlainText)

    def show(self, text: str) -> None:
        """Show a text."""
        self._text = text
        self._label.setToolTip(text)
        self.fit()

    def fit(self) -> None:
        """Fit the text into the width that the label has now."""
        line = " ".join(self._text.split())
        # PythonQt cannot return what label.fontMetrics() returns.
        fitting = qt.QFontMetrics(self._label.font).elidedText(line, qt.Qt.ElideRight, self._label.width)
        if str(self._label.text) != fitting:
            self._label.setText(fitting)
