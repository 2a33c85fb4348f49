"""The stand-ins behave as PythonQt does in Slicer, where that is not what PySide6 does.

Properties are in test_pythonqt_properties.py.
"""

from __future__ import annotations

import functools
import sys

import ctk
import pytest
import qt
import slicer
from clicks import drop_files

# -- 4: connecting by signature


def test_signals_are_connected_by_their_signature():
    button, got = qt.QPushButton(), []
    assert button.connect("clicked(bool)", got.append)
    assert button.connect("clicked()", lambda: got.append("none"))
    assert not button.connect("noSuch()", got.append)
    button.click()
    assert got == [False, "none"]
    assert button.disconnect("clicked(bool)", got.append)
    button.click()
    assert got == [False, "none", "none"]


def test_signatures_that_qt_6_does_not_have_are_refused():
    assert not qt.QComboBox().connect("currentIndexChanged(QString)", print)
    with pytest.raises(TypeError, match="not subscriptable"):
        qt.QComboBox().currentIndexChanged[str]
    with pytest.raises(AttributeError, match="QPushButton has no attribute named 'noSuch'"):
        qt.QPushButton().noSuch.connect(print)


def test_disconnecting_what_is_not_connected_is_false():
    button, got = qt.QPushButton(), []
    assert button.clicked.disconnect(got.append) is False
    button.clicked.connect(got.append)
    assert button.clicked.disconnect() is True
    button.click()
    assert got == []


def test_a_bound_method_can_be_disconnected():
    class Receiver:
        calls = 0

        def hear(self):
            self.calls += 1

    receiver, button = Receiver(), qt.QPushButton()
    button.clicked.connect(receiver.hear)
    button.click()
    button.clicked.disconnect(receiver.hear)
    button.click()
    assert receiver.calls == 1


# -- 5: default arguments are sent


def test_default_arguments_are_sent():
    button, got = qt.QPushButton(), []
    button.clicked.connect(lambda *sent: got.append(sent))
    button.clicked.connect(lambda value=7: got.append(value))
    button.clicked.connect(lambda: got.append("none"))
    button.click()
    assert got == [(False,), False, "none"]


def test_a_partial_gets_them_too(slot_errors):
    def hear(name):
        raise AssertionError("never reached")

    button = qt.QPushButton()
    button.clicked.connect(functools.partial(hear, "p"))
    button.click()
    assert "takes 1 positional argument but 2 were given" in slot_errors.pop()
    assert not slot_errors


def test_values_that_signals_send():
    got = []
    edit, combo, check, spin = qt.QLineEdit(), qt.QComboBox(), qt.QCheckBox(), qt.QSpinBox()
    combo.addItem("a")
    combo.addItem("b")
    for signal in (
        edit.textChanged, combo.currentIndexChanged, combo.currentTextChanged, check.stateChanged, spin.valueChanged,
    ):  # fmt: skip
        signal.connect(got.append)
    edit.setText("k")
    combo.setCurrentIndex(1)
    check.setChecked(True)
    spin.setValue(3)
    assert got == ["k", 1, "b", 2, 3] or got == ["k", "b", 1, 2, 3]


def test_an_error_in_a_slot_is_seen_by_the_test_and_stops_nothing(slot_errors):
    button, got = qt.QPushButton(), []
    button.clicked.connect(lambda: 1 / 0)
    button.clicked.connect(lambda: got.append("survived"))
    button.click()
    assert got == ["survived"]
    assert "ZeroDivisionError" in slot_errors.pop()


def test_blocked_signals_are_not_sent():
    spin, got = qt.QSpinBox(), []
    spin.valueChanged.connect(got.append)
    assert spin.blockSignals(True) is False
    spin.setValue(3)
    assert spin.blockSignals(False) is True
    assert got == []


# -- 6 and 7: processes and bytes


def a_process():
    process = qt.QProcess()
    process.start(sys.executable, ["-c", "print('hi'); raise SystemExit(4)"])
    return process


def test_finished_sends_one_argument_unless_two_are_named(process_events):
    process, single, double = qt.QProcess(), [], []
    process.finished.connect(lambda *sent: single.append(sent))
    assert process.connect("finished(int,QProcess::ExitStatus)", lambda *sent: double.append(sent))
    process.start(sys.executable, ["-c", "raise SystemExit(4)"])
    assert process.waitForFinished(20000)
    process_events()
    assert (single, double) == ([(4,)], [(4, 0)])


def test_bytes_are_read_by_data():
    process = a_process()
    process.waitForFinished(20000)
    assert process.exitCode() == 4
    output = process.readAllStandardOutput()
    assert output.data().decode("utf-8").strip() == "hi"
    assert output.size() >= 3
    for wrong in (bytes, len, lambda value: str(value, "utf-8")):
        with pytest.raises(TypeError):
            wrong(output)


# -- 8: enums


def test_enums_that_methods_return_are_ints():
    check = qt.QCheckBox()
    check.setChecked(True)
    assert repr(check.checkState()) == "2"
    assert check.checkState() == qt.Qt.Checked
    assert qt.QMessageBox.Yes == 16384
    assert qt.Qt.AlignHCenter | qt.Qt.AlignTop == 0x24
    assert qt.QProcess().state() == qt.QProcess.NotRunning


def test_enums_go_in_as_values_combinations_and_plain_ints():
    item, label = qt.QTableWidgetItem("a"), qt.QLabel()
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    assert item.flags() & qt.Qt.ItemIsEnabled
    assert not item.flags() & qt.Qt.ItemIsEditable
    item.setCheckState(2)
    item.setData(qt.Qt.UserRole, "x")
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    assert (item.checkState(), item.data(qt.Qt.UserRole), int(label.alignment)) == (2, "x", 0x82)


def test_scoped_names_of_enums_are_missing():
    with pytest.raises(AttributeError):
        _ = qt.QMessageBox.StandardButton.Yes
    with pytest.raises(AttributeError):
        _ = qt.QThread


# -- 9, 10 and 11: types and arguments


def test_classes_do_not_derive_from_each_other():
    button = qt.QPushButton()
    assert not isinstance(button, qt.QWidget)
    assert not issubclass(qt.QPushButton, qt.QWidget)
    assert button.inherits("QWidget")
    assert button.className() == "QPushButton"


def test_lists_are_tuples():
    widget = qt.QWidget()
    label = qt.QLabel("a", widget)
    label.setObjectName("n")
    assert widget.children() == (label,)
    assert widget.findChildren(qt.QLabel) == (label,)
    assert widget.findChild(qt.QLabel, "n") is label
    assert widget.findChild("QLabel", "n") is label
    chosen = qt.QListWidget()
    chosen.addItem("a")
    chosen.setCurrentRow(0)
    assert isinstance(chosen.selectedItems(), tuple)
    assert chosen.currentItem().text() == "a"


def test_keyword_arguments_are_refused():
    with pytest.raises(ValueError, match="does not support kwargs"):
        qt.QLabel(text="x")
    with pytest.raises(ValueError, match="does not support kwargs"):
        qt.QSettings().value("k", 1, type=bool)
    with pytest.raises(ValueError, match="Could not find matching overload"):
        qt.QLabel().setText(3)


def test_settings_keep_plain_values():
    settings = qt.QSettings()
    settings.setValue("g/a", "v")
    settings.setValue("g/l", ["a", "b"])
    assert (settings.value("g/a"), settings.value("g/l"), settings.value("g/no", "default")) == (
        "v", ("a", "b"), "default",
    )  # fmt: skip
    assert settings.contains("g/a")


# -- 12 and 13: windows and clicks


def test_static_windows_return_a_text_and_must_be_foreseen(dialogs):
    dialogs.answer("QFileDialog.getOpenFileName", "/a/b.json")
    assert qt.QFileDialog.getOpenFileName(None, "title", "", "Datalist (*.json)") == "/a/b.json"
    with pytest.raises(AssertionError, match="the test has no answer"):
        qt.QFileDialog.getExistingDirectory(None, "title")


def test_a_message_box_is_answered_by_the_text_of_a_button(dialogs):
    box = qt.QMessageBox()
    box.setText("What now?")
    stay = box.addButton("Stay", qt.QMessageBox.AcceptRole)
    box.addButton("Go", qt.QMessageBox.AcceptRole)
    dialogs.answer("QMessageBox.exec_", "Stay")
    box.exec_()
    assert box.clickedButton() is stay


def test_a_menu_is_answered_by_the_text_of_an_action(dialogs):
    menu, got = qt.QMenu(), []
    menu.addAction("Folder").triggered.connect(lambda: got.append("folder"))
    menu.addAction("File").triggered.connect(lambda: got.append("file"))
    dialogs.answer("QMenu.exec_", "File")
    assert menu.exec_(qt.QCursor.pos()).text == "File"
    assert got == ["file"]


def test_calling_a_signal_emits_it():
    button, got = qt.QPushButton(), []
    button.clicked.connect(got.append)
    button.clicked(True)
    button.click()
    assert got == [True, False]


# -- 14: lives


def test_a_receiver_is_kept_alive_and_a_widget_is_one_object():
    class Receiver:
        def __init__(self):
            self.got = []

        def hear(self, *sent):
            self.got.append(sent)

    window = qt.QWidget()
    receiver = Receiver()
    got = receiver.got
    qt.QPushButton("a", window).clicked.connect(receiver.hear)
    del receiver
    window.findChild(qt.QPushButton).click()
    assert got == [(False,)]
    assert window.children()[0] is window.findChild(qt.QPushButton)
    assert {window.findChild(qt.QPushButton): 1}[window.children()[0]] == 1


def test_a_deleted_widget_says_so():
    label = qt.QLabel("a")
    label.delete()
    with pytest.raises(ValueError, match="Trying to read property 'text' from a destroyed QLabel object"):
        _ = label.text
    with pytest.raises(ValueError, match="destroyed QLabel"):
        label.setText("b")


# -- 15: tool tips


def test_font_metrics_are_made_not_returned():
    label = qt.QLabel("a")
    with pytest.raises(ValueError, match="return type 'QFontMetrics' is ignored"):
        label.fontMetrics()
    assert qt.QFontMetrics(label.font).elidedText("a long text", qt.Qt.ElideRight, 5) != "a long text"


def test_a_tool_tip_comes_back_as_a_paragraph():
    widget = qt.QWidget()
    widget.setToolTip("t < 1")
    assert widget.toolTip == "<p>t &lt; 1</p>"
    before = widget.toolTip
    widget.setToolTip(before)
    assert widget.toolTip == before
    assert qt.QWidget().toolTip == ""


# -- deriving, timers, colours


def test_event_filters_and_overrides_are_called(process_events):
    class Filter(qt.QObject):
        def __init__(self, parent=None):
            super().__init__(parent)
            self.kinds = []

        def eventFilter(self, watched, event):  # noqa: N802
            self.kinds.append((watched, event.type()))
            return event.type() == qt.QEvent.EnabledChange

    class Window(qt.QWidget):
        closed = 0

        def closeEvent(self, event):  # noqa: N802
            self.closed += 1
            qt.QWidget.closeEvent(self, event)

    window = Window()
    watching = Filter(window)
    window.installEventFilter(watching)
    window.show()
    window.setEnabled(False)
    window.close()
    process_events()
    assert (window, qt.QEvent.EnabledChange) in watching.kinds
    assert window.closed == 1


def test_what_is_dropped_reaches_an_event_filter():
    class Filter(qt.QObject):
        def eventFilter(self, _watched, event):  # noqa: N802
            if event.type() == qt.QEvent.DragEnter:
                event.acceptProposedAction()
                return True
            if event.type() == qt.QEvent.Drop:
                dropped.extend(url.toLocalFile() for url in event.mimeData().urls())
                event.acceptProposedAction()
                return True
            return False

    dropped = []
    table = qt.QTableWidget(1, 1)
    keep = Filter()
    table.viewport().setAcceptDrops(True)
    table.viewport().installEventFilter(keep)
    assert drop_files(table.viewport(), "/data/a b")
    assert dropped == ["/data/a b"]
    assert not drop_files(qt.QLabel(), "/data/a b")


def test_an_error_in_an_override_is_seen_by_the_test(slot_errors):
    class Window(qt.QWidget):
        def closeEvent(self, event):  # noqa: N802
            raise RuntimeError("bad")

    window = Window()
    window.show()
    window.close()
    assert "RuntimeError: bad" in slot_errors.pop()


def test_timers_fire(process_events):
    got = []
    qt.QTimer.singleShot(0, lambda: got.append("later"))
    timer = qt.QTimer()
    timer.timeout.connect(lambda: got.append("tick"))
    timer.start(1)
    process_events(until=lambda: {"later", "tick"} <= set(got))
    timer.stop()
    assert not timer.isActive()


def test_colours_clipboard_and_urls():
    color = qt.QColor(1, 2, 3)
    assert (color.name(), color.redF()) == ("#010203", pytest.approx(1 / 255, abs=1e-4))
    with pytest.raises(AttributeError):
        color.getRgbF()
    qt.QApplication.clipboard().setText("q")
    assert qt.QApplication.clipboard().text() == "q"
    assert qt.QUrl.fromLocalFile("/data/a b").toLocalFile() == "/data/a b"


def test_ctk_widgets_hide_methods_that_are_no_slots():
    """Seen in Slicer 5.8: such a property is set by assignment."""
    hidden = {
        ctk.ctkSliderWidget(): ("setRange", "setMinimum", "setMaximum", "setSingleStep", "setSuffix", "setTracking"),
        ctk.ctkCollapsibleButton(): ("setCollapsed",),
        ctk.ctkPathLineEdit(): ("setFilters", "setSettingKey", "setNameFilters"),
        slicer.qMRMLNodeComboBox(): ("setNodeTypes", "setNoneEnabled"),
    }
    for widget, names in hidden.items():
        for name in names:
            assert not hasattr(widget, name), name


def test_ctk_widgets_have_their_properties():
    slider, path, picker = ctk.ctkSliderWidget(), ctk.ctkPathLineEdit(), ctk.ctkColorPickerButton()
    got = []
    slider.connect("valueChanged(double)", got.append)
    slider.minimum, slider.maximum, slider.singleStep = -3.0, 6.0, 0.1
    slider.value = 1.5
    path.currentPathChanged.connect(got.append)
    path.setCurrentPath("/data")
    picker.colorChanged.connect(lambda color: got.append(color.name()))
    picker.setColor(qt.QColor(255, 0, 0))
    assert got == [1.5, "/data", "#ff0000"]
    assert (slider.value, path.currentPath, picker.color.name()) == (1.5, "/data", "#ff0000")
