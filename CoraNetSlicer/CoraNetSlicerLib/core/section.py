"""What all sections of the panel have in common: connections that end, buttons and fields that say why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Optional

from coranet.contract.errors import CoraNetError

from .console_calls import CallLog
from .translation import _

_LOG = logging.getLogger(__name__)


class Section:
    """Binds a part of the form to its presenter."""

    def __init__(self, ui: Any, calls: Optional[CallLog] = None) -> None:
        """Take the form.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            calls: gets the console calls that do what buttons did; None: nobody wants them.
        """
        self._ui = ui
        self._calls = calls
        self._connections: list[tuple[Any, Callable[..., Any]]] = []
        self._tool_tips: dict[str, str] = {}

    def connect(self, signal: Any, receiver: Callable[..., Any]) -> None:
        """Connect a signal of a widget or of a presenter until `cleanup`."""
        signal.connect(receiver)
        self._connections.append((signal, receiver))

    def cleanup(self) -> None:
        """Let go of everything: PythonQt keeps the object of a connected method alive."""
        for signal, receiver in self._connections:
            signal.disconnect(receiver)
        self._connections.clear()

    def permit(self, widget: Any, reason: str) -> None:
        """Enable a widget, or grey it out and say why.

        Args:
            widget: a named widget.
            reason: why it cannot be used now; "": it can.
        """
        name = str(widget.objectName)
        if name not in self._tool_tips:
            self._tool_tips[name] = str(widget.toolTip)
        if reason:
            let_go_of_focus(widget)
        widget.setEnabled(not reason)
        widget.setToolTip(reason or self._tool_tips[name])

    def note(self, call: str) -> None:
        """Say which console call does what a button has done; as of console_calls.call."""
        if self._calls is not None:
            self._calls.add(call)

    def attempt(self, label: Any, action: Callable[[], object]) -> bool:
        """Do something that may fail for a reason that a person should read.

        Args:
            label: says the reason, beside the field; it is emptied when all is well.
            action: what to do.

        Returns:
            Whether it was done.
        """
        try:
            action()
        except Exception as error:  # noqa: BLE001 - somebody has clicked, and must not wait for nothing
            say(label, problem_text(error))
            return False
        say(label, "")
        return True


class Painting:
    """True while something is painted (`with painting:`), so that what it changes is not taken for a person's doing."""

    def __init__(self) -> None:
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1

    def __bool__(self) -> bool:
        return self._depth > 0


def problem_text(error: Exception) -> str:
    """What went wrong, in words; what nobody foresaw goes into the log with its traceback."""
    if isinstance(error, CoraNetError):
        return str(error)
    _LOG.error("a click could not be answered", exc_info=error)
    return _("Unexpected error ({error}); the log has more.").format(error=error)


def let_go_of_focus(*widgets: Any) -> None:
    """To be called before widgets are disabled, hidden or removed.

    Else Qt gives the focus to the next one and scrolls there, and the second click of a double click lands on that.
    """
    for widget in widgets:
        widget.clearFocus()


def say(label: Any, text: str) -> None:
    """Show a text; a label without one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))
