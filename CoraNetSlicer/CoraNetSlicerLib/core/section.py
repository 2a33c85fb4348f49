"""What all sections of the panel have: connections that end, buttons that say why they are grey, texts and tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import qt

from coranet.contract.errors import CoraNetError

from .console_calls import CallLog
from .protocols import Scheduler
from .translation import _

_LOG = logging.getLogger(__name__)
# By then Qt has given what was unfolded its place.
_LAID_OUT_MS = 50
Color = tuple[int, int, int]

# On light and on dark ground. Each has a contrast of 4.5 : 1 or more there (WCAG 2.1, 1.4.3).
ERROR = ((179, 29, 29), (255, 160, 150))
WARNING = ((138, 75, 0), (255, 183, 77))


class Section:
    """Binds a part of the form to its presenter.

    The form `ui` has the named widgets of the .ui file as attributes; `calls` records the console call of each button.
    """

    def __init__(self, ui: Any, calls: Optional[CallLog] = None) -> None:
        self._ui = ui
        self._calls = calls
        self._connections: list[tuple[Any, Callable[..., Any]]] = []
        self._tool_tips: dict[str, str] = {}
        self._painting = Painting()
        self._watches: list[EventWatch] = []

    def connect(self, signal: Any, receiver: Callable[..., Any]) -> None:
        """Connect a signal of a widget or of a presenter until `cleanup`."""
        signal.connect(receiver)
        self._connections.append((signal, receiver))

    def on_click(self, button: Any, action: Callable[[], object], label: Any = None) -> None:
        """Do something when a button is clicked; `label` shows why it failed (see `attempt`), unless it cannot."""
        self.connect(button.clicked, lambda *_sent: action() if label is None else self.attempt(label, action))

    def on_input(self, signal: Any, action: Callable[..., object]) -> None:
        """Hand on what a field sends while a person changes it, but not while it is painted."""
        self.connect(signal, lambda *sent: None if self._painting else action(*sent))

    def follow_unfolding(self, part: Any, area: Any, scheduler: Scheduler) -> None:
        """Scroll the QScrollArea around a ctkCollapsibleButton to it when it is unfolded."""
        self.connect(
            part.contentsCollapsed, lambda is_folded: None if is_folded else scroll_later(area, part, scheduler)
        )

    def on_event(self, widget: Any, receive: Callable[[Any], object]) -> None:
        """Have `receive` see the events of a widget before it does, until `cleanup`; see `EventWatch`."""
        self._watches.append(EventWatch(widget, receive))

    def cleanup(self) -> None:
        """End all connections: PythonQt keeps the object of a connected method alive."""
        for watch in self._watches:
            watch.end()
        self._watches.clear()
        for signal, receiver in self._connections:
            signal.disconnect(receiver)
        self._connections.clear()

    def permit(self, widget: Any, reason: str) -> None:
        """Enable a named widget, or disable it with the reason as tool tip; "": it can be used."""
        name = str(widget.objectName)
        if name not in self._tool_tips:
            self._tool_tips[name] = str(widget.toolTip)
        if reason:
            release_focus(widget)
        widget.setEnabled(not reason)
        widget.setToolTip(reason or self._tool_tips[name])

    def note(self, call: str) -> None:
        """Record the console call of a button, made by `console_calls.call`."""
        if self._calls is not None:
            self._calls.add(call)

    def attempt(self, label: Any, action: Callable[[], object]) -> bool:
        """Run an action, and show in a label why it failed; it is emptied on success. Returns whether it succeeded."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - a click must have an answer
            show_text(label, problem_text(error))
            return False
        show_text(label, "")
        return True


class EventWatch(qt.QObject):
    """Sees the events of a QObject before the object does, until it ends. Qt does not keep it alive.

    Where `receive` returns True, an event goes no further.
    """

    def __init__(self, watched: Any, receive: Callable[[Any], object]) -> None:
        qt.QObject.__init__(self)
        self._watched = watched
        self._receive = receive
        watched.installEventFilter(self)

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Called by Qt: PythonQt sends events to subclasses of QObject only."""
        return self._receive(event) is True

    def end(self) -> None:
        """Watch no more."""
        self._watched.removeEventFilter(self)


class Painting:
    """True inside `with painting:`, so that signals of widgets that are being filled are not taken for input."""

    def __init__(self) -> None:
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1

    def __bool__(self) -> bool:
        return self._depth > 0


def problem_text(error: Exception) -> str:
    """The text for an error; an unexpected one is logged with its traceback."""
    if isinstance(error, CoraNetError):
        return str(error)
    _LOG.error("an action of the panel failed", exc_info=error)
    return _("Unexpected error ({error}); see the log.").format(error=error)


def release_focus(*widgets: Any) -> None:
    """Clear the focus of widgets before they are disabled, hidden or removed.

    Otherwise Qt moves the focus to the next widget and scrolls there.
    """
    for widget in widgets:
        widget.clearFocus()


def scroll_later(area: Any, part: Any, scheduler: Scheduler) -> None:
    """Scroll a QScrollArea to a widget in it, as soon as Qt has given that its place."""
    scheduler.later(partial(bring_into_sight, area, part), _LAID_OUT_MS)


def bring_into_sight(area: Any, part: Any) -> None:
    """Scroll a QScrollArea down until all of a widget in it is seen; one that is taller, from its top."""
    bar, top = area.verticalScrollBar(), part.mapTo(area.widget(), qt.QPoint(0, 0)).y()
    bar.setValue(max(bar.value, min(top, top + part.height - area.viewport().height)))


def press(button: Any, is_pressed: bool) -> None:
    """Show whether a button that stays pressed is so: also by its font, for in the dark style it hardly differs."""
    button.setChecked(is_pressed)
    font = qt.QFont(button.font)
    font.setBold(is_pressed)
    button.setFont(font)


def prepare_table(table: Any, stretched: Sequence[int], row_pixels: int = 0) -> None:
    """Let nothing be typed into a table, number no rows, and make its columns as wide as their texts.

    The `stretched` columns share what is left of the width; rows of 0 pixels keep their height.
    """
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.verticalHeader().setVisible(False)
    if row_pixels:
        table.verticalHeader().setDefaultSectionSize(row_pixels)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    for column in stretched:
        header.setSectionResizeMode(column, qt.QHeaderView.Stretch)


class TextTable:
    """Paints `rows`, only those that changed. The table is hidden while it has no row.

    `fill(index, items, row)` writes a row into the QTableWidgetItem of each column.
    """

    def __init__(self, table: Any, fill: Callable[[int, list[Any], Any], None]) -> None:
        self.rows: list[Any] = []
        self._table = table
        self._fill = fill
        self._items: list[list[Any]] = []
        table.setVisible(False)

    def show(self, rows: Sequence[Any]) -> None:
        """Show rows in place of those before."""
        before, self.rows = self.rows, list(rows)
        if len(rows) != len(before):
            self._table.setRowCount(len(rows))
            del self._items[len(rows) :]
        for index, row in enumerate(rows):
            if index == len(self._items):
                self._add_items()
            elif row == before[index]:
                continue
            self._fill(index, self._items[index], row)
        self._table.setVisible(bool(rows))

    def select(self, index: int) -> None:
        """Select one row, and scroll to it; -1: none."""
        selected = {item.row() for item in self._table.selectedItems()}
        if index < 0 and selected:
            self._table.clearSelection()
        elif index >= 0 and selected != {index}:
            self._table.selectRow(index)
            self._table.scrollToItem(self._items[index][0])

    def _add_items(self) -> None:
        items = [qt.QTableWidgetItem() for _column in range(self._table.columnCount)]
        for column, item in enumerate(items):
            self._table.setItem(len(self._items), column, item)
        self._items.append(items)


def fit_height(table: Any, at_most: int = 16_000) -> None:
    """Make a table as high as its rows, in pixels: one that scrolls inside a panel that scrolls is hard to use."""
    rows = sum(table.rowHeight(number) for number in range(table.rowCount))
    height = min(rows + table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth, at_most)
    table.setFixedHeight(height)
    # Else the section would take what is left of the panel, and spread its rows over it.
    table.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)


def show_end(widget: Any, text: str) -> None:
    """Show a text of many lines, scrolled to its end."""
    if widget.toPlainText() != text:
        widget.setPlainText(text)
        bar = widget.verticalScrollBar()
        bar.setValue(bar.maximum)


def show_text(label: Any, text: str) -> None:
    """Show a text; a label without one is hidden."""
    label.setText(text)
    label.setVisible(bool(text))


def text_color(widget: Any, tones: tuple[Color, Color]) -> Color:
    """Red, green and blue, 0 to 255, of a text in a widget; `tones` is ERROR or WARNING."""
    return tones[1] if _is_dark(widget) else tones[0]


def show_boxes(view: Any) -> None:
    """Let boxes without a tick be seen in a list or table: in the dark style, its ground is as dark as they are."""
    if _is_dark(view):
        view.viewport().setBackgroundRole(qt.QPalette.Window)


def _is_dark(widget: Any) -> bool:
    palette = widget.palette
    return bool(palette.color(qt.QPalette.WindowText).lightness() > palette.color(qt.QPalette.Window).lightness())
