"""Properties and attributes of the stand-ins behave as PythonQt's do in Slicer; test_pythonqt.py has the rest."""

from __future__ import annotations

import pytest
import qt

# -- 1 and 2: properties are attributes


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: qt.QPushButton("Go"), "text", "Go"),
        (lambda: qt.QLabel("Go"), "text", "Go"),
        (lambda: qt.QLineEdit("Go"), "text", "Go"),
        (lambda: a_combo(), "currentText", "a"),
        (lambda: a_combo(), "currentIndex", 0),
        (lambda: a_combo(), "currentData", {"k": 1}),
        (lambda: a_combo(), "count", 2),
        (lambda: qt.QProgressBar(), "maximum", 100),
        (lambda: qt.QSpinBox(), "value", 0),
        (lambda: qt.QTableWidget(2, 3), "rowCount", 2),
        (lambda: qt.QTableWidget(2, 3), "columnCount", 3),
        (lambda: qt.QListWidget(), "count", 0),
        (lambda: qt.QListWidget(), "currentRow", -1),
        (lambda: qt.QWidget(), "objectName", ""),
        (lambda: qt.QWidget(), "styleSheet", ""),
        (lambda: qt.QTimer(), "interval", 0),
        (lambda: qt.QTimer(), "active", False),
        (lambda: qt.QCheckBox(), "checked", False),
        (lambda: qt.QTextEdit("a"), "plainText", "a"),
    ],
)
def test_a_property_is_an_attribute_and_cannot_be_called(make, name, value):
    widget = make()
    assert getattr(widget, name) == value
    with pytest.raises(TypeError, match="is not callable"):
        getattr(widget, name)()


def a_combo():
    combo = qt.QComboBox()
    combo.addItem("a", {"k": 1})
    combo.addItem("b", "uid")
    return combo


def test_sizes_and_fonts_are_attributes_with_methods():
    widget = qt.QWidget()
    widget.resize(30, 20)
    assert (widget.width, widget.size.width(), widget.geometry.height(), widget.font.bold()) == (30, 30, 20, False)


def test_what_is_a_method_stays_one():
    widget = qt.QWidget()
    button = qt.QPushButton("a", widget)
    assert (button.isEnabled(), button.isVisible(), button.parent() is widget, widget.layout()) == (
        True, False, True, None,
    )  # fmt: skip
    assert qt.QTableWidgetItem("q").text() == "q"
    assert a_combo().itemData(1) == "uid"
    assert a_combo().findText("b") == 1
    table = qt.QTableWidget(2, 2)
    assert (table.currentRow(), table.item(0, 0)) == (-1, None)


def test_properties_are_written_by_assignment_too():
    button, check, combo, timer = qt.QPushButton(), qt.QCheckBox(), a_combo(), qt.QTimer()
    button.enabled, button.text = False, "x"
    check.checked = True
    combo.currentIndex = 1
    timer.interval = 20
    assert (button.isEnabled(), button.text, check.isChecked(), combo.currentText, timer.interval) == (
        False, "x", True, "b", 20,
    )  # fmt: skip


def test_a_shortcut_is_switched_by_its_properties():
    window = qt.QWidget()
    shortcut = qt.QShortcut(window)
    shortcut.setKey(qt.QKeySequence("E"))
    shortcut.enabled = shortcut.autoRepeat = False
    assert (shortcut.enabled, shortcut.autoRepeat, shortcut.key.toString()) == (False, False, "E")
    assert shortcut.parent() is window


def test_dynamic_properties_are_attributes():
    widget = qt.QWidget()
    widget.setProperty("zz", 5)
    assert (widget.zz, widget.property("zz")) == (5, 5)


# -- 3: nothing can be made up


def test_an_unknown_attribute_can_be_neither_set_nor_read():
    widget = qt.QWidget()
    with pytest.raises(AttributeError, match="creating new attributes on C\\+\\+ objects is not allowed"):
        widget.noSuchThing = 3
    with pytest.raises(AttributeError, match="QWidget has no attribute named 'noSuchThing'"):
        _ = widget.noSuchThing


@pytest.mark.parametrize("name", ["isEnabled", "setText", "clicked"])
def test_a_slot_or_signal_cannot_be_overwritten(name):
    with pytest.raises(AttributeError, match="can not be overwritten"):
        setattr(qt.QPushButton(), name, 1)


def test_single_shot_of_a_timer_is_no_attribute():
    timer = qt.QTimer()
    with pytest.raises(AttributeError):
        timer.singleShot = True
    timer.setSingleShot(True)


def test_a_class_derived_in_python_may_have_attributes():
    class Widget(qt.QWidget):
        pass

    widget = Widget()
    widget.mine = 3
    assert widget.mine == 3
