"""HideKey: Space hides while it is held, unless it means something else where the focus is."""

from __future__ import annotations

import pytest
import qt
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pythonqt import unwrap

from CoraNetSlicerLib.review.overlays_section import HideKey


@pytest.fixture
def window(process_events):
    window = qt.QWidget()
    window.resize(300, 200)
    qt.QVBoxLayout(window)
    window.show()
    unwrap(window).activateWindow()
    process_events()
    yield window
    window.close()


@pytest.fixture
def held():
    return []


@pytest.fixture
def key(window, held):
    key = HideKey(window, held.append)
    key.set_active(True)
    yield key
    key.cleanup()


def add(window, widget, process_events):
    window.layout().addWidget(widget)
    widget.setFocusPolicy(qt.Qt.StrongFocus)
    widget.setFocus()
    process_events()
    return widget


def press(window, is_repeated=False) -> None:
    send(window, QEvent.Type.KeyPress, is_repeated)


def release(window, is_repeated=False) -> None:
    send(window, QEvent.Type.KeyRelease, is_repeated)


def send(window, kind, is_repeated) -> None:
    target = QApplication.focusWidget() or unwrap(window)
    if kind == QEvent.Type.KeyPress and not is_repeated:
        QTest.keyPress(target, Qt.Key.Key_Space)
    else:
        QApplication.sendEvent(
            target, QKeyEvent(kind, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", is_repeated)
        )


def test_it_hides_while_it_is_held(window, key, held, process_events):
    add(window, qt.QWidget(), process_events)
    press(window)
    assert held == [True]
    release(window, is_repeated=True)
    assert held == [True], "a key that is held repeats itself"
    release(window)
    assert held == [True, False]
    release(window)
    assert held == [True, False]


@pytest.mark.parametrize(
    "kind", ["QLineEdit", "QSpinBox", "QPlainTextEdit", "QPushButton", "QComboBox", "QTableWidget"]
)
def test_it_gives_way_where_space_means_something_else(window, key, held, process_events, kind):
    add(window, getattr(qt, kind)(), process_events)
    press(window)
    release(window)
    assert held == []


def test_a_button_is_pressed_as_ever(window, key, held, process_events):
    clicked = []
    button = add(window, qt.QPushButton("Train"), process_events)
    button.clicked.connect(lambda *_: clicked.append(1))
    press(window)
    release(window)
    assert clicked == [1] and held == []


def test_our_tables_do_not_need_it(window, held, process_events):
    table = qt.QTableWidget()
    key = HideKey(window, held.append, (table,))
    key.set_active(True)
    add(window, table, process_events)
    press(window)
    release(window)
    assert held == [True, False]
    key.cleanup()


def test_it_does_nothing_until_it_is_active_and_shows_all_when_it_is_not_any_more(window, key, held, process_events):
    add(window, qt.QWidget(), process_events)
    key.set_active(False)
    press(window)
    assert held == []
    key.set_active(True)
    press(window)
    key.set_active(False)
    assert held == [True, False]


def test_without_a_window_there_is_no_key(held):
    key = HideKey(None, held.append)
    key.set_active(True)
    key.cleanup()
    assert held == []
