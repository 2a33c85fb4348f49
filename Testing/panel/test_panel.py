"""The panel as a whole: who hears of what happens in another section, and what it finds when it is opened."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from clicks import cells, click
from fake_jobs import a_segmentation, a_training
from form import child_widget_variables, load_ui, open_everything
from job_fixtures import LogicOfFakeEngine, a_running_training, a_training_job, fake_runner, until_its_jobs_end
from patience import PATIENCE_S
from scene_builders import SHAPE_KJI, add_volume

from coranet.contract import JobKind, JobStatus
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.panel import Panel, _running_segmentation, _state_of


@pytest.fixture(autouse=True)
def an_empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture(autouse=True)
def no_check(request, monkeypatch):
    """The engine's Python is checked in one test alone: it takes seconds."""
    if "that_was_checked" not in request.node.name:
        monkeypatch.setattr("CoraNetSlicerLib.environment.presenter.EnvironmentPresenter.check", lambda _: None)


@pytest.fixture
def logic(context, awkward_path):
    logic = LogicOfFakeEngine(context, fake_runner(), awkward_path / "jobs", makeTicker=lambda: QtTicker(50))
    yield from until_its_jobs_end(logic)


@pytest.fixture
def open_panel(context, logic, application):
    """Opens a panel with a form of its own, as an application does that is started anew; closes it in the end."""
    opened = []

    def open_one(logic=logic):
        form = load_ui()
        form.setMRMLScene(context.scene)
        form.resize(440, 800)
        form.setUpdatesEnabled(False)
        form.show()
        ui = child_widget_variables(form)
        open_everything(ui)
        panel = Panel(ui, logic, application)
        opened.append((panel, form))
        return panel

    yield open_one
    for panel, form in opened:
        panel.cleanup()
        form.setMRMLScene(None)


def ui_of(panel):
    return panel._jobs_section._ui


class TestOpening:
    def test_an_untouched_scene_stays_untouched(self, open_panel, context):
        before = context.scene.GetNumberOfNodes()
        open_panel()
        assert context.scene.GetNumberOfNodes() == before

    @pytest.mark.slow
    def test_a_training_that_runs_is_in_sight_at_once(self, open_panel, logic, process_events):
        job = a_running_training(logic)
        panel = open_panel()
        assert panel.training.handle.folder == job.folder
        before = panel.training.handle.progress
        process_events(until=lambda: panel.training.handle.progress > before)

    def test_a_training_that_is_over_is_left_in_the_list(self, open_panel, logic):
        a_training(logic.jobsFolder / "old")
        panel = open_panel()
        assert panel.training.handle is None
        assert [row.name for row in panel.jobs.rows] == ["old"]

    @pytest.mark.slow
    def test_what_the_scene_remembers_comes_before_what_runs(self, open_panel, logic):
        old = a_training(logic.jobsFolder / "old")
        first = open_panel()
        first.open_job(logic.attach(old.folder))
        a_running_training(logic)
        assert open_panel().training.handle.folder == old.folder

    @pytest.mark.slow
    def test_a_second_panel_takes_over_with_its_curves(self, open_panel, logic, context, application, process_events):
        job = a_running_training(logic)
        first = open_panel()
        process_events(until=lambda: first.training.handle.progress > 0)
        first.cleanup()
        logic.close()
        anew = LogicOfFakeEngine(context, fake_runner(), logic.jobsFolder, makeTicker=lambda: QtTicker(50))
        second = open_panel(anew)
        assert second.training.handle.folder == job.folder
        assert second.training.handle.status is JobStatus.RUNNING
        process_events(until=lambda: not second.training.reason_no_curves)
        click(ui_of(second).showCurvesButton)
        (chart,) = [what for name, what in application.shown if name == "show_chart"]
        table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
        assert table.GetNumberOfRows() > 1
        anew.close()


class TestWiring:
    def test_a_job_is_shown_in_its_section(self, open_panel, logic):
        training = a_training(logic.jobsFolder / "training")
        segmentation = a_segmentation(logic.jobsFolder / "segmentation")
        panel = open_panel()
        ui = ui_of(panel)
        for job in (training, segmentation):
            row = [line[0] for line in cells(ui.jobsTable)].index(job.folder.name)
            ui.jobsTable.selectRow(row)
            click(ui.showJobButton)
        assert panel.training.handle.folder == training.folder
        assert panel.segmentation.handle.folder == segmentation.folder

    @pytest.mark.slow
    def test_a_training_that_ends_is_in_list_and_models(self, open_panel, logic, process_events, monkeypatch):
        panel = open_panel()
        refreshed = []
        monkeypatch.setattr(panel.segmentation.models, "refresh", lambda: refreshed.append(1))
        job = a_training_job(logic.jobsFolder / "short")
        handle = logic.attach(job.folder)
        handle.resume()
        panel.open_job(handle)
        process_events(until=lambda: handle.status.is_over)
        process_events(until=lambda: refreshed)
        assert [row.state for row in panel.jobs.rows] == ["finished"]

    def test_another_jobs_folder_brings_other_models(self, open_panel, tmp_path):
        a_training(tmp_path / "elsewhere" / "a model")
        panel = open_panel()
        assert list(panel.segmentation.models.entries) == []
        panel.jobs.set_folder(str(tmp_path / "elsewhere"))
        assert [model.name for model in panel.segmentation.models.entries] == ["a model"]

    @pytest.mark.slow
    def test_jobs_run_with_the_python_that_was_checked(self, open_panel, logic, process_events):
        panel = open_panel()
        process_events(until=lambda: panel.environment.interpreter is not None, timeout=PATIENCE_S)
        process_events(until=lambda: getattr(logic, "interpreters", []))
        assert logic.interpreters[-1] == panel.environment.interpreter


class TestTheScene:
    @pytest.mark.slow
    def test_closing_the_scene_empties_the_sections(self, open_panel, context, process_events):
        panel = open_panel()
        add_volume(context, "Patient 1", np.zeros(SHAPE_KJI, np.int16), np.eye(4))
        process_events(until=lambda: not panel.cases.reason_not_addable)
        process_events()
        click(ui_of(panel).addVolumesButton)
        assert len(panel.cases.rows) == 1
        context.scene.Clear(0)
        panel.restore()
        assert panel.cases.rows == ()
        assert cells(ui_of(panel).casesTable) == []

    def test_a_running_training_stays_in_sight_when_the_scene_is_closed(self, open_panel, logic, context):
        job = a_running_training(logic)
        panel = open_panel()
        context.scene.Clear(0)
        panel.restore()
        assert panel.training.handle.folder == job.folder

    @pytest.mark.slow
    def test_it_comes_back_with_the_scene(self, open_panel, logic, context, process_events):
        old = a_training(logic.jobsFolder / "old")
        panel = open_panel()
        add_volume(context, "Patient 1", np.zeros(SHAPE_KJI, np.int16), np.eye(4))
        process_events(until=lambda: not panel.cases.reason_not_addable)
        process_events()
        click(ui_of(panel).addVolumesButton)
        panel.open_job(logic.attach(old.folder))
        panel.cleanup()
        again = open_panel()
        assert [row.name for row in again.cases.rows] == ["Patient 1"]
        assert again.training.handle.folder == old.folder


class TestClosing:
    def test_what_only_measures_keeps_nobody_from_closing(self, open_panel, logic, monkeypatch):
        work = logic.attach(a_running_training(logic).folder)
        panel = open_panel()
        measuring = logic.attach(a_running_training(logic, "measuring").folder)
        monkeypatch.setattr(panel.training.estimate, "_handle", measuring)
        assert [job.folder for job in panel.running_jobs()] == [work.folder]

    def test_after_cleaning_up_nothing_happens(self, open_panel, logic, context, process_events, slot_errors):
        a_running_training(logic)
        panel = open_panel()
        panel.cleanup()
        panel.cleanup()
        before = cells(ui_of(panel).jobsTable)
        a_training(logic.jobsFolder / "late")
        add_volume(context, "Patient 1", np.zeros(SHAPE_KJI, np.int16), np.eye(4))
        ui_of(panel).addVolumesButton.click()
        ui_of(panel).refreshJobsButton.click()
        process_events()
        assert cells(ui_of(panel).jobsTable) == before
        assert cells(ui_of(panel).casesTable) == []
        assert slot_errors == []

    def test_out_of_sight_the_list_of_jobs_rests(self, open_panel, logic):
        panel = open_panel()
        click(ui_of(panel).jobsStep)
        assert panel.jobs._is_watched
        panel.set_active(False)
        assert not panel.jobs._is_watched
        panel.set_active(True)
        assert panel.jobs._is_watched
        click(ui_of(panel).dataStep)
        assert not panel.jobs._is_watched

    def test_a_job_of_a_kind_goes_to_its_section(self, open_panel, logic):
        panel = open_panel()
        handle = logic.attach(a_training(logic.jobsFolder / "one").folder)
        assert handle.kind is JobKind.TRAIN
        panel.open_job(handle)
        assert panel.training.handle is handle


class TestTheStrip:
    @pytest.mark.slow
    def test_a_training_that_runs_is_on_every_page_and_is_stopped_there(self, open_panel, logic, process_events):
        job = a_running_training(logic)
        panel = open_panel()
        ui = ui_of(panel)
        assert panel.pages.current == "train"
        for step in (ui.dataStep, ui.jobsStep, ui.environmentStep):
            click(step)
            assert ui.runningRow.isVisible() and ui.runningLabel.text == "Training"
        click(ui.stopRunningButton)
        assert panel.calls.last == f'logic.attach("{job.folder.as_posix()}").cancel()'
        process_events(until=lambda: not ui.runningRow.isVisible())
        assert "Stopped" in panel.activities.message

    def test_a_segmentation_that_runs_and_is_nowhere_shown_opens_the_jobs(self, open_panel, logic, monkeypatch):
        job = a_segmentation(logic.jobsFolder / "batch", "running")
        with monkeypatch.context() as patch:
            patch.setattr(logic, "runningJobs", lambda: [logic.attach(job.folder)])
            panel = open_panel()
        assert (panel.pages.current, panel.jobs.chosen) == ("jobs", job.folder)
        # Its process is said to be this one, which the fixture would end.
        panel.cleanup()
        shutil.rmtree(job.folder)

    def test_a_result_is_announced_on_the_page_where_it_is_reviewed(self, open_panel, logic):
        panel = open_panel()
        panel._tell_of_news("review", None)
        assert ui_of(panel).reviewStep.text == "4 Review \u2022"
        click(ui_of(panel).reviewStep)
        assert ui_of(panel).reviewStep.text == "4 Review"

    def test_what_is_missing_is_said_with_its_first_reason(self):
        findings = [SimpleNamespace(text="PyTorch is missing."), SimpleNamespace(text="MONAI is missing.")]
        environment = SimpleNamespace(summary="Not ready:", has_error=True, findings=findings)
        assert _state_of(environment) == "Not ready: PyTorch is missing."
        environment.has_error = False
        assert _state_of(environment) == "Not ready:"

    def test_results_that_are_being_loaded_are_said_so(self):
        segmentation = SimpleNamespace(is_active=False, is_loading=True)
        activity = _running_segmentation(segmentation)
        assert (activity.name, activity.share) == ("Loading", None) and activity.reason_not_stoppable
        segmentation.is_loading = False
        assert _running_segmentation(segmentation) is None
