"""Mouse and keyboard as a person uses them: events of the X server, made by xdotool, onto what is in sight.

Each action is a generator of what a `stepping.Run` waits for. It scrolls first where a widget is out of sight, and
counts clicks, keys and scrolls in the journal.
"""

from __future__ import annotations

import subprocess

import qt
import slicer
from stepping import Until

_SETTLE_S = 0.15
# No test is about speed: far more than a busy machine needs for what a click does.
LONGEST_S = 600.0
_WHEEL_UP, _WHEEL_DOWN = "4", "5"


def xdotool(*arguments: object) -> None:
    """Run xdotool."""
    subprocess.run(["xdotool", *(str(argument) for argument in arguments)], check=True, timeout=LONGEST_S)


def describe(widget) -> str:
    """A widget in words, for messages."""
    text = str(getattr(widget, "text", "") or "")
    return f"'{widget.objectName or widget.className()}'" + (f" ({text})" if text else "")


class Pointer:
    """The mouse and the keyboard."""

    def __init__(self, journal) -> None:
        self._journal = journal

    def click(self, widget, at=None, times: int = 1, button: int = 1):
        """Click a widget once it can be clicked; `at`: a QPoint in it, else its middle."""
        reason = f"{describe(widget)} to be clickable; its tool tip: {widget.toolTip}"
        yield Until(lambda: widget.isVisible() and widget.isEnabled(), reason, LONGEST_S)
        yield from self.scroll_to(widget, at)
        yield from self.wait_until_still(widget)
        self._move(widget, at)
        self._journal.step.clicks += times
        yield _SETTLE_S / 3
        xdotool("click", "--repeat", times, "--delay", 60, button)
        yield _SETTLE_S

    def check(self, box, at=None):
        """Click a check box or a radio button on its mark, which lies at its left."""
        yield from self.click(box, at or qt.QPoint(10, box.height // 2))

    def choose(self, combo, text: str):
        """Choose an entry of a combo box by its first letters, as its pop-up list allows."""
        index = combo.findText(text)
        if index < 0:
            entries = [combo.itemText(number) for number in range(combo.count)]
            raise ValueError(f"{describe(combo)} must have '{text}', has {entries}")
        yield from self.click(combo)
        self.keys("Home", *["Down"] * index, "Return")
        yield _SETTLE_S
        yield Until(lambda: combo.currentIndex == index, f"{describe(combo)} to show '{text}'", LONGEST_S)

    def drag(self, widget, points, button: int = 1):
        """Press the mouse at the first of several QPoints, move along the others, let go."""
        self._journal.step.clicks += 1
        self._move(widget, points[0])
        yield _SETTLE_S
        xdotool("mousedown", button)
        for point in points[1:]:
            yield 0.03
            self._move(widget, point)
        yield _SETTLE_S
        xdotool("mouseup", button)
        yield _SETTLE_S

    def move(self, widget, at=None):
        """Hold the mouse over a widget."""
        self._move(widget, at)
        yield _SETTLE_S

    def wheel(self, notches: int, held: str):
        """Turn the wheel away from the person while a key is held, where the mouse is."""
        self._journal.step.scrolls += 1
        xdotool("keydown", held)
        try:
            for _notch in range(notches):
                xdotool("click", _WHEEL_UP)
                yield _SETTLE_S
        finally:
            xdotool("keyup", held)

    def keys(self, *names: str) -> None:
        """Press keys one after the other; names as X has them, such as ctrl+z."""
        self._journal.step.keys += len(names)
        xdotool("key", "--delay", 20, *names)

    def type(self, text: str) -> None:
        """Type a text."""
        self._journal.step.keys += len(text)
        xdotool("type", "--delay", 8, "--", text)

    def fill(self, edit, text: str):
        """Replace the text of a line edit."""
        yield from self.click(edit)
        self.keys("ctrl+a")
        self.type(text)
        self.keys("Tab")
        yield _SETTLE_S

    def scroll_to(self, widget, at=None):
        """Turn the wheel until a point of a widget is in sight; one turn in one direction is one scroll."""
        for turn in range(60):
            if is_in_sight(widget, at):
                return
            area = scroll_area_of(widget)
            if area is None:
                break
            if turn == 0:
                self._journal.step.scrolls += 1
            viewport = area.viewport()
            below = widget.mapTo(viewport, at or middle(widget)).y() > viewport.height // 2
            self._move(viewport, qt.QPoint(3, viewport.height // 2))
            xdotool("click", "--repeat", 2, "--delay", 15, _WHEEL_DOWN if below else _WHEEL_UP)
            yield 0.08
        if not is_in_sight(widget, at):
            raise ValueError(f"{describe(widget)} cannot be scrolled into sight")

    def wait_until_still(self, widget):
        """Wait until a widget has stayed in its place for a moment; that it moved is noted: a person would miss it."""
        place, still, moved = widget.mapToGlobal(middle(widget)), 0, 0
        while still < 3 and moved < 100:
            yield _SETTLE_S
            now = widget.mapToGlobal(middle(widget))
            still, moved = (still + 1, moved) if now == place else (0, moved + 1)
            place = now
        if moved:
            self._journal.step.notes.append(f"{describe(widget)} moved {moved} times before it could be clicked")

    def _move(self, widget, at=None) -> None:
        spot = widget.mapToGlobal(at or middle(widget))
        xdotool("mousemove", spot.x(), spot.y())


def middle(widget):
    """The middle of a widget, as a QPoint in it."""
    return qt.QPoint(widget.width // 2, widget.height // 2)


def is_in_sight(widget, at=None) -> bool:
    """Whether a point of a widget is drawn, and not scrolled away."""
    return bool(widget.visibleRegion().contains(at or middle(widget)))


def scroll_area_of(widget):
    """The innermost scroll area that a widget lies in; None if it lies in none."""
    parent = widget.parentWidget()
    while parent is not None:
        if parent.inherits("QScrollArea"):
            return parent
        parent = parent.parentWidget()
    return None


def main_window_picture(path) -> None:
    """Save what the main window shows."""
    slicer.util.mainWindow().grab().save(str(path))
