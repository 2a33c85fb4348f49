"""The list of jobs: what it says of each, what can be done with the chosen one, and that looking is cheap."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from job_fixtures import a_training_job, fake_runner, until_its_jobs_end
from patience import PATIENCE_S, wait_until
from synthetic_predictions import write_segmented_job

from coranet.contract import Job, JobKind, JobStatus, event_tail
from coranet.contract.errors import CoraNetError, JobError, StorageError
from coranet.contract.events import Cancelled, Failed, Finished, Progress, Started
from CoraNetSlicerLib.jobs.presenter import JobsPresenter, size_in_words
from CoraNetSlicerLib.logic import CoraNetLogic


class ScriptedApplication:
    """What the presenter asks the application for; `later` is done when `look` is called."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.answer = True
        self.questions: list[str] = []
        self.opened: list[Path] = []
        self.waiting: list = []

    def setting(self, name, default=""):
        return self.settings.get(name, default)

    def set_setting(self, name, value):
        self.settings[name] = value

    def confirm(self, question):
        self.questions.append(question)
        return self.answer

    def open_path(self, folder):
        self.opened.append(folder)

    def later(self, action, milliseconds=0):
        self.waiting.append(action)

    def look(self):
        due, self.waiting = self.waiting, []
        for action in due:
            action()


@pytest.fixture
def application():
    return ScriptedApplication()


@pytest.fixture
def logic(context, awkward_path):
    logic = CoraNetLogic(context, runner=fake_runner(), jobsFolder=awkward_path / "jobs")
    yield from until_its_jobs_end(logic)


@pytest.fixture
def make(logic, application):
    """Makes the presenter once the jobs are there."""
    return lambda: JobsPresenter(logic, application)


def add_events(job: Job, *events, pid: int = 999_999) -> None:
    """A process that is gone has worked on the job and told this."""
    from coranet.contract import ProcessIdentity

    job.beat(ProcessIdentity(pid, ProcessIdentity.of_this_process().host, time.time() - 60))
    job.log_path.write_text("first line\nKilled\n", encoding="utf-8")
    writer = job.open_events()
    for event in events:
        writer.write(event)
    writer.close()


def a_job(logic, name: str, *events) -> Job:
    job = a_training_job(logic.jobsFolder / name)
    if events:
        add_events(job, *events)
    return job


def shown(presenter) -> dict[str, tuple[str, str]]:
    return {row.name: (row.kind, row.state) for row in presenter.rows}


def a_running_job(logic, name: str = "long") -> Job:
    job = a_training_job(logic.jobsFolder / name)
    fake_runner(FAKE_STEPS="100000").start(job)
    wait_until(lambda: job.read_process() is not None and any(event.type == "progress" for event in job.read_events()))
    return job


class TestRows:
    def test_each_state_has_its_word(self, logic, make):
        a_job(logic, "new")
        a_job(logic, "done", Started(0, 5, "cpu", "1"), Finished("Dice 0.8.", 1.0))
        a_job(logic, "wrong", Started(0, 5, "cpu", "1"), Failed("a label is empty; paint it."))
        a_job(logic, "halted", Started(0, 5, "cpu", "1"), Cancelled(3))
        a_job(logic, "dead", Started(0, 5, "cpu", "1"), Progress("pretraining", 2, 5))
        assert shown(make()) == {
            "new": ("Training", "not started"),
            "done": ("Training", "finished"),
            "wrong": ("Training", "failed"),
            "halted": ("Training", "stopped"),
            "dead": ("Training", "crashed"),
        }

    def test_a_segmentation_is_called_so(self, logic, make, tmp_path):
        write_segmented_job(logic.jobsFolder / "results")
        assert [row.kind for row in make().rows] == ["Segmentation"]

    def test_a_running_job_tells_how_far_it_is(self, logic, make):
        a_running_job(logic)
        (row,) = make().rows
        assert " %, " in row.state and row.state.endswith(" left")

    def test_a_stopped_one_tells_how_long_the_rest_takes(self, logic, make):
        folder = a_job(logic, "a", Started(0, 5, "cpu", "1"), Progress("pretraining", 2, 5, 600.0), Cancelled(2)).folder
        presenter = make()
        presenter.choose(folder)
        assert presenter.status == "It was stopped. Resume continues where it stopped, 10 min left of 20 min."

    def test_the_rest_of_a_stage_before_the_steps_is_not_the_rest_of_all(self, logic, make):
        job = a_job(logic, "a", Started(0, 5, "cpu", "1"), Progress("preparing", 2, 5, 3.0), Cancelled(0))
        presenter = make()
        presenter.choose(job.folder)
        assert presenter.status == "It was stopped. Resume continues where it stopped."

    def test_the_latest_job_comes_first(self, logic, make):
        for name in ("a", "b", "c"):
            a_job(logic, name, Finished("well.", 1.0))
            time.sleep(0.01)
        assert [row.name for row in make().rows] == ["c", "b", "a"]

    def test_what_runs_comes_before_what_is_over(self, logic, make):
        a_running_job(logic)
        a_job(logic, "a", Finished("well.", 1.0))
        assert [row.name for row in make().rows] == ["long", "a"]

    def test_when_is_a_time_today_and_a_date_before(self, logic, application):
        a_job(logic, "a", Finished("well.", 1.0))
        (today,) = JobsPresenter(logic, application).rows
        (later,) = JobsPresenter(logic, application, clock=lambda: time.time() + 5 * 86400).rows
        assert len(today.date) == 5 and later.date == time.strftime("%Y-%m-%d")

    def test_a_damaged_job_does_not_hide_the_others(self, logic, make):
        a_job(logic, "good")
        for name, file in (("bad json", "job.json"), ("bad process", "process.json"), ("bad events", "events.jsonl")):
            job = a_job(logic, name, Finished("well.", 1.0))
            (job.folder / file).write_text("{\n", encoding="utf-8")
        presenter = make()
        states = {row.name: row.state for row in presenter.rows}
        assert states == {
            "good": "not started",
            "bad json": "cannot be read",
            "bad process": "cannot be read",
            "bad events": "cannot be read",
        }
        presenter.choose(logic.jobsFolder / "bad process")
        assert "process.json" in presenter.status
        assert presenter.log == "first line\nKilled" or presenter.log == ""

    def test_other_folders_and_files_are_no_jobs(self, logic, make):
        a_job(logic, "good")
        (logic.jobsFolder / "notes").mkdir()
        (logic.jobsFolder / "file.txt").touch()
        assert [row.name for row in make().rows] == ["good"]

    def test_an_empty_folder_says_so(self, make):
        assert make().status == "There is no job in this folder yet."


class TestLookingIsCheap:
    def test_two_hundred_jobs_do_not_stall_the_window(self, logic, make, monkeypatch):
        pattern = a_job(logic, "pattern", *[Progress("pretraining", step, 500, 1.0) for step in range(500)])
        add_events(pattern, Finished("well.", 1.0))
        for number in range(199):
            shutil.copytree(pattern.folder, logic.jobsFolder / f"job {number}")
        presenter = make()
        presenter.refresh()
        assert len(presenter.rows) == 200
        # No time is asked for: what takes time is to open files, and to read more of one than its end.
        opened = []
        monkeypatch.setattr(event_tail, "open", lambda *given: opened.append(given), raising=False)
        monkeypatch.setattr(Job, "open", lambda path: opened.append(path))
        presenter.refresh()
        assert len(presenter.rows) == 200 and opened == []

    def test_what_is_over_is_read_once(self, logic, make, monkeypatch):
        a_job(logic, "done", Finished("well.", 1.0))
        presenter = make()
        monkeypatch.setattr(Job, "open", lambda _: pytest.fail("read again"))
        presenter.refresh()
        assert len(presenter.rows) == 1

    def test_what_has_changed_is_read_again(self, logic, make):
        job = a_job(logic, "one", Failed("no."))
        presenter = make()
        add_events(job, Finished("well.", 1.0))
        presenter.refresh()
        assert presenter.rows[0].state == "finished"


class TestWatching:
    def test_a_running_job_is_looked_at_while_somebody_watches(self, logic, make, application):
        a_running_job(logic)
        presenter = make()
        assert not application.waiting
        presenter.set_watched(True)
        presenter.refresh()
        assert len(application.waiting) == 1
        application.look()
        assert len(application.waiting) == 1
        presenter.set_watched(False)
        application.look()
        assert not application.waiting

    def test_where_nothing_runs_nobody_looks_again(self, logic, make, application):
        a_job(logic, "done", Finished("well.", 1.0))
        make().set_watched(True)
        assert not application.waiting

    def test_the_end_of_a_job_is_seen(self, logic, make, application):
        job = a_running_job(logic)
        presenter = make()
        presenter.set_watched(True)
        received = []
        presenter.changed.connect(lambda: received.append(presenter.rows[0].state))
        job.request_cancel()
        application.look()
        assert received[-1] == "stopping" or received[-1] == "stopped"
        wait_until(lambda: job.status().is_over)
        application.look()
        assert received[-1] == "stopped"
        assert not application.waiting

    def test_after_closing_nobody_looks(self, logic, make, application):
        a_running_job(logic)
        presenter = make()
        presenter.set_watched(True)
        presenter.close()
        application.look()
        assert not application.waiting


class TestTheChosenJob:
    def test_without_one_nothing_can_be_done_and_that_is_said(self, logic, make):
        a_job(logic, "one")
        presenter = make()
        reasons = (presenter.reason_not_showable, presenter.reason_not_resumable, presenter.reason_not_stoppable,
                   presenter.reason_not_deletable, presenter.reason_nothing_chosen)  # fmt: skip
        assert set(reasons) == {"Choose a job first."}
        for action in (presenter.show, presenter.resume, presenter.stop, presenter.open_folder, presenter.delete):
            with pytest.raises(CoraNetError, match="Choose a job first"):
                action()

    def test_a_finished_one_says_what_came_out(self, logic, make):
        job = a_job(logic, "done", Finished("Dice 0.8 on 3 cases.", 1.0))
        presenter = make()
        presenter.choose(job.folder)
        assert presenter.status == "Dice 0.8 on 3 cases."
        assert presenter.log == "first line\nKilled"
        assert presenter.reason_not_resumable == "This job is finished."
        assert presenter.reason_not_stoppable == "This job is not running."
        assert (presenter.reason_not_showable, presenter.reason_not_deletable) == ("", "")

    @pytest.mark.parametrize(
        ("events", "text"),
        [
            ([Failed("a label is empty; paint it.")], "A label is empty; paint it."),
            ([Cancelled(3)], "It was stopped. Resume continues where it stopped."),
            ([Progress("pretraining", 1, 2)], "It ended unexpectedly. The last line of its log: Killed"),
        ],
    )
    def test_one_that_did_not_finish_says_why(self, logic, make, events, text):
        job = a_job(logic, "one", *events)
        presenter = make()
        presenter.choose(job.folder)
        assert presenter.status == text
        assert presenter.reason_not_resumable == ""

    def test_it_is_shown_where_it_belongs(self, logic, make):
        job = a_job(logic, "done", Finished("well.", 1.0))
        presenter = make()
        opened = []
        presenter.opened.connect(opened.append)
        presenter.choose(job.folder)
        presenter.show()
        assert [(handle.folder, handle.kind) for handle in opened] == [(job.folder, JobKind.TRAIN)]

    def test_it_is_resumed_and_shown(self, logic, make):
        job = a_job(logic, "halted", Started(0, 5, "cpu", "1"), Cancelled(3))
        presenter = make()
        opened = []
        presenter.opened.connect(opened.append)
        presenter.choose(job.folder)
        presenter.resume()
        assert opened[0].wait(PATIENCE_S) is JobStatus.FINISHED
        presenter.refresh()
        assert presenter.rows[0].state == "finished"

    def test_it_is_stopped_even_if_another_program_started_it(self, logic, make):
        job = a_running_job(logic)
        presenter = make()
        presenter.choose(job.folder)
        assert presenter.reason_not_resumable == "This job is running."
        assert presenter.reason_not_deletable == "This job is running; stop it first."
        presenter.stop()
        wait_until(lambda: job.status() is JobStatus.CANCELLED)
        presenter.refresh()
        assert presenter.rows[0].state == "stopped"

    def test_its_folder_is_opened(self, logic, make, application):
        job = a_job(logic, "one")
        presenter = make()
        presenter.choose(job.folder)
        presenter.open_folder()
        assert application.opened == [job.folder]

    def test_the_choice_outlives_a_look_but_not_the_job(self, logic, make):
        job = a_job(logic, "one")
        presenter = make()
        presenter.choose(job.folder)
        presenter.refresh()
        assert presenter.chosen == job.folder
        shutil.rmtree(job.folder)
        presenter.refresh()
        assert presenter.chosen is None

    def test_what_is_not_listed_cannot_be_chosen(self, make, tmp_path):
        presenter = make()
        presenter.choose(tmp_path)
        assert presenter.chosen is None


class TestDeleting:
    def test_a_person_is_asked_and_told_how_large_it_is(self, logic, make, application):
        job = a_job(logic, "done", Finished("well.", 1.0))
        job.model_folder.mkdir()
        (job.model_folder / "weights.pt").write_bytes(b"x" * 3 * 1024 * 1024)
        presenter = make()
        presenter.choose(job.folder)
        application.answer = False
        presenter.delete()
        assert "'done'" in application.questions[0] and "3.0 MiB" in application.questions[0]
        assert Job.exists(job.folder)

    def test_it_vanishes_from_disk_and_list(self, logic, make):
        job = a_job(logic, "done", Finished("well.", 1.0))
        presenter = make()
        changes = []
        presenter.folder_changed.connect(lambda: changes.append(1))
        presenter.choose(job.folder)
        presenter.delete()
        assert not job.folder.exists()
        assert (presenter.rows, presenter.chosen, changes) == ((), None, [1])

    def test_other_files_stay_and_that_is_said(self, logic, make):
        job = a_job(logic, "done", Finished("well.", 1.0))
        (job.folder / "notes.txt").touch()
        presenter = make()
        presenter.choose(job.folder)
        presenter.delete()
        assert [path.name for path in job.folder.iterdir()] == ["notes.txt"]
        assert "other files" in presenter.status

    def test_one_that_began_to_run_meanwhile_is_refused(self, logic, make):
        job = a_job(logic, "one")
        presenter = make()
        presenter.choose(job.folder)
        job.claim()
        with pytest.raises(JobError, match="stop it"):
            presenter.delete()
        assert presenter.rows[0].state == "running"
        # It runs in this process, which nobody is to wait for.
        (job.folder / "process.json").unlink()

    def test_a_damaged_one_is_left_to_the_person(self, logic, make):
        job = a_job(logic, "one")
        (job.folder / "job.json").write_text("[]", encoding="utf-8")
        presenter = make()
        presenter.choose(job.folder)
        assert presenter.reason_not_deletable == "This job cannot be read; open its folder and delete it there."
        assert presenter.reason_nothing_chosen == ""

    @pytest.mark.parametrize(
        ("size", "text"),
        [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 * 1024**2, "20 MiB"), (5 * 1024**4, "5.0 TiB")],
    )
    def test_sizes_are_said_as_people_say_them(self, size, text):
        assert size_in_words(size) == text


class TestTheFolder:
    def test_another_one_is_remembered_and_used_for_new_jobs(self, logic, make, application, tmp_path):
        presenter = make()
        a_training_job(tmp_path / "elsewhere" / "one")
        presenter.set_folder(f" {tmp_path / 'elsewhere'} ")
        assert [row.name for row in presenter.rows] == ["one"]
        assert logic.jobsFolder == tmp_path / "elsewhere"
        assert make().folder == tmp_path / "elsewhere"
        assert application.settings == {"JobsFolder": str(tmp_path / "elsewhere")}

    def test_one_that_is_not_there_yet_is_made_with_the_first_job(self, make, tmp_path):
        presenter = make()
        presenter.set_folder(str(tmp_path / "new" / "folder"))
        assert presenter.rows == ()
        assert not (tmp_path / "new").exists()

    def test_what_cannot_be_used_is_refused_with_a_reason(self, logic, make, tmp_path):
        (tmp_path / "file").touch()
        presenter = make()
        before = presenter.folder
        for path, message in (
            ("", "Choose a folder"),
            ("  ", "Choose a folder"),
            ("jobs", "not an absolute path"),
            (str(tmp_path / "file"), "is a file"),
            (str(tmp_path / "file" / "below"), "is a file"),
        ):
            with pytest.raises(StorageError, match=message):
                presenter.set_folder(path)
        assert presenter.folder == before == logic.jobsFolder

    def test_one_that_may_not_be_written_to_is_refused(self, make, tmp_path, monkeypatch):
        monkeypatch.setattr("CoraNetSlicerLib.jobs.presenter.os.access", lambda *_: False)
        with pytest.raises(StorageError, match="no permission to write"):
            make().set_folder(str(tmp_path))

    def test_a_remembered_one_on_a_lost_drive_is_forgotten(self, logic, application, tmp_path):
        (tmp_path / "file").touch()
        application.settings["JobsFolder"] = str(tmp_path / "file" / "jobs")
        before = logic.jobsFolder
        assert JobsPresenter(logic, application).folder == before


class TestTheLogic:
    def test_running_jobs_are_found_whoever_started_them(self, logic, tmp_path):
        own = logic.attach(a_running_job(logic, "mine").folder)
        other = a_running_job(logic, "other")
        a_job(logic, "done", Finished("well.", 1.0))
        running = logic.runningJobs()
        assert {job.folder for job in running} == {own.folder, other.folder}
        assert own in running
        assert len(logic.runningJobs()) == 2

    def test_a_job_is_deleted_by_its_folder(self, logic):
        job = a_job(logic, "done", Finished("well.", 1.0))
        assert logic.deleteJob(job.folder)
        assert logic.jobs() == []

    def test_later_jobs_run_with_another_python(self, logic, tmp_path):
        from CoraNetSlicerLib.environment.interpreter import Interpreter

        logic.useInterpreter(Interpreter(str(tmp_path / "no python"), {}))
        with pytest.raises(JobError, match="no python"):
            logic.attach(a_training_job(tmp_path / "one").folder).resume()
