"""From four labeled and eight unlabeled volumes in the scene to the first result in view: few clicks, no scroll.

The panel is as large as it usually is beside the views, the mouse clicks where the buttons are in sight, and the engine
is the real one.
"""

from __future__ import annotations

import pytest
from form import child_widget_variables, load_ui
from patience import PATIENCE_S
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pythonqt import unwrap
from stage import Stage

from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.panel import Panel
from CoraNetSlicerLib.self_test import SETTINGS

LABELED, UNLABELED = 4, 8
MOST_CLICKS = 6
SIZE = (440, 800)

# So often in a row a button must be at the same place.
_LOOKS = 5


class Mouse:
    """Clicks buttons of a form where they are in sight; does not scroll, and what it clicked must not jump."""

    def __init__(self, form, process_events) -> None:
        self._form = unwrap(form)
        self._process_events = process_events
        self.clicks = 0

    def click(self, button) -> None:
        """Click the middle of a button, which must be in sight and enabled, from above the form."""
        self._process_events(until=button.isEnabled)
        real = unwrap(button)
        spot = self._resting_place(real)
        assert self._form.rect().contains(spot), f"'{real.objectName()}' is out of sight at {spot}"
        there = self._form.childAt(spot)
        assert there is real, f"'{real.objectName()}' is hidden by '{there.objectName() if there else None}'"
        QTest.mouseClick(real, Qt.MouseButton.LeftButton, pos=QPoint(real.rect().center()))
        self.clicks += 1
        self._process_events()
        moved = real.mapTo(self._form, real.rect().center())
        assert not real.isVisible() or moved == spot, f"'{real.objectName()}' jumped from {spot} to {moved}"

    def _resting_place(self, button) -> QPoint:
        """Where a button is when nothing moves any more: nobody clicks on what still moves."""
        spots: list[QPoint] = []
        while len(spots) < _LOOKS or any(spot != spots[-1] for spot in spots[-_LOOKS:]):
            self._process_events()
            spots.append(button.mapTo(self._form, button.rect().center()))
        return spots[-1]


@pytest.fixture
def window(context, application, awkward_path, qt_application):
    """A panel of the usual size with the real engine; settings that are soon done take the place of the time."""
    logic = CoraNetLogic(context, jobsFolder=awkward_path / "jobs", makeTicker=lambda: QtTicker(50))
    form = load_ui()
    form.setMRMLScene(context.scene)
    form.resize(*SIZE)
    form.show()
    panel = Panel(child_widget_variables(form), logic, application)
    yield form, panel, logic
    panel.cleanup()
    for job in logic.runningJobs():
        job.cancel()
        job.wait(PATIENCE_S)
    logic.close()
    form.setMRMLScene(None)
    form.hide()


@pytest.mark.slow
def test_from_volumes_to_the_first_result(window, application, process_events):
    form, panel, logic = window
    ui, mouse = child_widget_variables(form), Mouse(form, process_events)
    logic.loadPhantom(labeled=LABELED, unlabeled=UNLABELED)
    for name, value in SETTINGS.items():
        text = ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
        panel.training.settings.set_preset(text) if name == "preset" else panel.training.settings.set_text(name, text)
    process_events(until=lambda: not panel.environment.is_checking)

    mouse.click(ui.addVolumesButton)
    process_events(until=lambda: ui.casesTable.rowCount == LABELED + UNLABELED)
    mouse.click(ui.trainStep)
    process_events(until=ui.trainButton.isEnabled)
    mouse.click(ui.trainButton)
    process_events(until=lambda: panel.training.handle is not None and panel.training.handle.status.is_over)
    assert panel.training.handle.status.value == "finished", panel.training.handle.logTail()
    # The panel hears of the end with its next look at the job; the card of the model then takes its place.
    process_events(until=lambda: panel.segmentation.models.chosen is not None)
    mouse.click(ui.segmentStep)
    mouse.click(ui.segmentUnlabeledButton)
    mouse.click(ui.segmentButton)
    process_events(until=lambda: panel.overlays.current is not None)

    result = panel.overlays.current
    process_events(until=lambda: ("show_volume", result.volume) in application.shown)
    assert result.segmentation.GetDisplayNode().GetVisibility()
    assert result.volume in [row.volume for row in panel.cases.rows if row.role.value == "unlabeled"]
    assert len(panel.segmentation.rows) == UNLABELED
    assert mouse.clicks <= MOST_CLICKS, f"{mouse.clicks} clicks"


@pytest.mark.slow
def test_worklist_answers_and_undo_of_places_with_long_names(tmp_path, qt_application):
    stage = Stage(tmp_path / "stage")
    try:
        stage.show_reviewable_places()
        form, ui = unwrap(stage.form), stage.ui
        stage.picture("review", SIZE[0])
        assert form.height() == SIZE[1] and stage.scrolled == 0
        table, question = unwrap(ui.regionsTable), unwrap(ui.regionQuestionLabel)
        assert table.rowCount() > 8 and question.geometry().top() > table.geometry().bottom()
        rows = table.viewport().height()
        assert rows > 0 and rows % table.rowHeight(0) == 0, "the last row is cut"
        for name in ("conservativeRegionButton", "editRegionButton", "undoRegionButton", "redoRegionButton"):
            button = unwrap(getattr(ui, name))
            assert form.rect().contains(button.mapTo(form, button.rect().bottomRight())), name
        item = table.item(0, 1)
        assert "front" in item.toolTip() and not stage.cut_texts()
    finally:
        stage.close()
