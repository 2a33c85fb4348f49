"""The form loads, its names are unique, its sections fold, and its node selectors follow the scene."""

from __future__ import annotations

import inspect
import xml.etree.ElementTree as ElementTree

import ctk
import numpy as np
import pytest
import qt
from fake_application import FakeApplication
from form import FORM
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpacerItem,
    QStackedLayout,
    QStyle,
    QVBoxLayout,
    QWidget,
)
from pythonqt import unwrap
from scene_builders import add_volume

from CoraNetSlicerLib.core.application import Application
from CoraNetSlicerLib.core.pages import PAGES


def test_every_name_of_the_form_is_used_once():
    names = [
        element.get("name")
        for element in ElementTree.parse(FORM).iter()
        if element.tag in ("widget", "layout", "spacer")
    ]
    assert sorted(names) == sorted(set(names))


def test_every_widget_is_an_attribute(ui):
    names = {widget.get("name") for widget in ElementTree.parse(FORM).iter("widget")}
    assert names <= set(vars(ui))
    assert ui.trainButton.text == "Train"
    assert ui.casesTable.columnCount == 5


def test_every_button_has_a_tool_tip(ui):
    silent = [name for name, widget in vars(ui).items() if widget.inherits("QPushButton") and not widget.toolTip]
    assert not silent


def test_no_text_of_a_choice_widens_the_panel():
    """A list of choices asks for the width of its longest text unless it is told not to."""
    for widget in ElementTree.parse(FORM).iter("widget"):
        values = {child.get("name"): "".join(child.itertext()) for child in widget.iter("property")}
        if widget.get("class") == "QComboBox":
            assert "AdjustToMinimumContentsLengthWithIcon" in values.get("sizeAdjustPolicy", ""), widget.get("name")
    (selector,) = (
        widget for widget in ElementTree.parse(FORM).iter("widget") if widget.get("class") == "qMRMLNodeComboBox"
    )
    assert selector.find("property[@name='sizePolicy']/sizepolicy").get("hsizetype") == "Ignored"


def test_a_section_folds_and_leaves_hidden_what_was_hidden(qt_application, process_events):
    section = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(section)
    shown, hidden, late = qt.QLabel("a"), qt.QLabel("b"), qt.QLabel("c")
    for label in (shown, hidden, late):
        layout.addWidget(label)
    hidden.setVisible(False)
    late.setVisible(False)
    section.show()
    assert shown.isVisible() and not hidden.isVisible()
    section.collapsed = True
    assert not shown.isVisible()
    late.setVisible(True)
    assert not late.isVisible()
    section.collapsed = False
    process_events()
    assert shown.isVisible() and late.isVisible() and not hidden.isVisible()


def test_a_section_says_that_it_was_folded(qt_application):
    section, got = ctk.ctkCollapsibleButton(), []
    section.connect("contentsCollapsed(bool)", got.append)
    section.click()
    section.collapsed = False
    assert got == [True, False]


def test_a_node_selector_follows_the_scene(ui, context, process_events):
    selector, got = ui.segmentVolumeSelector, []
    selector.currentNodeChanged.connect(got.append)
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    assert selector.mrmlScene() is context.scene
    first = add_volume(context, "A", np.zeros((2, 3, 4), np.float32), np.eye(4))
    second = add_volume(context, "B", np.zeros((2, 3, 4), np.float32), np.eye(4))
    add_volume(context, "labels", np.zeros((2, 3, 4), np.uint8), np.eye(4), label=True)
    selector.setCurrentNode(second)
    assert (selector.currentNode(), selector.currentNodeID) == (second, second.GetID())
    assert got[-2:] == [second, second]
    context.scene.RemoveNode(second)
    assert selector.currentNode() is not second
    context.scene.RemoveNode(first)
    assert (selector.currentNode(), selector.currentNodeID) == (None, "")


def test_a_path_is_remembered(qt_application):
    first = ctk.ctkPathLineEdit()
    first.settingKey = "Test/Path"
    first.setCurrentPath("/data/a")
    first.addCurrentPathToHistory()
    second = ctk.ctkPathLineEdit()
    second.settingKey = "Test/Path"
    assert second.currentPath == "/data/a"
    assert qt.QSettings().value("Test/Path") in ("/data/a", ("/data/a",))


def test_the_fake_application_is_like_the_real_one():
    real = {name: member for name, member in inspect.getmembers(Application) if not name.startswith("_")}
    fake = {name: member for name, member in inspect.getmembers(FakeApplication) if not name.startswith("_")}
    own = {"close", "scene"}
    assert set(real) - {"scene"} == set(fake) - own
    for name in set(real) - {"scene"}:
        assert list(inspect.signature(real[name]).parameters) == list(inspect.signature(fake[name]).parameters), name


def test_the_fake_application_answers_as_it_is_told(application, process_events):
    application.answers["confirm"] = [False, True]
    assert [application.confirm("?") for _ in range(3)] == [False, True, True]
    assert application.choose("?", {"stop": "Stop", "stay": "Stay"}) == "stay"
    assert application.choose_folder("t") == ""
    got = []
    application.later(lambda: got.append(1), 1)
    assert got == []
    process_events(until=lambda: got)
    assert [request[0] for request in application.asked] == ["confirm"] * 3 + ["choose", "choose_folder"]


def test_the_real_application_chooses_with_a_message_box(monkeypatch, dialogs, context):
    import slicer

    monkeypatch.setattr(slicer, "util", type("util", (), {"mainWindow": staticmethod(lambda: None)}), raising=False)
    dialogs.answer("QMessageBox.exec_", "Let it run")
    dialogs.answer("QFileDialog.getExistingDirectory", "/data")
    application = Application()
    assert application.choose("A job runs.", {"stop": "Stop it", "go": "Let it run", "back": "Back"}) == "go"
    assert application.choose_folder("Folder") == "/data"
    application.set_setting("Name", "value")
    assert (application.setting("Name"), application.setting("None", "default")) == ("value", "default")
    application.copy_text("copied")
    assert qt.QApplication.clipboard().text() == "copied"


def test_the_real_application_knows_who_decides_and_opens_the_segment_editor(monkeypatch, context):
    import slicer

    opened = []
    util = {"mainWindow": staticmethod(lambda: "window"), "selectModule": staticmethod(opened.append)}
    util["showStatusMessage"] = staticmethod(opened.append)
    monkeypatch.setattr(slicer, "util", type("util", (), util), raising=False)
    logic = context.logics[0]
    monkeypatch.setattr(slicer, "app", type("app", (), {"applicationLogic": lambda _: logic})(), raising=False)
    application = Application()
    monkeypatch.setenv("LOGNAME", "ada")
    assert application.user_name() == "ada"
    logic.GetUserInformation().SetName("Ada Lovelace")
    assert application.user_name() == "Ada Lovelace"
    application.show_segment_editor("and back")
    application.clear_hint()
    assert (application.main_window(), opened) == ("window", ["SegmentEditor", "and back", ""])


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_into_the_smallest_panel(ui, name, process_events):
    page = unwrap(getattr(ui, f"{name}Page"))
    bar = page.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
    assert unwrap(ui.CoraNetSlicer).minimumWidth() == 400
    assert page.widget().minimumSizeHint().width() + bar <= 400


def test_the_form_asks_for_little_height(form):
    assert unwrap(form).minimumSizeHint().height() < 300
    assert not unwrap(form).layout().hasHeightForWidth(), "else Slicer would make it as high as its highest page"


@pytest.fixture
def module_panel(form):
    """The form where the application puts it: in a scroll area, below a line for help, above a spacer."""
    area, contents, module = QScrollArea(), QWidget(), QWidget()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    outer, inner = QVBoxLayout(contents), QVBoxLayout(module)
    outer.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)
    outer.addWidget(QPushButton("Help && Acknowledgement"))
    outer.addWidget(module, 1)
    outer.addItem(QSpacerItem(0, 0, QSizePolicy.Policy.Minimum, QSizePolicy.Policy.MinimumExpanding))
    inner.addWidget(unwrap(form))
    area.setWidget(contents)
    area.resize(460, 800)
    area.show()
    return area


@pytest.mark.parametrize("name", PAGES)
def test_in_the_module_panel_the_strip_stays_in_sight(module_panel, ui, name, process_events):
    unwrap(ui.pages).layout().setStackingMode(QStackedLayout.StackingMode.StackOne)
    ui.callsStep.setChecked(False)
    ui.callsSection.setVisible(False)
    ui.pages.setCurrentWidget(getattr(ui, f"{name}Page"))
    for widget in (ui.trainingMessagesLabel, ui.installLogText):
        widget.setVisible(True)
    ui.trainingMessagesLabel.setText("A long message. " * 200)
    process_events()
    assert not module_panel.verticalScrollBar().maximum(), "the pages scroll, not the panel around them"
    strip = unwrap(ui.statusStrip)
    bottom = strip.mapTo(module_panel.viewport(), strip.rect().bottomLeft()).y()
    assert module_panel.viewport().height() - 40 < bottom <= module_panel.viewport().height()


def test_nothing_that_appears_moves_the_button_train(ui, process_events):
    button = unwrap(ui.trainButton)
    before = button.mapTo(unwrap(ui.trainSection), button.rect().topLeft())
    for label in (ui.estimateLabel, ui.trainingErrorLabel, ui.trainingStatusLabel, ui.trainingPlanLabel):
        label.setText("A sentence. " * 20)
        label.setVisible(True)
    process_events()
    assert button.mapTo(unwrap(ui.trainSection), button.rect().topLeft()) == before
