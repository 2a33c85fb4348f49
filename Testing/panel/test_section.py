"""What all sections have in common: reasons beside grey widgets, a focus that stays, errors that are said, colours."""

from __future__ import annotations

import logging

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from pythonqt import proxy_of, slot_errors

from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.section import (
    ERROR,
    WARNING,
    Painting,
    Section,
    bring_into_sight,
    problem_text,
    release_focus,
    show_boxes,
    show_end,
    text_color,
)

# Slicer's own styles, and the extremes.
LIGHT = ((255, 255, 255), (239, 239, 239), (247, 247, 247))
DARK = ((0, 0, 0), (30, 30, 30), (50, 50, 50), (53, 53, 53), (66, 66, 66))


class Column:
    """A long column of buttons in a window that scrolls, as the panel in Slicer's module panel."""

    def __init__(self) -> None:
        self.area, inner = QScrollArea(), QWidget()
        layout = QVBoxLayout(inner)
        self.buttons = [QPushButton(f"button {number}") for number in range(40)]
        for number, button in enumerate(self.buttons):
            button.setObjectName(f"button{number}")
            layout.addWidget(button)
        self.area.setWidget(inner)
        self.area.resize(220, 200)
        self.area.show()
        self.area.activateWindow()
        assert QTest.qWaitForWindowActive(self.area)
        for button in self.buttons[1:35]:
            button.setEnabled(False)

    @property
    def scrolled_by(self) -> int:
        QApplication.processEvents()
        return self.area.verticalScrollBar().value()


@pytest.fixture
def column(qt_application):
    made = Column()
    yield made
    made.area.close()


def test_the_panel_does_not_scroll_away_from_a_button_that_is_greyed_out(column):
    section, first = Section(None), column.buttons[0]
    first.clicked.connect(lambda: section.permit(proxy_of(first), "A training is running."))
    QTest.mouseClick(first, Qt.MouseButton.LeftButton)
    assert not first.isEnabled() and column.scrolled_by == 0
    assert QApplication.focusWidget() not in column.buttons


@pytest.mark.parametrize("how", ["hidden", "removed"])
def test_nor_from_one_that_is_hidden_or_removed(column, how):
    first = column.buttons[0]
    first.setFocus()
    release_focus(proxy_of(first))
    first.hide() if how == "hidden" else first.setParent(None)
    assert column.scrolled_by == 0


def test_what_can_be_used_keeps_its_focus(column):
    section, first = Section(None), column.buttons[0]
    first.setFocus()
    section.permit(proxy_of(first), "")
    assert QApplication.focusWidget() is first


def test_a_part_is_scrolled_into_sight_and_no_further(column):
    area, viewport = proxy_of(column.area), column.area.viewport()
    bring_into_sight(area, proxy_of(column.buttons[1]))
    assert column.scrolled_by == 0
    low = column.buttons[30]
    bring_into_sight(area, proxy_of(low))
    assert column.scrolled_by == low.y() + low.height() - viewport.height()
    # What is taller than the area is shown from its top, and what is in sight stays where it is.
    bring_into_sight(area, proxy_of(column.buttons[25]))
    assert column.scrolled_by == low.y() + low.height() - viewport.height()
    tall = column.buttons[35]
    tall.setFixedHeight(500)
    column.area.widget().adjustSize()
    bring_into_sight(area, proxy_of(tall))
    assert column.scrolled_by == tall.y()


class TestErrors:
    @pytest.fixture
    def label(self, qt_application):
        return proxy_of(QLabel())

    def attempt(self, label, error):
        def fails():
            raise error

        return Section(None).attempt(label, fails)

    def test_what_was_foreseen_is_said_as_it_is(self, label):
        assert not self.attempt(label, DataError("there is no scan; choose one."))
        assert label.text == "there is no scan; choose one."

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyError("a"), TypeError("None"), MemoryError()])
    def test_what_was_not_is_said_too_and_logged(self, label, error, caplog):
        with caplog.at_level(logging.ERROR):
            assert not self.attempt(label, error)
        assert label.text.startswith("Unexpected error (") and "see the log" in label.text
        assert any(record.exc_info for record in caplog.records)
        # It is here on purpose.
        slot_errors.clear()

    def test_all_is_well_again(self, label):
        self.attempt(label, DataError("no."))
        assert Section(None).attempt(label, lambda: None) and label.text == "" and not label.isVisible()

    def test_in_words(self):
        assert problem_text(DataError("no.")) == "no."


def test_painting_ends_with_an_error_and_may_be_nested():
    painting = Painting()
    with pytest.raises(RuntimeError), painting:
        with painting:
            assert painting
        assert painting
        raise RuntimeError
    assert not painting


def luminance(color) -> float:
    """Of WCAG 2.1."""
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def a_label(ground) -> QLabel:
    label = QLabel()
    palette = label.palette()
    text = (0, 0, 0) if luminance(ground) > 0.2 else (240, 240, 240)
    palette.setColor(QPalette.ColorRole.Window, QColor(*ground))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(*text))
    label.setPalette(palette)
    return label


@pytest.mark.parametrize("ground", [*LIGHT, *DARK], ids=str)
@pytest.mark.parametrize("tones", [ERROR, WARNING], ids=["error", "warning"])
def test_the_contrast_is_that_of_text(qt_application, ground, tones):
    assert contrast(text_color(proxy_of(a_label(ground)), tones), ground) >= 4.5


@pytest.mark.parametrize("ground", [*LIGHT, *DARK], ids=str)
def test_boxes_without_a_tick_differ_from_their_ground_in_the_dark(qt_application, ground):
    view = QListWidget()
    view.setPalette(a_label(ground).palette())
    show_boxes(proxy_of(view))
    # Boxes are filled with Base.
    assert (view.viewport().backgroundRole() is QPalette.ColorRole.Window) == (ground in DARK)


class TestConnecting:
    @pytest.fixture
    def edit(self, qt_application):
        return QLineEdit()

    def test_what_is_painted_is_no_input(self, edit):
        section, typed = Section(None), []
        section.on_input(proxy_of(edit).textChanged, typed.append)
        with section._painting:
            edit.setText("painted")
        edit.setText("typed")
        section.cleanup()
        edit.setText("after that")
        assert typed == ["typed"]

    def test_a_click_that_fails_says_why(self, qt_application):
        section, button, label = Section(None), QPushButton(), proxy_of(QLabel())

        def fails():
            raise DataError("no.")

        section.on_click(proxy_of(button), fails, label)
        button.click()
        assert label.text == "no."

    def test_events_are_seen_first_and_may_end_there(self, edit):
        section, received = Section(None), []
        section.on_event(proxy_of(edit), lambda event: received.append(event.type()) or True)
        QTest.keyClick(edit, "a")
        assert received and edit.text() == ""
        section.cleanup()
        QTest.keyClick(edit, "b")
        assert edit.text() == "b"


def test_a_long_text_is_shown_at_its_end(qt_application):
    widget = QPlainTextEdit()
    show_end(proxy_of(widget), "\n".join(map(str, range(500))))
    assert widget.verticalScrollBar().value() == widget.verticalScrollBar().maximum() > 0
