"""Real processes: they start detached, are known by their files, and stop with everything they started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from job_fixtures import FAKE_ENGINE, a_training_job, starting_runner
from patience import wait_until

from coranet.contract import JobStatus
from coranet.contract.errors import JobError, StorageError
from coranet.contract.process import start_time
from CoraNetSlicerLib.environment.interpreter import Interpreter
from CoraNetSlicerLib.jobs.runner import JobProcess, JobRunner


@pytest.fixture
def job(awkward_path):
    return a_training_job(awkward_path / "job 1")


@pytest.fixture
def kill_what_is_left(job):
    yield
    process = job.read_process()
    if process and start_time(process["pid"]) is not None and process["pid"] != os.getpid():
        os.kill(process["pid"], 9)


class FakeLaunch:
    """Records how a process would be started."""

    def __init__(self, refuse_breakaway: bool = False) -> None:
        self.calls: list[tuple[list[str], dict]] = []
        self._refuse = refuse_breakaway

    def __call__(self, command, **options):
        self.calls.append((command, options))
        if self._refuse and options["creationflags"] & 0x01000000:
            raise PermissionError(13, "Access is denied")
        return type("Child", (), {"pid": 1, "poll": lambda self: None})()


def launched(job, platform: str, refuse_breakaway: bool = False) -> list[tuple[list[str], dict]]:
    launch = FakeLaunch(refuse_breakaway)
    JobRunner(Interpreter("py", {"A": "1"}), engine=FAKE_ENGINE, launch=launch, platform=platform).start(job)
    return launch.calls


def test_a_job_runs_to_its_end_in_another_process(job):
    process = starting_runner().start(job)
    assert process.status() is JobStatus.RUNNING
    wait_until(lambda: process.status().is_over)
    assert process.status() is JobStatus.FINISHED
    assert job.read_process()["pid"] != os.getpid()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sessions are POSIX's")
def test_the_process_has_a_session_of_its_own(job, kill_what_is_left):
    process = starting_runner(FAKE_SECONDS_A_STEP="60").start(job)
    wait_until(lambda: job.read_process() is not None)
    assert os.getsid(job.read_process()["pid"]) != os.getsid(0)
    process.request_stop(grace_s=0)
    process.poll()


def test_the_log_begins_with_the_command_whatever_the_process_says_at_once(job):
    def launch(_command, stdout, **_options):
        with open(stdout.name, "a", encoding="utf-8") as log:
            log.write("No module named 'torch'\n")
        return None

    JobRunner(Interpreter(sys.executable, {}), launch=launch).start(job)
    command, said = job.log_path.read_text(encoding="utf-8").splitlines()
    assert " $ " in command and str(job.folder) in command and said == "No module named 'torch'"


@pytest.mark.slow
def test_everything_the_process_says_goes_to_the_log(job):
    process = starting_runner("dies at once").start(job)
    wait_until(lambda: process.status().is_over)
    text = job.log_path.read_text(encoding="utf-8")
    assert "No module named 'torch' (ÄÖÜ)" in text
    assert "fake_engine.py" in text


@pytest.mark.slow
def test_a_process_that_dies_before_it_claims_the_job_reads_as_crashed(job):
    process = starting_runner("dies at once").start(job)
    wait_until(lambda: process.status().is_over)
    assert process.status() is JobStatus.CRASHED


@pytest.mark.slow
def test_a_resumed_process_that_dies_at_once_is_not_taken_for_the_run_before(job):
    first = starting_runner("fails").start(job)
    wait_until(lambda: first.status().is_over)
    assert first.status() is JobStatus.FAILED
    second = starting_runner("dies at once").start(job, resume=True)
    wait_until(lambda: second.status().is_over)
    assert second.status() is JobStatus.CRASHED


@pytest.mark.slow
def test_a_job_that_died_before_it_was_claimed_can_be_started_again_at_once(job):
    first = starting_runner("dies at once").start(job)
    wait_until(lambda: first.status().is_over)
    second = starting_runner().start(job)
    wait_until(lambda: second.status().is_over)
    assert second.status() is JobStatus.FINISHED


@pytest.mark.slow
def test_stopping_is_a_request_first(job):
    process = starting_runner(FAKE_STEPS="10000").start(job)
    wait_until(lambda: len(job.read_events()) > 3)
    process.request_stop(grace_s=60)
    wait_until(lambda: process.poll().is_over)
    assert process.status() is JobStatus.CANCELLED
    assert job.read_events()[-1].type == "cancelled"


@pytest.mark.skipif(sys.platform == "win32", reason="kills by process group")
@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["deaf", "launcher"])
def test_a_process_that_does_not_listen_is_ended_with_all_it_started(job, behaviour):
    process = starting_runner(behaviour, FAKE_SECONDS_A_STEP="60").start(job)
    wait_until((job.folder / "child.pid").exists)
    wait_until(lambda: (job.folder / "child.pid").read_text(encoding="utf-8") != "")
    worker, launcher = job.read_process()["pid"], process._child.pid
    child = int((job.folder / "child.pid").read_text(encoding="utf-8"))
    assert (worker == launcher) is (behaviour == "deaf")
    process.request_stop(grace_s=0.3)
    assert process.poll() is JobStatus.RUNNING  # still within its grace time
    wait_until(lambda: process.poll().is_over)
    wait_until(lambda: all(start_time(pid) is None for pid in (worker, launcher, child)))
    assert process.status() is JobStatus.CANCELLED


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by process group")
def test_a_job_that_was_started_elsewhere_can_be_stopped_too(job):
    starter = starting_runner("deaf", FAKE_SECONDS_A_STEP="60").start(job)
    wait_until((job.folder / "child.pid").exists)
    attached = JobProcess(job)
    attached.request_stop(grace_s=0)
    wait_until(lambda: attached.poll().is_over)
    assert starter.status() is JobStatus.CANCELLED


@pytest.mark.slow
def test_a_killed_process_reads_as_crashed_and_can_be_resumed(job):
    process = starting_runner(FAKE_STEPS="10000").start(job)
    wait_until(lambda: len(job.read_events()) > 3)
    process._child.kill()
    wait_until(lambda: process.status().is_over)
    assert process.status() is JobStatus.CRASHED
    resumed = starting_runner().start(job, resume=True)
    wait_until(lambda: resumed.status().is_over)
    assert resumed.status() is JobStatus.FINISHED


@pytest.mark.slow
def test_a_running_job_is_not_started_twice(job):
    process = starting_runner(FAKE_STEPS="10000").start(job)
    wait_until(lambda: job.read_process() is not None)
    with pytest.raises(JobError, match="is already running"):
        starting_runner().start(job)
    process.request_stop()
    wait_until(lambda: process.poll().is_over)


@pytest.mark.slow
def test_a_request_to_stop_is_forgotten_when_the_job_is_started(job):
    job.request_cancel()
    process = starting_runner().start(job)
    wait_until(lambda: process.status().is_over)
    assert process.status() is JobStatus.FINISHED


def test_a_python_that_is_not_there_is_named(job):
    with pytest.raises(JobError, match=r"'/no/such/python' cannot be started"):
        JobRunner(Interpreter("/no/such/python", {})).start(job)
    assert JobProcess(job).status() is JobStatus.CREATED


def test_a_log_that_cannot_be_written_is_named(job):
    job.log_path.mkdir()
    with pytest.raises(StorageError, match="log"):
        starting_runner().start(job)


def test_a_process_that_was_just_started_elsewhere_counts_as_running(job):
    job.log_path.write_text("", encoding="utf-8")
    assert JobProcess(job).status() is JobStatus.RUNNING
    os.utime(job.log_path, (1, 1))
    assert JobProcess(job).status() is JobStatus.CRASHED


def test_on_windows_the_process_leaves_the_console_and_the_job_object(job):
    ((command, options),) = launched(job, "win32")
    assert options["creationflags"] == 0x00000200 | 0x08000000 | 0x01000000
    assert "start_new_session" not in options
    assert command == ["py", str(FAKE_ENGINE), "run", str(job.folder)]


def test_on_windows_a_job_object_that_does_not_let_go_is_accepted(job):
    (_, first), (_, second) = launched(job, "win32", refuse_breakaway=True)
    assert first["creationflags"] - second["creationflags"] == 0x01000000


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_on_posix_the_process_gets_no_input_and_its_own_session(job, platform):
    ((_, options),) = launched(job, platform)
    assert options["start_new_session"] is True
    assert options["stdin"] == subprocess.DEVNULL
    assert options["env"] == {"A": "1"}


class TestInterpreter:
    def test_another_python_does_not_get_the_applications_libraries(self):
        environment = {"PYTHONHOME": "/slicer", "PYTHONPATH": "/slicer/lib", "PATH": "/bin"}
        chosen = Interpreter.chosen(sys.executable, environment)
        assert set(chosen.environment) == {"PATH", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUNBUFFERED"}
        assert chosen.executable == sys.executable

    def test_slicers_python_gets_the_environment_before_the_launcher(self):
        slicers = Interpreter.of_slicer("/opt/Slicer/bin/PythonSlicer", {"PATH": "/bin"})
        assert slicers.executable == "/opt/Slicer/bin/PythonSlicer"
        assert slicers.environment["PATH"] == "/bin"
        assert slicers.environment["PYTHONUTF8"] == "1"

    def test_a_missing_python_is_said(self, tmp_path):
        with pytest.raises(JobError, match="PythonSlicer was not found"):
            Interpreter.of_slicer(None, {})
        with pytest.raises(JobError, match="choose the program itself"):
            Interpreter.chosen(tmp_path, {})

    def test_the_environment_is_not_shown_in_messages(self):
        assert "secret" not in repr(Interpreter("py", {"TOKEN": "secret"}))
