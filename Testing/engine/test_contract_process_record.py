"""One process at a time works on a job, however many try, whatever clocks say, and whatever the dead have left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from small_jobs import ENGINE, add_events

from coranet.contract import (
    Case,
    Datalist,
    Job,
    JobKind,
    JobStatus,
    ProcessIdentity,
    Role,
    process_record,
    write_json_atomic,
)
from coranet.contract.config import TrainConfig
from coranet.contract.errors import JobError, JobTakenError, StorageError
from coranet.contract.events import CheckpointSaved, Failed, Finished, Started
from coranet.contract.heartbeat import SIGN_OF_LIFE_S, SILENCE_S, HeartbeatWatch

DATALIST = Datalist((Case("a", Role.UNLABELED, "a.nrrd"),))
STARTER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from coranet.contract import Job
from coranet.contract.errors import JobError
job = Job.open(sys.argv[2])
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
try:
    job.claim()
    sys.stdout.write("won\\n")
except JobError as error:
    sys.stdout.write(f"lost {error}\\n")
sys.stdout.flush(); sys.stdin.readline()
"""


@pytest.fixture
def a_job(tmp_path) -> Job:
    return Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), DATALIST)


@pytest.fixture
def starters(a_job):
    """Processes that all try to claim the job at once when they are given a line: `starters(4)`."""
    started = []

    def start(count: int) -> list[subprocess.Popen]:
        command = [sys.executable, "-c", STARTER, str(ENGINE.parents[1]), str(a_job.folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.extend(subprocess.Popen(command, **pipes) for _ in range(count))
        assert [process.stdout.readline() for process in started] == ["ready\n"] * count
        return started

    yield start
    for process in started:
        process.kill()
        with process:
            pass


class _Hours:
    """The time of a watch: each sleep passes at once, and with it happens what the other machine does meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.passed_s = 0.0
        self.meanwhile = meanwhile
        self.time = time.time

    def monotonic(self) -> float:
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds
        self.meanwhile()


@pytest.fixture
def hours(monkeypatch) -> _Hours:
    hours = _Hours()
    monkeypatch.setattr(process_record, "time", hours)
    return hours


def elsewhere(job: Job, beat_ago_s: float = 0.0, **changes) -> dict:
    """The job's process is on another machine, and its heartbeat of so long ago by the clock there."""
    content = {"pid": 5, "host": "another machine", "started": 1.0, "heartbeat": time.time() - beat_ago_s, **changes}
    write_json_atomic(job._record.path, content)
    return content


def files_in(job: Job) -> set[str]:
    return {path.name for path in job.folder.iterdir()}


# -- several at once --


@pytest.mark.slow
def test_of_many_that_start_at_once_one_wins(a_job, starters):
    some = starters(6)
    for process in some:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.stdout.readline() for process in some]
    assert sum(answer == "won\n" for answer in answers) == 1, answers
    assert sum("is in use by process" in answer for answer in answers) == 5, answers
    winner = some[answers.index("won\n")]
    assert a_job.read_process()["pid"] == winner.pid and a_job.status() is JobStatus.RUNNING
    assert not [name for name in files_in(a_job) if "claim" in name]


def test_of_two_that_both_saw_a_free_job_one_wins(a_job):
    """Both have read, neither has written: the moment that reading and writing alone cannot tell apart."""
    me = ProcessIdentity.of_this_process()
    other = replace(me, ticks=(me.ticks or 0) + 1)
    assert a_job._record._wins(me, 0, False)
    assert not a_job._record._wins(other, 0, False)
    assert a_job.worker() == me


def test_one_that_is_being_claimed_is_waited_for(a_job, hours):
    me = ProcessIdentity.of_this_process()
    path = a_job.folder / ".claim-1"
    path.write_text(json.dumps(asdict(me)), encoding="utf-8")
    assert not a_job._record._wins(me, 0, False)
    hours.meanwhile = lambda: path.unlink() if hours.passed_s > 1 and path.exists() else None
    assert a_job.claim() == me and hours.passed_s > 1


LEFT_BEHIND = {
    "a dead process": json.dumps({"pid": 2**22 + 1, "host": ProcessIdentity.of_this_process().host, "started": 1.0}),
    "a number that another one has now": json.dumps({**asdict(ProcessIdentity.of_this_process()), "ticks": 1}),
    "a machine that was started again": json.dumps({**asdict(ProcessIdentity.of_this_process()), "boot": "before"}),
}


@pytest.mark.parametrize("content", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
def test_what_the_dead_have_left_keeps_nobody_out(a_job, content):
    for number in (1, 2, 3):
        (a_job.folder / f".claim-{number}").write_text(content, encoding="utf-8")
    a_job.claim()
    assert a_job.read_process()["claim"] == 4
    assert not [name for name in files_in(a_job) if "claim" in name]


@pytest.mark.parametrize("content", ["", "{", '{"pid": 5, "host": "another machine", "started": 1.0}'])
def test_what_nobody_can_be_asked_about_keeps_out_for_a_while_only(a_job, hours, content):
    (a_job.folder / ".claim-1").write_text(content, encoding="utf-8")
    a_job.claim()
    assert a_job.status() is JobStatus.RUNNING
    assert hours.passed_s > process_record._PATIENCE_S


def test_a_folder_that_is_gone_is_not_made_again(a_job, tmp_path):
    me = a_job.claim()
    a_job.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is gone"):
        a_job.beat(me)
    with pytest.raises(StorageError, match=r"process\.json"):
        a_job.claim()
    assert not a_job.folder.exists()


def test_whoever_has_lost_a_job_learns_it(a_job):
    me = a_job.claim()
    a_job.renew(me)
    a_job.beat(me)
    a_job.renew(me)
    before = elsewhere(a_job)
    with pytest.raises(JobTakenError, match="another process has taken over"):
        a_job.renew(me)
    assert a_job.read_process() == before


def test_of_two_that_make_a_job_in_one_folder_one_does(tmp_path):
    with Job(tmp_path, JobKind.TRAIN)._record.reserved():
        with pytest.raises(JobError, match="another process is making a job"):
            Job.create(tmp_path, JobKind.TRAIN, TrainConfig(), DATALIST)
        assert [path.name for path in tmp_path.iterdir()] == [".claim-1"]
    job = Job.create(tmp_path, JobKind.TRAIN, TrainConfig(), DATALIST)
    with pytest.raises(JobError, match="already holds a job"):
        Job.create(tmp_path, JobKind.TRAIN, TrainConfig(), DATALIST)
    assert not [name for name in files_in(job) if "claim" in name]


def test_a_job_that_died_while_it_was_made_keeps_nobody_out(tmp_path):
    for number in (1, 2):
        (tmp_path / f".claim-{number}").write_text(LEFT_BEHIND["a dead process"], encoding="utf-8")
    job = Job.create(tmp_path, JobKind.TRAIN, TrainConfig(), DATALIST)
    assert not [name for name in files_in(job) if "claim" in name]
    job.claim()


# -- clocks --


@pytest.mark.parametrize("step_h", [-30, -8, -1, 1, 8, 30])
def test_a_step_of_the_clock_leaves_a_running_job_running(a_job, monkeypatch, step_h):
    a_job.claim()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + step_h * 3600)
    assert Job.open(a_job.folder).status() is JobStatus.RUNNING


@pytest.mark.parametrize("step_h", [-30, -8, -1, 1, 8, 30])
@pytest.mark.parametrize(
    ("last", "status"),
    [
        (Finished("done", 1.0), JobStatus.FINISHED),
        (Failed("no"), JobStatus.FAILED),
        (CheckpointSaved(3), JobStatus.CRASHED),
    ],
    ids=["finished", "failed", "died"],
)
def test_a_last_word_counts_whatever_the_clock_did_before_it(a_job, monkeypatch, step_h, last, status):
    gone = replace(ProcessIdentity.of_this_process(), ticks=1)
    add_events(a_job, Started(0, 5, "CPU", "1"), Failed("of an earlier process"))
    a_job.beat(gone)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + step_h * 3600)
    assert a_job.status() is JobStatus.CRASHED
    add_events(a_job, last)
    assert a_job.status() is status


def test_a_machine_that_was_started_again_has_ended_its_jobs(a_job):
    me = a_job.claim()
    assert a_job.status() is JobStatus.RUNNING
    a_job.beat(replace(me, boot="before the power cut"))
    assert a_job.status() is JobStatus.CRASHED
    assert a_job.claim() == me


@pytest.mark.parametrize(
    ("ago_s", "status"),
    [
        (0, JobStatus.RUNNING),
        (100, JobStatus.RUNNING),
        (-8 * 3600, JobStatus.RUNNING),
        (SILENCE_S + 5, JobStatus.CRASHED),
        (8 * 3600, JobStatus.CRASHED),
    ],
)
def test_a_first_look_at_a_job_of_another_machine(a_job, ago_s, status):
    elsewhere(a_job, ago_s)
    assert a_job.status() is status


@pytest.mark.parametrize("ahead_h", [-30, -1, 1, 8, 24 * 30])
def test_a_job_that_another_machine_left_is_taken_after_a_silence(a_job, hours, ahead_h):
    elsewhere(a_job, -ahead_h * 3600)
    messages = []
    assert a_job.claim(messages.append) == ProcessIdentity.of_this_process()
    assert len(messages) == 1 and "'another machine'" in messages[0]
    assert ("is ahead" in messages[0]) is (ahead_h > 0)
    # By a clock that is ahead, the heartbeat says nothing of how long it has been silent.
    least_s = SILENCE_S if ahead_h > 0 else SIGN_OF_LIFE_S
    assert least_s <= hours.passed_s < least_s + 2


@pytest.mark.parametrize("ahead_h", [-30, -1, 8, 24 * 30])
def test_a_job_that_another_machine_works_on_is_left_alone_whatever_its_clock_says(a_job, hours, ahead_h):
    def beat() -> None:
        if hours.passed_s >= 5:
            elsewhere(a_job, -ahead_h * 3600)

    hours.meanwhile = beat
    elsewhere(a_job, -ahead_h * 3600)
    with pytest.raises(JobError, match="on 'another machine'"):
        a_job.claim()
    assert 5 <= hours.passed_s < 7, "its first sign of life is enough"
    assert Job.open(a_job.folder).status() is JobStatus.RUNNING


def test_a_job_that_another_machine_finished_is_taken_at_once(a_job):
    elsewhere(a_job, -8 * 3600, events_before=0)
    add_events(a_job, Finished("done", 1.0))
    assert a_job.status() is JobStatus.FINISHED
    messages = []
    a_job.claim(messages.append)
    assert not messages


def test_what_was_finished_before_says_nothing_of_a_process_that_has_just_begun_elsewhere(a_job):
    add_events(a_job, Finished("done", 1.0))
    elsewhere(a_job, 0, events_before=a_job.events_path.stat().st_size)
    assert a_job.status() is JobStatus.RUNNING
    with pytest.raises(JobError, match="is in use"):
        a_job.claim()


def test_each_look_makes_a_job_anew_and_what_was_seen_of_its_heart_stays(a_job, monkeypatch):
    clock = [0.0]
    watch = HeartbeatWatch(lambda: clock[0])
    elsewhere(a_job, -3600)

    def status() -> JobStatus:
        job = Job.open(a_job.folder)
        job._record._watch = watch
        return job.status()

    assert status() is JobStatus.RUNNING
    clock[0] += SILENCE_S + 1
    assert status() is JobStatus.CRASHED


@pytest.mark.parametrize("value", ["../../../etc/passwd", {}, [1], "many"], ids=str)
def test_a_record_of_other_values_is_told(a_job, value):
    a_job.claim()
    path = a_job.folder / "process.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "events_before": value}), encoding="utf-8"
    )
    with pytest.raises(JobError, match=r"process\.json' must have the keys"):
        Job.open(a_job.folder).status()
