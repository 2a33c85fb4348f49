"""The whole way by clicking, on the real engine: phantom cases, the plan, train, stop, resume, segment, come back."""

from __future__ import annotations

import pytest
from clicks import cells, choose, click, entries, greyed
from form import child_widget_variables, load_ui, open_everything
from patience import PATIENCE_S

from coranet.contract import JobStatus
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.panel import Panel
from CoraNetSlicerLib.self_test import SETTINGS

LONG_S = PATIENCE_S


class Window:
    """A panel in a window of its own, and the logic behind it."""

    def __init__(self, context, application, folder) -> None:
        self.logic = CoraNetLogic(context, jobsFolder=folder, makeTicker=lambda: QtTicker(50))
        self.form = load_ui()
        self.form.setMRMLScene(context.scene)
        self.form.resize(440, 800)
        self.ui = child_widget_variables(self.form)
        open_everything(self.ui)
        self.form.show()
        self.panel = Panel(self.ui, self.logic, application)

    def close(self) -> None:
        self.panel.cleanup()
        for job in self.logic.runningJobs():
            job.cancel()
            job.wait(PATIENCE_S)
        self.logic.close()
        self.form.setMRMLScene(None)
        self.form.hide()

    def type_setting(self, name: str, value) -> None:
        """Type or choose a setting, as a person would read it out of a paper."""
        field = self.form.findChild("QWidget", name)
        text = ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
        if field.inherits("QComboBox"):
            choose(field, text)
        else:
            field.setText(text)


@pytest.fixture
def open_window(context, application, awkward_path):
    opened = []

    def open_one() -> Window:
        opened.append(Window(context, application, awkward_path / "jobs"))
        return opened[-1]

    yield open_one
    for window in opened:
        window.close()


@pytest.mark.slow
def test_the_whole_way(open_window, context, application, process_events):
    window = open_window()
    prepare(window, process_events)
    train(window, process_events)
    segment(window, context, process_events)
    look(window, context, application, process_events)
    window.close()
    come_back(open_window(), application, process_events)


def prepare(window, process_events) -> None:
    """Phantom cases, an environment, the plan for an hour; then settings that are small."""
    ui = window.ui
    assert greyed(ui.trainButton)
    window.logic.loadPhantom(labeled=2, unlabeled=2)
    process_events(until=ui.addVolumesButton.isEnabled)
    click(ui.addVolumesButton)
    process_events(until=lambda: ui.casesTable.rowCount == 4)
    assert [row[1] for row in cells(ui.casesTable)] == ["Labeled", "Labeled", "Unlabeled", "Unlabeled"]
    assert ui.segmentsList.count == 2
    process_events(until=lambda: window.panel.environment.health is not None, timeout=LONG_S)
    assert ui.environmentSummaryLabel.text.startswith("Ready")

    assert window.panel.training.settings.time == "1 h"
    click(ui.estimateButton)
    process_events(until=lambda: " fit into 1 h on this " in ui.estimateLabel.text, timeout=LONG_S)

    process_events(until=lambda: all(window.form.findChild("QWidget", name) for name in SETTINGS if name != "preset"))
    choose(ui.presetCombo, SETTINGS["preset"])
    window.type_setting("training.pretraining_steps", "many")
    process_events(until=lambda: greyed(ui.trainButton))
    wrong = window.form.findChild("QLabel", "training.pretraining_steps error")
    assert wrong.isVisible() and "many" in wrong.text
    for name, value in SETTINGS.items():
        if name != "preset":
            window.type_setting(name, value)
    process_events(until=lambda: not wrong.isVisible())
    process_events(until=lambda: not greyed(ui.trainButton))
    assert window.panel.training.settings.time == ""  # the steps that were typed take its place


def train(window, process_events) -> None:
    """Train, stop on the way, resume, to the end; the curves are there."""
    ui, training = window.ui, window.panel.training
    received: set[int] = set()
    ui.runningProgressBar.valueChanged.connect(received.add)
    click(ui.trainButton)
    process_events(until=lambda: training.handle is not None, timeout=LONG_S)
    saved = training.handle.job.last_checkpoint_path
    process_events(until=lambda: saved.exists() and len(received) > 2, timeout=LONG_S)
    assert greyed(ui.trainButton)
    click(ui.stopTrainingButton)
    process_events(until=lambda: training.handle.status.is_over, timeout=LONG_S)
    assert training.handle.status is JobStatus.CANCELLED, training.handle.logTail()
    process_events(until=ui.resumeTrainingButton.isEnabled)
    assert 0 < training.progress < 1
    assert "Resume" in ui.trainingStatusLabel.text
    click(ui.resumeTrainingButton)
    process_events(until=lambda: training.handle.status is not JobStatus.CANCELLED, timeout=LONG_S)
    process_events(until=lambda: training.handle.status.is_over, timeout=LONG_S)
    assert training.handle.status is JobStatus.FINISHED, training.handle.logTail()
    process_events(until=lambda: training.progress == 1)
    click(ui.showCurvesButton)


def segment(window, context, process_events) -> None:
    """Segment the last phantom with the model that was just trained."""
    ui = window.ui
    name = window.panel.training.handle.folder.name
    process_events(until=lambda: any(text.startswith(f"{name} (") for text in entries(ui.modelCombo)))
    choose(ui.modelCombo, next(text for text in entries(ui.modelCombo) if text.startswith(f"{name} (")))
    assert "organ" in ui.modelCardLabel.text.lower()
    volumes = context.scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    volumes.UnRegister(None)
    ui.segmentVolumeSelector.setCurrentNode(volumes.GetItemAsObject(3))
    process_events(until=lambda: not greyed(ui.segmentButton))
    click(ui.segmentButton)
    process_events(until=lambda: window.panel.overlays.current is not None, timeout=LONG_S)
    process_events(until=lambda: not window.panel.segmentation.is_active, timeout=LONG_S)
    assert cells(ui.segmentCasesTable)[0][1].startswith("done")


def look(window, context, application, process_events) -> None:
    """The overlays are in the scene and can be changed; volumes are told and copied."""
    ui, overlays = window.ui, window.panel.overlays
    loaded = overlays.current
    process_events(until=lambda: ui.overlaysTable.rowCount == 5)
    process_events(until=lambda: ui.volumesTable.rowCount >= 2, timeout=PATIENCE_S)
    for node in (loaded.segmentation, loaded.uncertainty):
        assert context.scene.IsNodePresent(node)
    click(ui.filledLookButton)
    process_events()
    filled = [row.visible_2d for row in overlays.rows]
    click(ui.contoursLookButton)
    process_events()
    assert [row.visible_2d for row in overlays.rows] != filled
    process_events(until=lambda: any(row.visible_3d for row in overlays.rows), timeout=PATIENCE_S)
    click(ui.copyVolumesButton)
    assert "\t" in application.clipboard


def come_back(window, application, process_events) -> None:
    """Another panel, as after a restart: both jobs are listed, the training is shown again with its curves."""
    ui = window.ui
    process_events(until=lambda: ui.jobsTable.rowCount == 2)
    rows = cells(ui.jobsTable)
    assert {(row[1], row[2]) for row in rows} == {("Training", "finished"), ("Segmentation", "finished")}
    assert window.panel.overlays.current is not None
    ui.jobsTable.selectRow([row[1] for row in rows].index("Training"))
    process_events(until=lambda: not greyed(ui.showJobButton))
    click(ui.showJobButton)
    process_events(until=lambda: not greyed(ui.showCurvesButton))
    application.shown.clear()
    click(ui.showCurvesButton)
    (chart,) = [what for name, what in application.shown if name == "show_chart"]
    assert chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetNumberOfRows() > 2
