from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from clicks import choose, click, entries, greyed, tool_tip
from job_fixtures import a_training_job, fake_runner
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pythonqt import unwrap
from training_stage import Environment

from coranet.contract.config import TrainConfig
from coranet.contract.events import Losses, Started, Warned
from CoraNetSlicerLib.core.application import QtTicker
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.data.presenter import CasesPresenter
from CoraNetSlicerLib.logic import CoraNetLogic
from CoraNetSlicerLib.train.presenter import TrainingPresenter
from CoraNetSlicerLib.train.section import TrainSection
from CoraNetSlicerLib.train.training_settings import setting_fields

STEPS = "training.self_training_steps"
TIME = "time"


class Stage:
    """The section with all that is around it."""

    def __init__(self, ui, context, application, logic):
        self.ui, self.context, self.logic = ui, context, logic
        self.parameters = Parameters(context.scene)
        self.environment = Environment()
        self.cases = CasesPresenter(context, self.parameters)
        self.presenter = TrainingPresenter(logic, self.cases, self.environment, self.parameters, application)
        self.section = TrainSection(ui, self.presenter, application)

    def close(self):
        handle = self.presenter.handle
        if handle is not None:
            handle.cancel()
        self.section.cleanup()
        self.presenter.close()
        self.cases.close()
        self.logic.close()


@pytest.fixture
def filled_pages():
    return frozenset({"trainPage"})


@pytest.fixture
def stage_with(ui, context, application, tmp_path, process_events):
    created = []
    ui.advancedSection.collapsed = True

    def make(behaviour: str = "", **settings: str) -> Stage:
        runner = fake_runner(behaviour, **settings)
        logic = CoraNetLogic(context, runner, jobsFolder=tmp_path / "jobs", makeTicker=lambda: QtTicker(20))
        created.append(Stage(ui, context, application, logic))
        process_events()  # rows that were added to a form are shown a moment later
        return created[-1]

    yield make
    for stage in created:
        stage.close()


@pytest.fixture
def stage(stage_with):
    return stage_with()


@pytest.fixture
def advanced(stage, ui, process_events):
    """The section with all settings in sight."""
    ui.advancedSection.collapsed = False
    process_events(until=lambda: not stage.section._adding_rows.is_busy)
    process_events()
    return stage


def field_of(ui, name):
    """The field of a setting."""
    found = [widget for widget in ui.trainSection.findChildren("QWidget") if widget.objectName == name]
    assert len(found) == 1, f"{len(found)} fields of '{name}'"
    return found[0]


def line_of(ui, name):
    """Where the text of a setting is typed: the field itself, or the line of a combo box with proposals."""
    field = field_of(ui, name)
    return field.lineEdit() if field.inherits("QComboBox") else field


def error_of(ui, name) -> str:
    """What is said below the field of a setting; "" if it is hidden."""
    label = field_of(ui, f"{name} error")
    return str(label.text) if label.isVisible() else ""


def test_a_fresh_section_is_short_and_every_button_says_why_it_is_grey(stage, ui):
    assert line_of(ui, TIME).text == "1 h" and entries(field_of(ui, TIME)) == ["20 min", "1 h", "4 h", "8 h"]
    first = ui.basicSettings.layout().itemAt(0).widget()
    assert "Time:" in first.text
    # What is to be done first needs no tool tip.
    assert ui.trainingStatusLabel.text == "Add volumes to the table under Data." and ui.trainingStatusLabel.isVisible()
    assert greyed(ui.trainButton) == greyed(ui.estimateButton) == "Add volumes to the table under Data."
    assert greyed(ui.stopTrainingButton) == "No training is running."
    assert not ui.showSnapshotsButton.isVisible()
    for button in (ui.resumeTrainingButton, ui.showCurvesButton):
        assert greyed(button) == "There is no training yet."
    for label in (ui.trainingErrorLabel, ui.trainingMessagesLabel, ui.trainingNameErrorLabel, ui.trainingPlanLabel):
        assert not label.isVisible()
    assert not ui.presetCombo.isVisible()
    assert entries(field_of(ui, "machine.device")) == ["auto", "cuda", "mps", "cpu"]
    assert field_of(ui, "data.validation_cases").placeholderText == "auto"


def test_presets_and_steps_are_under_advanced(advanced, ui):
    assert ui.presetCombo.isVisible() and ui.presetCombo.currentText == "default"
    assert ui.presetDescriptionLabel.text == advanced.presenter.settings.description != ""
    steps = field_of(ui, "training.pretraining_steps")
    assert (steps.text, steps.placeholderText) == ("", "as many as the time allows")


def test_a_time_is_chosen_with_mouse_and_keys_or_typed(stage, ui, process_events):
    combo, line = unwrap(field_of(ui, TIME)), unwrap(line_of(ui, TIME))
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down):
        QTest.keyClick(combo, key)
    first = combo.currentText()
    assert first in ("4 h", "20 min") and stage.presenter.settings.time == first
    line.selectAll()
    QTest.keyClicks(line, "1")  # is not completed to "1 h"
    assert line.text() == "1" and "1" in error_of(ui, TIME) and stage.presenter.settings.reason_wrong
    QTest.keyClicks(line, "5 min")
    assert (line.text(), error_of(ui, TIME), stage.presenter.settings.time) == ("15 min", "", "15 min")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert len(entries(field_of(ui, TIME))) == 4
    combo.showPopup()
    view = combo.view()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(view.model().index(0, 0)).center())
    process_events()
    assert (line.text(), stage.presenter.settings.time) == ("20 min", "20 min")


def test_what_a_time_may_be_is_said_beside_the_field(stage, ui, some_cases):
    stage.cases.add_scene_volumes()
    line_of(ui, TIME).setText("an hour")
    assert "'an hour'" in error_of(ui, TIME) and "20 min" in error_of(ui, TIME)
    assert greyed(ui.trainButton).startswith("Time ")
    line_of(ui, TIME).setText("2 h")
    assert error_of(ui, TIME) == "" and greyed(ui.trainButton) == ""


def test_typed_steps_take_the_place_of_the_time_and_a_time_that_of_the_steps(advanced, ui):
    line_of(ui, TIME).setText("2 h")
    field_of(ui, STEPS).setText("500")
    line = line_of(ui, TIME)
    assert (line.text, line.placeholderText) == ("", "as many steps as are set under Advanced")
    preset = TrainConfig.from_preset().training
    assert field_of(ui, "training.pretraining_steps").text == str(preset.pretraining_steps)
    assert ui.estimateButton.text == "Estimate time"
    choose(field_of(ui, TIME), "4 h")
    assert field_of(ui, STEPS).text == "" and advanced.presenter.settings.time == "4 h"
    assert ui.estimateButton.text == "Show plan"
    choose(ui.presetCombo, "paper-acdc")
    assert line.text == "4 h"
    line.setText("")
    assert field_of(ui, STEPS).text == "66600"


@pytest.mark.slow
def test_advanced_rows_are_made_when_somebody_looks(stage, ui, process_events):
    section = stage.section
    with pytest.raises(AssertionError, match="0 fields"):
        field_of(ui, "training.learning_rate")
    ui.advancedSection.collapsed = False
    # A few at a time, so that the application answers.
    with pytest.raises(AssertionError, match="0 fields"):
        field_of(ui, "training.learning_rate")
    process_events(until=lambda: not section._adding_rows.is_busy)
    process_events()
    for name in setting_fields():
        assert field_of(ui, name).isVisible(), name
    ui.advancedSection.collapsed = True
    ui.advancedSection.collapsed = False
    assert field_of(ui, "training.learning_rate").text == "0.005"


def test_a_setting_is_found(advanced, ui):
    ui.settingsFilterEdit.setText("learning rate")
    assert field_of(ui, "training.learning_rate").isVisible()
    assert field_of(ui, "training.learning_rate_schedule").isVisible()
    assert not field_of(ui, "training.weight_decay").isVisible() and not field_of(ui, "network.levels").isVisible()
    ui.settingsFilterEdit.setText("nonsense")
    assert not field_of(ui, "training.learning_rate").isVisible()
    ui.settingsFilterEdit.setText("")
    assert field_of(ui, "network.levels").isVisible()


def test_labels_and_tool_tips_come_from_the_settings(stage, ui):
    tip = tool_tip(field_of(ui, "data.validation_cases"))
    assert "set aside for validation" in tip and "Unit: cases." in tip
    assert tool_tip(ui.presetCombo) == "A set of settings for one purpose."


WRONG = [
    (STEPS, "many", "Must be a number (steps), got 'many'; correct it."),
    ("data.validation_cases", "-1", "Must be a value from 0 to 1000 cases, got -1; correct it."),
    ("data.spacing_mm", "1, 1", "Must be 3 values (mm), got [1, 1]; correct it."),
    ("augmentation.flip_axes", "X", "Must be one of L, P, S, got 'X'; correct it."),
    ("training.learning_rate", "2", "Must be a value from 1e-08 to 1, got 2; correct it."),
]


def test_a_wrong_setting_is_said_beside_its_field(advanced, ui):
    for name, text, error in WRONG:
        field_of(ui, name).setText(text)
        assert error_of(ui, name) == error and field_of(ui, name).text == text, name
        field_of(ui, name).setText("")
        assert error_of(ui, name) == "", name


def test_a_wrong_setting_is_in_the_way_of_training(stage, ui, some_cases):
    stage.cases.add_scene_volumes()
    assert greyed(ui.trainButton) == ""
    field_of(ui, "data.validation_cases").setText("many")
    assert greyed(ui.trainButton) == "Validation cases must be a number (cases), got 'many'; correct it."
    field_of(ui, "data.validation_cases").setText("")
    assert greyed(ui.trainButton) == ""


@pytest.mark.slow  # make quick has one of each kind, in the table above
def test_every_typed_setting_says_what_is_wrong_with_nonsense(advanced, ui):
    free_texts = {"data.cache_folder", "training.snapshot_case", "training.initial_model", "plan_of"}
    for name, field in setting_fields().items():
        if not field.choices and name not in free_texts:
            line_of(ui, name).setText("nonsense")
            assert error_of(ui, name).startswith("Must be "), name


def test_what_is_typed_is_trained_with(advanced, ui):
    field_of(ui, STEPS).setText("123")
    choose(field_of(ui, "machine.device"), "cpu")
    choose(field_of(ui, "training.mixing"), "none")
    config = advanced.presenter.settings.config()
    assert (config.training.self_training_steps, config.machine.device, config.training.mixing) == (123, "cpu", "none")


def test_another_preset_changes_all_fields_but_those_a_person_changed(advanced, ui):
    field_of(ui, STEPS).setText("123")
    choose(ui.presetCombo, "quick")
    assert ui.presetDescriptionLabel.text == advanced.presenter.settings.description != ""
    quick = TrainConfig.from_preset("quick").training
    assert field_of(ui, "training.pretraining_steps").text == str(quick.pretraining_steps)
    assert field_of(ui, STEPS).text == "123" and line_of(ui, TIME).text == ""
    assert field_of(ui, "network.decoders").currentText == "classifiers"
    quick = TrainConfig.from_preset("quick", {STEPS: 123}).training
    assert advanced.presenter.settings.config().training.validation_interval == quick.validation_interval


def test_a_scene_brings_its_settings(advanced, ui):
    advanced.parameters.set_value("TrainingSettings", {"preset": "quick", "typed": {STEPS: "77", "seed": "x"}})
    advanced.presenter.restore()
    assert ui.presetCombo.currentText == "quick" and field_of(ui, STEPS).text == "77"
    assert error_of(ui, "seed") == "Must be a number, got 'x'; correct it."


def test_the_name_is_checked_beside_its_field(stage, ui, some_cases):
    stage.cases.add_scene_volumes()
    proposal = "Liver"
    assert ui.trainingNameEdit.text == proposal
    ui.trainingNameEdit.setText("a/b")
    assert ui.trainingNameErrorLabel.isVisible()
    assert ui.trainingNameErrorLabel.text == "A name cannot have /; leave them out." == greyed(ui.trainButton)
    ui.trainingNameEdit.setText("")
    assert ui.trainingNameEdit.text == "" and ui.trainingNameEdit.placeholderText == proposal
    assert not ui.trainingNameErrorLabel.isVisible() and greyed(ui.trainButton) == ""
    ui.trainingNameEdit.setText("mine")
    assert stage.presenter.name == "mine"


def test_from_the_click_to_the_process_are_few_calls_in_few_files(stage, ui, application, some_cases, monkeypatch):
    """Whoever reads the way must not follow more: at most seven calls in four files of the extension."""

    def calls_now() -> list[tuple[str, str]]:
        return [
            (Path(frame.filename).name if "CoraNetSlicerLib" in frame.filename else "", frame.name)
            for frame in traceback.extract_stack()
        ]

    def launch(command, **options):
        at_process.extend(calls_now())
        raise OSError("no process here")

    stage.cases.add_scene_volumes()
    at_click, at_process = [], []
    # From the click until the first piece of work is put off; then from a piece of work to the process.
    monkeypatch.setattr(
        application, "later", lambda action, ms=0: (at_click.append(calls_now()), waiting.append(action))
    )
    monkeypatch.setattr(stage.logic.runner, "_launch", launch)
    waiting: list = []
    click(ui.trainButton)
    while waiting:
        waiting.pop(0)()
    ways = [call for call in at_click if ("section.py", "_train") in call]
    calls = [call for call in dict.fromkeys([*ways[0], *at_process]) if call[0]]
    assert at_process and len(calls) <= 7, calls
    assert len({file for file, _name in calls}) <= 4, calls


@pytest.mark.slow
def test_a_person_trains_stops_resumes_and_reads_what_came_out(stage_with, ui, some_cases, process_events, tmp_path):
    held_by = tmp_path / "held"
    held_by.touch()
    stage = stage_with(FAKE_STEPS="120", FAKE_SECONDS_A_STEP="0.02", FAKE_HELD_BY=str(held_by))
    stage.cases.add_scene_volumes()
    ui.trainingNameEdit.setText("mine")
    click(ui.trainButton)
    assert "Writing" in ui.trainingStatusLabel.text and "running" in greyed(ui.trainButton)
    process_events(until=lambda: stage.presenter.progress > 0)
    assert "mine: Pretraining, step " in ui.trainingStatusLabel.text
    assert ui.trainingStatusLabel.text.endswith(" left of 1 h.")
    assert ui.trainingPlanLabel.text.startswith("Works at 1.4 mm") and "120 steps fit" in ui.trainingPlanLabel.text
    click(ui.showCurvesButton)
    click(ui.stopTrainingButton)
    assert greyed(ui.stopTrainingButton) == "It is stopping already."
    held_by.unlink()
    process_events(until=lambda: ui.resumeTrainingButton.isEnabled())
    stopped_at = stage.presenter.progress
    assert "Stopped after step" in ui.trainingStatusLabel.text and stopped_at > 0
    click(ui.resumeTrainingButton)
    process_events(until=lambda: "Finished" in ui.trainingStatusLabel.text)
    assert stage.presenter.progress == 1.0 > stopped_at
    assert "learned nothing in 120 steps" in ui.trainingStatusLabel.text
    assert greyed(ui.resumeTrainingButton) == "The training is finished." and greyed(ui.trainButton) == ""


def test_curves_are_shown_in_a_plot_view(stage, ui, application, tmp_path):
    job = a_training_job(tmp_path / "jobs" / "old")
    writer = job.open_events()
    for event in (Started(0, 2, "cpu", "0"), Losses(1, "pretraining", 1.0, 1.0)):
        writer.write(event)
    writer.close()
    stage.presenter.attach(stage.logic.attach(job.folder))
    click(ui.showCurvesButton)
    ((what, chart),) = application.shown
    assert what == "show_chart" and chart.GetTitle() == "old: losses"
    assert not ui.showSnapshotsButton.isVisible()


def test_warnings_stand_out_and_are_text_whatever_they_hold(stage, ui, tmp_path):
    job = a_training_job(tmp_path / "jobs" / "old")
    writer = job.open_events()
    writer.write(Started(0, 2, "cpu", "0"))
    writer.write(Warned("label_absent", "no labeled case has '<b>Liver</b>'."))
    writer.close()
    stage.presenter.attach(stage.logic.attach(job.folder))
    text = str(ui.trainingMessagesLabel.text)
    assert ui.trainingMessagesLabel.isVisible() and "Warning:" in text
    assert "&lt;b&gt;Liver" in text and "<b>Liver" not in text


def test_a_failure_and_a_crash_are_told_in_words(stage_with, ui, some_cases, process_events):
    stage = stage_with("dies at once")
    stage.cases.add_scene_volumes()
    click(ui.trainButton)
    process_events(until=lambda: ui.resumeTrainingButton.isEnabled())
    assert "ended unexpectedly" in ui.trainingStatusLabel.text
    assert "No module named 'torch'" in ui.trainingStatusLabel.text


def test_what_is_wrong_with_the_folder_is_said(stage, ui, some_cases, process_events, tmp_path):
    (tmp_path / "jobs").write_text("a file where the folder should be", encoding="utf-8")
    stage.cases.add_scene_volumes()
    click(ui.trainButton)
    process_events(until=lambda: ui.trainingErrorLabel.isVisible())
    assert ui.trainingErrorLabel.text.startswith("The training was not started: ")
    assert not ui.trainingStatusLabel.isVisible()


@pytest.mark.slow
def test_the_time_is_estimated_and_the_estimate_cancelled(stage_with, ui, some_cases, process_events):
    stage = stage_with(FAKE_STEPS="50", FAKE_SECONDS_A_STEP="0.02")
    stage.cases.add_scene_volumes()
    line_of(ui, TIME).setText("")
    click(ui.estimateButton)
    assert ui.estimateButton.text == "Cancel" and ui.estimateLabel.text.endswith("...")
    process_events(until=lambda: "Checking case" in ui.estimateLabel.text)
    click(ui.estimateButton)
    assert ui.estimateButton.text == "Estimate time" and ui.estimateLabel.text == ""
    click(ui.estimateButton)
    process_events(until=lambda: "About " in ui.estimateLabel.text)
    assert ui.estimateButton.text == "Estimate time" and greyed(ui.trainButton) == ""


def test_with_a_time_the_plan_is_shown(stage_with, ui, some_cases, process_events):
    stage = stage_with(FAKE_STEPS="10")
    stage.cases.add_scene_volumes()
    assert ui.estimateButton.text == "Show plan" and "trains in this time" in tool_tip(ui.estimateButton)
    click(ui.estimateButton)
    assert ui.estimateButton.text == "Cancel" and ui.estimateLabel.text == "Planning ..."
    process_events(until=lambda: "10 steps fit into 1 h" in ui.estimateLabel.text)
    assert ui.estimateButton.text == "Show plan" and greyed(ui.trainButton) == ""
    line_of(ui, TIME).setText("2 h")  # a plan of another time is none
    assert ui.estimateLabel.text == ""


def test_after_cleanup_nothing_is_heard(stage, ui):
    stage.section.cleanup()
    ui.trainingNameEdit.setText("later")
    field_of(ui, "data.validation_cases").setText("5")
    assert stage.presenter.settings.overrides == {} and stage.parameters.text("TrainingName") == ""
    stage.presenter.changed.send()
    assert ui.trainingNameEdit.text == "later"
