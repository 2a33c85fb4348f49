"""Every button that has a console call says so: in a list that can be copied, ready to be pasted."""

from __future__ import annotations

import pytest
from clicks import cells, click, greyed
from fake_jobs import a_segmentation, a_training
from job_fixtures import LogicOfFakeEngine, fake_runner, until_its_jobs_end

from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.panel import Panel


@pytest.fixture
def logic(context, awkward_path):
    runner = fake_runner(FAKE_STEPS="100000")
    logic = LogicOfFakeEngine(context, runner, awkward_path / "jobs", makeTicker=lambda: QtTicker(30))
    yield from until_its_jobs_end(logic)


@pytest.fixture
def panel(ui, logic, application, monkeypatch):
    presenter = "CoraNetSlicerLib.environment.presenter.EnvironmentPresenter"
    monkeypatch.setattr(f"{presenter}.check", lambda _: None)
    monkeypatch.setattr(f"{presenter}.reason_not_ready", "")
    panel = Panel(ui, logic, application)
    yield panel
    panel.cleanup()


def choose_job(ui, name):
    rows = [row[0] for row in cells(ui.jobsTable)]
    ui.jobsTable.selectRow(rows.index(name))


def test_before_any_button_there_is_nothing_to_copy(panel, ui):
    assert greyed(ui.copyCallsButton) == "No button has been pressed yet."
    assert ui.callsText.toPlainText() == ""


@pytest.mark.slow
def test_a_training_and_its_end(panel, some_cases, logic, ui, process_events):
    process_events(until=ui.addVolumesButton.isEnabled)
    click(ui.addVolumesButton)
    process_events(until=ui.trainButton.isEnabled)
    name = ui.trainingNameEdit.text
    click(ui.trainButton)
    call = panel.calls.last
    assert call.startswith(
        'logic.train([(slicer.mrmlScene.GetFirstNodeByName("patient 0"), '
        'slicer.mrmlScene.GetFirstNodeByName("patient 0 truth")), '
    )
    assert call.endswith(
        f', [slicer.mrmlScene.GetFirstNodeByName("patient 9")], settings={{"time": "1 h", '
        f'"training.snapshot_interval": None}}, folder="{(logic.jobsFolder / name).as_posix()}", '
        'segmentNames=["Liver"])'
    )
    process_events(until=lambda: panel.training.handle is not None)
    process_events(until=ui.stopTrainingButton.isEnabled)
    click(ui.stopTrainingButton)
    folder = panel.training.handle.folder.as_posix()
    assert panel.calls.last == f'logic.attach("{folder}").cancel()'
    process_events(until=ui.resumeTrainingButton.isEnabled)
    click(ui.resumeTrainingButton)
    assert panel.calls.last == f'logic.attach("{folder}").resume()'


@pytest.mark.slow
def test_a_segmentation(panel, some_cases, logic, ui, process_events):
    model = a_training(logic.jobsFolder / "model").folder
    panel.segmentation.models.refresh()
    ui.segmentVolumeSelector.setCurrentNodeIndex(2)
    process_events(until=ui.segmentButton.isEnabled)
    click(ui.segmentButton)
    volume = ui.segmentVolumeSelector.currentNode().GetName()
    assert panel.calls.last == (
        f'logic.segment([slicer.mrmlScene.GetFirstNodeByName("{volume}")], "{model.as_posix()}")'
    )
    process_events(until=lambda: panel.segmentation.handle is not None)
    process_events(until=ui.cancelSegmentationButton.isEnabled)
    click(ui.cancelSegmentationButton)
    assert panel.calls.last == f'logic.attach("{panel.segmentation.handle.folder.as_posix()}").cancel()'


def test_jobs(panel, logic, ui, application, process_events):
    a_training(logic.jobsFolder / "stopped", "stopped")
    a_segmentation(logic.jobsFolder / "seen")
    click(ui.refreshJobsButton)
    choose_job(ui, "seen")
    click(ui.showJobButton)
    assert panel.calls.last == f'logic.attach("{(logic.jobsFolder / "seen").as_posix()}")'
    application.answers["confirm"] = [False, True]
    click(ui.deleteJobButton)
    assert panel.calls.last.startswith("logic.attach("), "nothing was deleted"
    click(ui.deleteJobButton)
    assert panel.calls.last == f'logic.deleteJob("{(logic.jobsFolder / "seen").as_posix()}")'
    choose_job(ui, "stopped")
    click(ui.resumeJobButton)
    assert panel.calls.last == f'logic.attach("{(logic.jobsFolder / "stopped").as_posix()}").resume()'


def test_the_lines_are_copied_and_shown(panel, logic, ui, application, process_events):
    a_segmentation(logic.jobsFolder / "seen")
    click(ui.refreshJobsButton)
    choose_job(ui, "seen")
    click(ui.callsStep)
    click(ui.showJobButton)
    assert ui.callsText.toPlainText() == "", "not painted while it is hidden"
    click(ui.callsStep)
    assert ui.callsSection.isVisible()
    lines = ui.callsText.toPlainText().splitlines()
    assert lines[0].startswith("logic = ") and lines[1].startswith("logic.attach(")
    click(ui.copyCallsButton)
    assert application.clipboard.splitlines() == lines
