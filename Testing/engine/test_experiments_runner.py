"""Many jobs, several at once: with processes that are played, and real ones at the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from experiment_jobs import EndedProcess, context_of, fail, finish, question_of, scans_in

from coranet.contract import Job, JobStatus, ProcessIdentity
from coranet.contract.errors import JobCancelled, JobError
from coranet.contract.events import Cancelled, Started
from coranet.job_process.child_process import start_on_job
from coranet_experiments import runner
from coranet_experiments.plan import plan_runs
from coranet_experiments.runner import Task, run_tasks


@pytest.fixture
def tasks(tmp_path):
    """Four trainings that nobody has begun."""
    datalist = scans_in(tmp_path / "scans", test=1)
    runs = plan_runs(question_of(datalist, tmp_path / "out", seeds=[0, 1]))
    return [Task(run.name, run.training()) for run in runs]


class Player:
    """Starts processes that need some looks until they are done; knows how many ran at once."""

    def __init__(self, looks: int = 3, end=finish) -> None:
        self.running = self.most = 0
        self.started: list[tuple[str, bool]] = []
        self._looks, self._end = looks, end

    def __call__(self, job: Job, resume: bool):
        self.started.append((job.folder.parent.name, resume))
        self.running += 1
        self.most = max(self.most, self.running)
        player, left = self, [self._looks]

        class Running(EndedProcess):
            def poll(self):
                left[0] -= 1
                if left[0] == 0:
                    player._end(job)
                    player.running -= 1
                return None if left[0] > 0 else 0

        return Running()


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_than_asked_for_run_at_once(tasks, at_once):
    player, lines = Player(), []
    assert run_tasks(tasks, at_once, context_of(player, lines)) == []
    assert player.most == at_once
    assert all(task.job.status() is JobStatus.FINISHED for task in tasks)
    assert lines[0] == "[1/4] supervised, seed 0: started"
    assert any(re.match(r"\[4/4\] coranet, seed 1: finished after .*; the model is in", line) for line in lines)


def test_what_is_finished_is_left_alone_and_what_was_begun_is_resumed(tasks):
    finish(tasks[0].job)
    fail(tasks[1].job)
    tasks[1].job.request_cancel()
    player, lines = Player(), []
    run_tasks(tasks[:3], 1, context_of(player, lines))
    assert player.started == [("coranet-seed0", True), ("supervised-seed1", False)]
    assert not tasks[1].job.cancel_requested()
    assert "[1/3] supervised, seed 0: finished before" in lines
    assert "[2/3] coranet, seed 0: resumed" in lines


def test_who_takes_over_a_plan_waits_until_it_is_made(tasks):
    planner = tasks[2]
    waiting = [replace(task, planned_by=planner.job) for task in tasks if task is not planner]
    player, lines = Player(), []
    assert run_tasks([*waiting[:2], planner, waiting[2]], 2, context_of(player, lines)) == []
    assert player.started[0] == ("supervised-seed1", False) and len(player.started) == 4
    # The checkpoint is there when the planner has ended; from then on two at once.
    assert player.most == 2


def test_without_a_plan_nobody_waits_for_ever(tasks):
    waiting = [replace(task, planned_by=tasks[0].job) for task in tasks[1:]]
    failures = run_tasks([tasks[0], *waiting], 2, context_of(lambda job, resume: fail(job), []))
    assert [failure.name for failure in failures] == [task.name for task in tasks]
    assert "whose plan it takes over, made none" in failures[1].message
    assert all(task.job.status() is JobStatus.CREATED for task in waiting)


def test_a_failure_stops_nobody_else(tasks):
    def start(job, resume):
        return fail(job) if "coranet" in job.folder.parent.name else finish(job)

    failures = run_tasks(tasks, 2, context_of(start, []))
    assert [failure.name for failure in failures] == ["coranet, seed 0", "coranet, seed 1"]
    assert failures[0].message == "the disk is full."
    assert tasks[2].job.status() is JobStatus.FINISHED


def test_a_process_that_dies_without_a_word_is_a_failure_that_names_the_log(tasks):
    (failure,) = run_tasks(tasks[:1], 1, context_of(lambda job, resume: EndedProcess(9), []))
    assert "exit code 9" in failure.message and str(tasks[0].job.log_path) in failure.message


def cancelled(job: Job) -> None:
    """What a process does that was asked to stop."""
    finish(job)
    writer = job.open_events()
    writer.write(Started(5, 900, "CPU", "0.1"))
    writer.write(Cancelled(5))
    writer.close()


def test_ctrl_c_asks_all_to_stop_and_waits_for_them(tasks):
    player, lines, waited = Player(looks=6, end=cancelled), [], []

    def wait():
        waited.append(player.running)
        if len(waited) == 2:
            raise KeyboardInterrupt

    with pytest.raises(JobCancelled, match="same command again"):
        run_tasks(tasks, 2, context_of(player, lines, wait))
    assert len(player.started) == 2 and player.running == 0
    assert all(task.job.cancel_requested() for task in tasks[:2])
    assert not any(task.job.cancel_requested() for task in tasks[2:])
    assert any(line.startswith("stopping 2 runs") for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once")
def test_a_polite_kill_is_like_ctrl_c(tasks):
    player, before = Player(looks=4, end=cancelled), signal.getsignal(signal.SIGTERM)
    waits = iter([lambda: signal.raise_signal(signal.SIGTERM)])
    with pytest.raises(JobCancelled):
        run_tasks(tasks, 1, context_of(player, [], lambda: next(waits, lambda: None)()))
    assert tasks[0].job.cancel_requested() and player.running == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_ctrl_c_ends_them(tasks, monkeypatch):
    ended = []
    monkeypatch.setattr(runner, "terminate_tree", ended.append)

    def wait():
        raise KeyboardInterrupt

    with pytest.raises(JobCancelled):
        run_tasks(tasks, 2, context_of(Player(looks=1000), [], wait))
    assert ended == [EndedProcess.pid, EndedProcess.pid]


def test_a_process_of_another_machine_is_not_ended_by_its_number(tasks, monkeypatch):
    """Here the number is that of somebody else."""
    ended = []
    monkeypatch.setattr(runner, "terminate_tree", ended.append)
    job = tasks[0].job
    job.beat(ProcessIdentity(os.getpid(), "another machine", 1.0))
    runner._kill(runner._Work("a", job, None, 1, 0.0))
    job.beat(replace(ProcessIdentity.of_this_process(), ticks=1))
    runner._kill(runner._Work("a", job, None, 1, 0.0))
    assert ended == []
    job.beat(ProcessIdentity.of_this_process())
    runner._kill(runner._Work("a", job, None, 1, 0.0))
    assert ended == [os.getpid()]


def test_a_start_that_fails_leaves_no_process_behind(tasks):
    player = Player(looks=4, end=cancelled)

    def start(job, resume):
        if len(player.started) == 1:
            raise JobError("Python cannot be started.")
        return player(job, resume)

    with pytest.raises(JobError, match="Python"):
        run_tasks(tasks, 2, context_of(start, []))
    assert tasks[0].job.cancel_requested() and player.running == 0


def test_a_process_is_started_by_the_path_of_the_engine_in_a_group_of_its_own(tasks, monkeypatch):
    requests = {}

    def popen(command, **options):
        requests.update(options, command=command)
        return EndedProcess()

    monkeypatch.setattr(subprocess, "Popen", popen)
    start_on_job(tasks[0].job, True)
    assert requests["command"][0] == sys.executable and requests["command"][1].endswith("__main__.py")
    assert requests["command"][2:] == ["run", str(tasks[0].job.folder), "--resume"]
    assert requests["stderr"] is subprocess.STDOUT and requests["stdout"].name == str(tasks[0].job.log_path)
    assert requests.get("start_new_session") or requests.get("creationflags")


def test_python_that_cannot_be_started_is_said(tasks, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tasks[0].job.folder / "no python"))
    with pytest.raises(JobError, match="no python"):
        start_on_job(tasks[0].job, False)


@pytest.mark.slow
def test_a_real_process_that_fails_says_why(tasks):
    (tasks[0].job.folder.parents[3] / "scans" / "images" / "image001.nrrd").unlink()
    (tasks[0].job.folder.parents[3] / "scans" / "images" / "image002.nrrd").unlink()
    (failure,) = run_tasks(tasks[:1], 1, runner.RunnerContext(start_on_job, lambda line: None))
    assert "does not exist" in failure.message
    assert tasks[0].job.status() is JobStatus.FAILED
