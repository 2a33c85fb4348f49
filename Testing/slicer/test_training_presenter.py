"""The section Train without widgets, with a real background process."""

from __future__ import annotations

import pytest
from job_fixtures import a_training_job
from patience import wait_until
from training_stage import a_job_of_events

from coranet.contract.errors import JobError
from coranet.contract.events import (
    Cancelled,
    Failed,
    Finished,
    Progress,
    Started,
)
from CoraNetSlicerLib.core.parameters import Parameters

# -- before a training -------------------------------------------------------------------------------------------------


def test_before_the_first_training_every_button_says_why_not(stage_with):
    presenter = stage_with().presenter
    assert presenter.status == "" and presenter.progress == 0 and presenter.messages == ()
    assert presenter.reason_not_startable == "Add volumes to the table under Data."
    assert presenter.reason_not_stoppable == "No training is running."
    assert presenter.reason_not_resumable == presenter.reason_no_curves == "There is no training yet."
    assert not presenter.views.has_snapshots
    with pytest.raises(JobError, match="Add volumes to the table"):
        presenter.start()
    with pytest.raises(JobError, match="There is no training yet"):
        presenter.resume()
    presenter.stop()
    presenter.views.show_curves()
    presenter.views.show_snapshots()


def test_environment_cases_settings_and_name_can_each_be_in_the_way(stage):
    presenter = stage.presenter
    assert presenter.reason_not_startable == "" == presenter.reason_not_estimable
    presenter.set_name("a/b")
    assert presenter.reason_not_startable == presenter.name_error == "A name cannot have /; leave them out."
    presenter.settings.set_text("training.learning_rate", "fast")
    assert presenter.reason_not_startable == "Learning rate must be a number, got 'fast'; correct it."
    stage.environment.reason_not_ready = "PyTorch is missing."
    assert presenter.reason_not_startable == presenter.reason_not_estimable == "PyTorch is missing."


def test_news_of_environment_cases_and_settings_are_passed_on(stage):
    received = []
    stage.presenter.changed.connect(lambda: received.append(1))
    for change in (
        stage.environment.changed.send,
        stage.cases.changed.send,
        lambda: stage.presenter.settings.set_text("seed", "3"),
        lambda: stage.presenter.set_name("x"),
    ):
        before = len(received)
        change()
        assert len(received) == before + 1
    stage.presenter.close()
    stage.cases.changed.send()
    assert len(received) == 4


def test_the_name_is_a_proposal_until_a_person_types_one(stage, tmp_path):
    presenter = stage.presenter
    assert presenter.name == "Liver" and presenter.name_error == ""
    (tmp_path / "jobs" / "Liver").mkdir(parents=True)
    assert presenter.name == "Liver 2"
    presenter.set_name("mine")
    assert presenter.name == "mine" == stage.parameters.text("TrainingName")
    presenter.set_name("")
    assert presenter.name == "Liver 2"


# -- a training --------------------------------------------------------------------------------------------------------


def test_a_training_is_written_in_pieces_started_and_watched_to_its_end(stage):
    presenter, received = stage.presenter, []
    presenter.changed.connect(lambda: received.append((presenter.status, presenter.progress)))
    presenter.set_name("mine")
    presenter.start()
    assert presenter.handle is None and "Writing the files of 'mine'" in presenter.status
    assert "running" in presenter.reason_not_startable and presenter.reason_not_stoppable == ""
    stage.application.do()
    assert any(status == "Writing case 4 of 4 ..." for status, _ in received)
    assert stage.signals == ["started"] and presenter.handle.job.read_config() == presenter.settings.config()
    assert "running" in presenter.reason_not_startable and presenter.reason_not_resumable == "The training is running."
    # Not the name of the next one.
    assert presenter.name == "mine" and presenter.name_error == ""
    stage.poll_until_over()
    assert stage.signals == ["started", "ended"]
    assert presenter.progress == 1 and received[-1][1] == 1
    assert presenter.status == (
        "mine: Finished: learned nothing in 5 steps: größer als 0. The model can be chosen under Segment."
    )
    assert presenter.reason_not_resumable == "The training is finished."
    # The next one has a name of its own.
    assert presenter.name != "mine" and presenter.reason_not_startable == ""


def test_progress_moves_while_it_runs(stage_with, some_cases):
    stage = stage_with(FAKE_STEPS="1000", FAKE_SECONDS_A_STEP="0.01")
    stage.cases.add_scene_volumes()
    stage.presenter.start()
    stage.application.do()
    assert stage.presenter.status.endswith("Starting: loading PyTorch and checking the data.")
    handle = stage.presenter.handle
    wait_until(lambda: handle.poll() and stage.presenter.progress > 0)
    first = stage.presenter.progress
    assert "Pretraining, step " in stage.presenter.status and " of 1000, " in stage.presenter.status
    assert stage.presenter.status.endswith(" left of 1 h.")
    assert stage.presenter.plan == (
        "Works at 1.4 mm; finer would leave only 300 steps.", "1000 steps fit into 1 h on this CPU."
    )  # fmt: skip
    wait_until(lambda: handle.poll() and stage.presenter.progress > first)


@pytest.mark.slow
def test_it_is_stopped_and_resumed(stage_with, some_cases, tmp_path):
    held_by = tmp_path / "held"
    held_by.touch()
    stage = stage_with(FAKE_STEPS="60", FAKE_SECONDS_A_STEP="0.02", FAKE_HELD_BY=str(held_by))
    stage.cases.add_scene_volumes()
    presenter = stage.presenter
    presenter.start()
    stage.application.do()
    handle = presenter.handle
    wait_until(lambda: handle.poll() and presenter.progress > 0)
    presenter.stop()
    assert "Stopping: what was learned is being saved." in presenter.status
    assert presenter.reason_not_stoppable == "It is stopping already."
    held_by.unlink()
    stage.poll_until_over()
    assert "Stopped after step" in presenter.status and "Resume continues from there, " in presenter.status
    assert presenter.status.endswith(" left of 1 h.") and presenter.plan[1] == "60 steps fit into 1 h on this CPU."
    assert 0 < presenter.progress < 1 and presenter.reason_not_resumable == ""
    stage.environment.reason_not_ready = "PyTorch is missing."
    assert presenter.reason_not_resumable == "PyTorch is missing."
    stage.environment.reason_not_ready = ""
    presenter.resume()
    assert presenter.handle is not handle and presenter.handle.folder == handle.folder
    stage.poll_until_over()
    assert stage.signals == ["started", "ended", "started", "ended"]
    assert presenter.progress == 1


def test_a_start_can_be_stopped_while_files_are_written(stage, tmp_path):
    stage.presenter.start()
    stage.application.waiting.pop(0)()
    stage.application.waiting.pop(0)()
    stage.presenter.stop()
    stage.application.do()
    assert stage.presenter.handle is None
    assert stage.presenter.status == "Stopped before the training began. Its files were removed."
    assert stage.presenter.reason_not_startable == "" and stage.signals == []
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / "jobs"] == []


def test_what_goes_wrong_while_files_are_written_is_said(stage, tmp_path):
    (tmp_path / "jobs").write_text("a file where the folder should be", encoding="utf-8")
    stage.presenter.start()
    stage.application.do()
    assert stage.presenter.error.startswith("The training was not started: ") and "jobs" in stage.presenter.error
    assert stage.presenter.handle is None and stage.signals == []
    (tmp_path / "jobs").unlink()
    stage.presenter.start()
    assert stage.presenter.error == ""


def test_the_volumes_know_which_case_they_are(stage, some_cases):
    stage.presenter.set_name("mine")
    stage.presenter.start()
    stage.application.do()
    job = stage.presenter.handle.job
    assert job.folder.name == "mine"
    assert some_cases.GetAttribute("CoraNetSlicer.Case") == f"{job.identifier}/patient_9"


def test_the_estimate_is_begun_and_gives_way_to_the_training(stage):
    presenter = stage.presenter
    presenter.measure()
    assert presenter.estimate.is_running
    presenter.start()
    assert not presenter.estimate.is_running
    with pytest.raises(JobError, match="takes time and memory"):
        presenter.measure()


# -- how it ended ------------------------------------------------------------------------------------------------------


def test_a_failed_training_says_why_and_can_be_resumed(stage_with, some_cases):
    stage = stage_with("fails")
    stage.cases.add_scene_volumes()
    stage.presenter.start()
    stage.application.do()
    stage.poll_until_over()
    assert stage.presenter.status.endswith("Failed: The label 'x.nrrd' has no voxel; paint one.")
    assert stage.presenter.reason_not_resumable == "" and stage.signals == ["started", "ended"]


def test_the_end_of_a_training_that_is_over_before_it_can_be_followed_is_told(stage_with, some_cases, monkeypatch):
    stage = stage_with("fails")
    watch = stage.logic.watch

    def watch_late(process):
        wait_until(lambda: process.status().is_over)
        return watch(process)

    monkeypatch.setattr(stage.logic, "watch", watch_late)
    stage.cases.add_scene_volumes()
    stage.presenter.start()
    stage.application.do()
    stage.poll_until_over()
    assert stage.signals == ["started", "ended"]


def test_a_crashed_training_shows_the_end_of_its_log(stage_with, some_cases):
    stage = stage_with("dies at once")
    stage.cases.add_scene_volumes()
    stage.presenter.start()
    stage.application.do()
    stage.poll_until_over()
    first, *log = stage.presenter.status.splitlines()
    assert first.endswith("ended unexpectedly. Resume continues from the last checkpoint. Its log ends with:")
    assert "No module named 'torch' (ÄÖÜ)" in log[-1]


@pytest.mark.parametrize(
    ("events", "share", "message"),
    [
        ([Started(0, 10, "cpu", "0"), Progress("self-training", 4, 10, 60.0), Cancelled(4)], 0.4, "after step 4."),
        (
            [Started(0, 10, "cpu", "0"), Progress("finding", 4, 9, 8.0), Cancelled(0)],
            0.0,
            "Resume continues from there.",
        ),
        ([Started(0, 10, "cpu", "0"), Failed("no room on the disk.")], 0.0, "Failed: No room on the disk."),
        ([Started(5, 10, "cpu", "0"), Progress("preparing", 3, 3, 0.0)], 0.5, "last line"),
        ([Started(0, 10, "cpu", "0"), Finished("done.", 3.0)], 1.0, "Finished: done."),
    ],
    ids=["stopped", "stopped early", "failed", "crashed", "finished"],
)
def test_a_training_of_another_day_is_shown_as_it_ended(stage_with, tmp_path, events, share, message):
    stage = stage_with()
    job = a_job_of_events(tmp_path / "jobs" / "old", *events)
    stage.presenter.attach(stage.logic.attach(job.folder))
    assert message in stage.presenter.status and stage.presenter.progress == share
    assert stage.signals == []


def test_a_training_that_was_never_started_can_be(stage_with, tmp_path):
    stage = stage_with()
    stage.presenter.attach(stage.logic.attach(a_training_job(tmp_path / "jobs" / "new").folder))
    assert stage.presenter.status == "new: Not started yet. Resume starts it."
    stage.presenter.resume()
    stage.poll_until_over()
    assert stage.presenter.progress == 1


# -- the scene remembers -----------------------------------------------------------------------------------------------


def test_a_second_panel_attaches_to_the_training_that_runs(stage_with, some_cases):
    first = stage_with(FAKE_STEPS="100", FAKE_SECONDS_A_STEP="0.05")
    first.cases.add_scene_volumes()
    first.presenter.start()
    first.application.do()
    wait_until(lambda: first.presenter.handle.poll() and first.presenter.progress > 0)
    folder = first.presenter.handle.folder
    first.presenter.close()
    second = stage_with()
    assert second.presenter.handle.folder == folder and second.presenter.progress > 0
    assert "running" in second.presenter.reason_not_startable
    second.presenter.stop()
    second.poll_until_over()
    assert second.signals == ["ended"] and "Stopped after step" in second.presenter.status


@pytest.mark.parametrize("remembered", ["/no/such/folder", "."])
def test_a_training_that_is_gone_is_none(stage_with, context, remembered):
    Parameters(context.scene).set_text("TrainingFolder", remembered)
    assert stage_with().presenter.status == ""


def test_a_damaged_training_is_said(stage_with, context, tmp_path):
    job = a_training_job(tmp_path / "jobs" / "damaged")
    (next(path for path in job.folder.iterdir() if path.name.startswith("job"))).write_text("{", encoding="utf-8")
    Parameters(context.scene).set_text("TrainingFolder", str(job.folder))
    assert "cannot be read as JSON" in stage_with().presenter.error


def test_an_ended_training_leaves_with_its_scene(stage_with, context, tmp_path):
    stage = stage_with()
    job = a_job_of_events(tmp_path / "jobs" / "old", Started(0, 10, "cpu", "0"), Finished("done.", 3.0))
    stage.presenter.attach(stage.logic.attach(job.folder))
    stage.presenter.restore()
    assert stage.presenter.handle is not None
    context.scene.Clear()
    stage.presenter.restore()
    assert stage.presenter.handle is None and stage.presenter.status == ""
