"""Closing the application while a job runs: a real window is closed, a real process runs."""

from __future__ import annotations

import pytest
import qt
from job_fixtures import a_running_training, a_training_job, fake_runner, until_its_jobs_end
from patience import wait_until

from coranet.contract import JobStatus
from coranet.contract.errors import StorageError
from CoraNetSlicerLib.jobs.closing import Closing
from CoraNetSlicerLib.logic import CoraNetLogic


@pytest.fixture
def logic(context, awkward_path):
    logic = CoraNetLogic(context, runner=fake_runner(), jobsFolder=awkward_path / "jobs")
    yield from until_its_jobs_end(logic)


@pytest.fixture
def window(qt_application):
    window = qt.QWidget()
    window.show()
    return window


@pytest.fixture
def closing(window, logic, application):
    closing = Closing(window, logic.runningJobs, application)
    yield closing
    closing.remove()


def test_without_a_running_job_nobody_is_asked(closing, window, logic, application):
    a_training_job(logic.jobsFolder / "never started")
    assert window.close()
    assert not window.isVisible()
    assert application.asked == []


def test_the_question_names_the_job_and_offers_to_let_it_go_on_first(closing, window, logic, application):
    a_running_training(logic, "my training")
    window.close()
    ((_, question, answers),) = application.asked
    assert question.startswith("'my training' is running.")
    assert list(answers.items()) == [("go on", "Keep it running"), ("stop", "Stop it"), ("stay", "Cancel")]


def test_it_goes_on_without_the_window_and_is_found_again(closing, window, logic, application, context):
    job = a_running_training(logic, "my training")
    application.answers["choose"] = ["go on"]
    assert window.close()
    assert not window.isVisible()
    count = len(job.read_events())
    logic.close()
    wait_until(lambda: len(job.read_events()) > count)
    again = CoraNetLogic(context, jobsFolder=logic.jobsFolder)
    assert [job.folder for job in again.runningJobs()] == [job.folder]


def test_it_is_stopped_and_what_was_reached_is_kept(closing, window, logic, application):
    job = a_running_training(logic, "my training")
    application.answers["choose"] = ["stop"]
    assert window.close()
    wait_until(lambda: job.status() is JobStatus.CANCELLED)
    assert any(event.type == "checkpoint" for event in job.read_events())


def test_the_window_stays_and_can_be_closed_later(closing, window, logic, application):
    job = a_running_training(logic, "my training")
    application.answers["choose"] = ["stay", "go on"]
    assert not window.close()
    assert window.isVisible()
    assert job.status() is JobStatus.RUNNING
    assert window.close()


def test_several_jobs_are_asked_about_at_once(closing, window, logic, application):
    a_running_training(logic, "one")
    a_running_training(logic, "two")
    application.answers["choose"] = ["stop"]
    window.close()
    ((_, question, answers),) = application.asked
    assert "'one'" in question and "'two'" in question and "are running" in question
    assert list(answers.values()) == ["Keep them running", "Stop them", "Cancel"]
    wait_until(lambda: not logic.runningJobs())


def test_other_events_of_the_window_pass(closing, window, logic, application, process_events):
    a_running_training(logic, "my training")
    window.resize(300, 200)
    window.hide()
    window.show()
    process_events()
    assert application.asked == []


def test_a_job_that_cannot_be_stopped_does_not_keep_the_window_open(window, application):
    class Lost:
        class folder:  # noqa: N801
            name = "on a lost drive"

        def cancel(self):
            raise StorageError("the drive is gone; attach it again.")

    application.answers["choose"] = ["stop"]
    closing = Closing(window, lambda: [Lost()], application)
    assert window.close()
    closing.remove()


def test_after_it_is_removed_nobody_is_asked(closing, window, logic, application):
    a_running_training(logic, "my training")
    closing.remove()
    closing.remove()
    assert window.close()
    assert application.asked == []


def test_where_there_is_no_window_nothing_is_watched(logic, application):
    closing = Closing(None, logic.runningJobs, application)
    assert closing.may_close()
    closing.remove()
