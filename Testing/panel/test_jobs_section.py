"""The section Jobs by clicking: what is listed, which buttons can be clicked, and what they do."""

from __future__ import annotations

import shutil
import time

import pytest
from clicks import cells, click, greyed
from job_fixtures import a_running_training, a_training_job, fake_runner, until_its_jobs_end
from patience import PATIENCE_S, wait_until

from coranet.contract import Job, JobStatus, ProcessIdentity
from coranet.contract.events import Cancelled, Finished, Started
from CoraNetSlicerLib.jobs.presenter import JobsPresenter
from CoraNetSlicerLib.jobs.section import JobsSection
from CoraNetSlicerLib.logic import CoraNetLogic


@pytest.fixture
def filled_pages():
    return frozenset({"jobsPage"})


@pytest.fixture
def logic(context, awkward_path):
    logic = CoraNetLogic(context, runner=fake_runner(), jobsFolder=awkward_path / "jobs")
    yield from until_its_jobs_end(logic)


@pytest.fixture
def open_section(ui, logic, application):
    """Opens the section once the jobs are there."""
    opened = []

    def open_it():
        presenter = JobsPresenter(logic, application)
        section = JobsSection(ui, presenter)
        section.set_active(True)
        opened.append((section, presenter))
        presenter.section = section
        return presenter

    yield open_it
    for section, presenter in opened:
        section.cleanup()
        presenter.close()


def a_job(logic, name: str, *events) -> Job:
    """A job whose process is gone, and what it told."""
    job = a_training_job(logic.jobsFolder / name)
    if events:
        job.beat(ProcessIdentity(999_999, ProcessIdentity.of_this_process().host, time.time() - 60))
        job.log_path.write_text("line 1\nline 2\n", encoding="utf-8")
        writer = job.open_events()
        for event in events:
            writer.write(event)
        writer.close()
    return job


def names(ui) -> list[str]:
    return [row[0] for row in cells(ui.jobsTable)]


def select(ui, name: str) -> None:
    ui.jobsTable.selectRow(names(ui).index(name))


def buttons(ui):
    return (ui.showJobButton, ui.resumeJobButton, ui.stopJobButton, ui.openJobFolderButton, ui.deleteJobButton)


def test_an_empty_folder_is_said(open_section, ui, logic):
    open_section()
    assert cells(ui.jobsTable) == []
    assert ui.jobStatusLabel.text == "There is no job in this folder yet."
    assert {greyed(button) for button in buttons(ui)} == {"Choose a job first."}
    assert ui.jobsFolderEdit.currentPath == str(logic.jobsFolder)
    assert not ui.jobLogText.isVisible()
    assert not ui.jobsErrorLabel.isVisible()


def test_jobs_are_listed_with_state_and_time(open_section, ui, logic):
    a_job(logic, "new")
    a_job(logic, "done", Finished("Dice 0.8.", 1.0))
    open_section()
    listed = {row[0]: row[1:3] for row in cells(ui.jobsTable)}
    assert listed == {"new": ["Training", "not started"], "done": ["Training", "finished"]}
    assert all(row[3] for row in cells(ui.jobsTable))


def test_choosing_a_job_says_what_can_be_done(open_section, ui, logic):
    a_job(logic, "done", Finished("Dice 0.8.", 1.0))
    open_section()
    select(ui, "done")
    assert ui.jobStatusLabel.text == "Dice 0.8."
    assert ui.jobLogText.toPlainText() == "line 1\nline 2"
    assert [bool(greyed(button)) for button in buttons(ui)] == [False, True, True, False, False]
    assert greyed(ui.resumeJobButton) == "This job is finished."
    ui.jobsTable.clearSelection()
    assert greyed(ui.showJobButton) == "Choose a job first."


def test_a_job_is_shown_by_its_button_and_by_a_double_click(open_section, ui, logic):
    job = a_job(logic, "done", Finished("Dice 0.8.", 1.0))
    presenter = open_section()
    shown = []
    presenter.opened.connect(lambda handle: shown.append(handle.folder))
    select(ui, "done")
    click(ui.showJobButton)
    ui.jobsTable.cellDoubleClicked(0, 1)
    assert shown == [job.folder, job.folder]


@pytest.mark.slow
def test_a_stopped_job_is_resumed(open_section, ui, logic, process_events):
    a_job(logic, "halted", Started(0, 5, "cpu", "1"), Cancelled(3))
    open_section()
    select(ui, "halted")
    click(ui.resumeJobButton)
    process_events(until=lambda: cells(ui.jobsTable)[0][2] == "finished", timeout=PATIENCE_S)
    assert ui.jobStatusLabel.text.startswith("Learned nothing")
    assert not ui.jobsErrorLabel.isVisible()


@pytest.mark.slow
def test_a_running_job_is_stopped_and_the_list_follows_by_itself(open_section, ui, logic, process_events):
    job = a_running_training(logic, "long")
    open_section()
    assert cells(ui.jobsTable)[0][2].startswith(("running", "0 %"))  # how far it is, once it says so
    select(ui, "long")
    assert greyed(ui.deleteJobButton) == "This job is running; stop it first."
    click(ui.stopJobButton)
    process_events(until=lambda: cells(ui.jobsTable)[0][2] == "stopped", timeout=PATIENCE_S)
    assert job.status() is JobStatus.CANCELLED
    assert names(ui)[ui.jobsTable.currentRow()] == "long"
    assert greyed(ui.resumeJobButton) == ""


@pytest.mark.slow
def test_nobody_looks_while_the_page_is_out_of_sight(open_section, ui, logic, process_events, monkeypatch):
    job = a_running_training(logic, "long")
    presenter = open_section()
    presenter.section.set_active(False)
    looks = []
    presenter.changed.connect(lambda: looks.append(1))
    later = time.monotonic() + 2.5
    process_events(until=lambda: time.monotonic() > later)
    assert not looks
    job.request_cancel()
    wait_until(lambda: job.status().is_over)
    presenter.section.set_active(True)
    assert cells(ui.jobsTable)[0][2] == "stopped"


def test_a_job_is_deleted_after_asking(open_section, ui, logic, application):
    job = a_job(logic, "done", Finished("well.", 1.0))
    a_job(logic, "kept", Finished("well.", 1.0))
    open_section()
    select(ui, "done")
    application.answers["confirm"] = [False, True]
    click(ui.deleteJobButton)
    assert job.folder.is_dir()
    click(ui.deleteJobButton)
    assert "Delete the job 'done'" in application.asked[-1][1]
    assert names(ui) == ["kept"]
    assert not job.folder.exists()
    assert greyed(ui.deleteJobButton) == "Choose a job first."


def test_what_goes_wrong_is_said_below_the_list(open_section, ui, logic):
    job = a_job(logic, "one")
    open_section()
    select(ui, "one")
    shutil.rmtree(job.folder)
    click(ui.showJobButton)
    assert ui.jobsErrorLabel.isVisible()
    assert "job.json' is missing" in ui.jobsErrorLabel.text
    click(ui.refreshJobsButton)
    assert not ui.jobsErrorLabel.isVisible()
    assert names(ui) == []


def test_a_damaged_job_says_why_and_can_only_be_opened_as_a_folder(open_section, ui, logic, application):
    job = a_job(logic, "bad")
    (job.folder / "job.json").write_text("{", encoding="utf-8")
    open_section()
    select(ui, "bad")
    assert ui.jobStatusLabel.text.startswith("This job cannot be read: ")
    assert [bool(greyed(button)) for button in buttons(ui)] == [True, True, True, False, True]
    click(ui.openJobFolderButton)
    assert application.shown == [("open_path", job.folder)]


def test_another_folder_is_listed(open_section, ui, logic, application, tmp_path):
    a_training_job(tmp_path / "elsewhere" / "one")
    open_section()
    ui.jobsFolderEdit.setCurrentPath(str(tmp_path / "elsewhere"))
    assert names(ui) == ["one"]
    assert application.settings["JobsFolder"] == str(tmp_path / "elsewhere")


def test_a_folder_that_cannot_be_used_is_said_beside_the_field(open_section, ui, logic, tmp_path):
    (tmp_path / "file").touch()
    open_section()
    before = logic.jobsFolder
    for path, message in (
        (str(tmp_path / "file"), "is a file"),
        ("", "Choose a folder"),
        ("relative", "absolute path"),
    ):
        ui.jobsFolderEdit.setCurrentPath(path)
        assert ui.jobsFolderErrorLabel.isVisible()
        assert message in ui.jobsFolderErrorLabel.text
        click(ui.refreshJobsButton)
        assert ui.jobsFolderEdit.currentPath == path, "the text is the person's"
    assert logic.jobsFolder == before
    ui.jobsFolderEdit.setCurrentPath(str(tmp_path))
    assert not ui.jobsFolderErrorLabel.isVisible()


def test_after_closing_the_widgets_do_nothing(ui, logic, application):
    a_job(logic, "one")
    presenter = JobsPresenter(logic, application)
    section = JobsSection(ui, presenter)
    section.cleanup()
    presenter.close()
    a_job(logic, "two")
    ui.refreshJobsButton.click()
    assert names(ui) == ["one"]
