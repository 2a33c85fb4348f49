"""The panel shows a job as it is, and its buttons do what they say."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from job_fixtures import a_training_job, fake_runner, wait_until
from panel_stand_ins import Ui
from synthetic_predictions import write_segmented_job

from coranet.job import JobStatus
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.resources import resource_path
from CoraNetSlicerLib.widget import JobPanel


def ui_file() -> ElementTree.Element:
    return ElementTree.parse(resource_path("UI/CoraNetSlicer.ui")).getroot()


def property_of(name: str, key: str) -> str:
    return ui_file().find(f".//widget[@name='{name}']/property[@name='{key}']/string").text


class Panel:
    """A JobPanel with stand-ins for everything around it."""

    def __init__(self, context, folder, runner) -> None:
        self.ui = Ui(widget.get("name") for widget in ui_file().iter("widget"))
        self.errors, self.charts = [], []
        self.logic = CoraNetLogic(context, runner, folder)
        self.panel = JobPanel(self.ui, self.logic, self.errors.append, self.charts.append)

    def choose(self, folder) -> None:
        self.ui.jobFolderEdit.currentPathChanged.send(str(folder))

    def enabled(self) -> set[str]:
        names = ("stopButton", "resumeButton", "loadButton", "curvesButton")
        return {name for name in names if getattr(self.ui, name).enabled}

    def poll_until(self, status: JobStatus) -> None:
        wait_until(lambda: self.panel.handle.poll() is status)


@pytest.fixture
def make_panel(context, awkward_path):
    return lambda behaviour="", **settings: Panel(context, awkward_path, fake_runner(behaviour, **settings))


def test_without_a_job_nothing_can_be_pressed(make_panel, tmp_path):
    panel = make_panel()
    assert panel.enabled() == set()
    panel.choose(tmp_path)
    assert panel.enabled() == set()
    assert panel.ui.statusLabel.text == "Choose the folder of a job."


def test_a_job_is_started_watched_stopped_and_resumed(make_panel, awkward_path):
    panel = make_panel(FAKE_STEPS="10000")
    panel.choose(a_training_job(awkward_path / "job").folder)
    assert panel.ui.statusLabel.text == "train: created"
    assert panel.enabled() == {"resumeButton", "curvesButton"}
    panel.ui.resumeButton.click()
    assert panel.enabled() == {"stopButton", "curvesButton"}
    wait_until(lambda: panel.panel.handle.poll() and panel.ui.progressBar.value > 0)
    assert "running, pretraining, 0%, " in panel.ui.statusLabel.text
    assert panel.ui.statusLabel.text.endswith(" left")
    panel.ui.stopButton.click()
    panel.poll_until(JobStatus.CANCELLED)
    assert panel.ui.statusLabel.text == "train: cancelled; stopped on request; it can be resumed."
    assert panel.enabled() == {"resumeButton", "curvesButton"}
    assert panel.errors == []


def test_a_finished_job_says_what_came_out(make_panel, awkward_path):
    panel = make_panel()
    panel.choose(a_training_job(awkward_path / "job").folder)
    panel.ui.resumeButton.click()
    panel.poll_until(JobStatus.FINISHED)
    assert panel.ui.statusLabel.text == "train: finished; learned nothing in 5 steps: größer als 0."
    assert panel.ui.progressBar.value == panel.ui.progressBar.maximum
    assert panel.enabled() == {"curvesButton"}
    panel.ui.curvesButton.click()
    panel.ui.curvesButton.click()
    assert [chart.GetClassName() for chart in panel.charts] == ["vtkMRMLPlotChartNode"] * 2


def test_a_crash_shows_the_log(make_panel, awkward_path):
    panel = make_panel("dies at once")
    panel.choose(a_training_job(awkward_path / "job").folder)
    panel.ui.resumeButton.click()
    panel.poll_until(JobStatus.CRASHED)
    assert "No module named 'torch'" in panel.ui.statusLabel.text
    assert "No module named 'torch'" in panel.ui.logText.plainText
    assert "resumeButton" in panel.enabled()


def test_results_of_a_segmentation_are_loaded(make_panel, context, awkward_path):
    panel = make_panel()
    panel.choose(write_segmented_job(awkward_path / "segment 1").folder)
    assert "loadButton" in panel.enabled()
    panel.ui.loadButton.click()
    assert context.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    assert panel.errors == []


def test_what_goes_wrong_is_shown_in_a_sentence(make_panel, awkward_path):
    panel = make_panel()
    panel.choose(a_training_job(awkward_path / "job").folder)
    panel.ui.curvesButton.click()
    assert panel.errors == [f"'{awkward_path / 'job'}' has told no losses yet; wait until the first steps are done."]
    (job_file,) = (path for path in (awkward_path / "job").glob("*.json") if "kind" in path.read_text(encoding="utf-8"))
    job_file.write_text("{", encoding="utf-8")
    panel.choose(awkward_path / "job")
    assert "cannot be read as JSON" in panel.errors[-1]
    assert panel.enabled() == set()


def test_choosing_another_folder_lets_the_first_job_go_on(make_panel, awkward_path, tmp_path):
    panel = make_panel(FAKE_STEPS="10000")
    panel.choose(a_training_job(awkward_path / "job").folder)
    panel.ui.resumeButton.click()
    first = panel.panel.handle
    panel.choose(tmp_path)
    assert panel.panel.handle is None
    assert first.status is JobStatus.RUNNING
    first.cancel(graceSeconds=5)
    first.wait(30)


def test_cleaning_up_disconnects_every_widget(make_panel):
    panel = make_panel()
    panel.panel.cleanup()
    for widget in vars(panel.ui).values():
        assert widget.clicked.receivers == widget.currentPathChanged.receivers == []


def test_the_example_in_the_panel_runs(context, awkward_path, a_labeled_case, make_labeled_case, monkeypatch):
    from scene_builders import LIVER_MASK

    make_labeled_case("Patient 2", {"Liver": LIVER_MASK})
    logic = CoraNetLogic(context, fake_runner(), awkward_path)
    shown = []
    monkeypatch.setattr(logic, "loadResults", shown.append)

    def train(*arguments, **more):
        job = CoraNetLogic.train(logic, *arguments, **more)
        job.job.model_folder.mkdir()
        return job

    monkeypatch.setattr(logic, "train", train)
    example = property_of("consoleText", "plainText").split("\n", 2)
    assert example[:2] == ["from CoraNetSlicer import CoraNetSlicerLogic", "logic = CoraNetSlicerLogic()"]
    exec(example[2], {"logic": logic, "getNode": context.scene.GetFirstNodeByName, "print": lambda *_: None})
    assert shown[0].status is JobStatus.FINISHED
