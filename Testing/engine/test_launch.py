"""Who works on a job: this process, or a team that torchrun starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from patience import PATIENCE_S
from small_jobs import ENGINE, environment, training_job

from coranet.command_line.cli import main
from coranet.contract import Job, ProcessIdentity
from coranet.contract.config import MachineConfig
from coranet.contract.errors import DeviceError, JobError
from coranet.contract.events import Failed
from coranet.contract.process import start_time
from coranet.job_process import launch, team_member, worker
from coranet.machine import devices

EMPTY_ENVIRONMENT = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    team_member.LAUNCHER,
    team_member.EXIT_CODE,
)


@pytest.fixture(autouse=True)
def nobody_started_us(monkeypatch):
    for name in EMPTY_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def a_job(a_phantom_set, awkward_path) -> Job:
    return training_job(awkward_path / "job 1", a_phantom_set)


@pytest.fixture
def with_graphics_cards(monkeypatch):
    """Lets the machine have so many: `with_graphics_cards(3)`."""

    def have(count: int) -> None:
        monkeypatch.setattr(devices, "available_devices", lambda: ["cuda", "cpu"] if count else ["cpu"])
        monkeypatch.setattr(devices, "device_count", lambda kind: count if kind == "cuda" else 1)

    return have


@pytest.mark.parametrize(
    ("kind", "requested", "there", "expected"),
    [
        ("auto", 1, 3, 1),
        ("auto", 0, 3, 3),
        ("cuda", 2, 3, 2),
        ("auto", 0, 0, 1),
        ("auto", 2, 0, 2),
        ("cpu", 2, 3, 2),
        ("cpu", 0, 3, 1),
        # The process that works says what is wrong.
        ("cuda", 2, 0, 2),
    ],
)
def test_a_team_has_a_process_for_each_graphics_card_or_as_many_as_asked_for(
    with_graphics_cards, kind, requested, there, expected
):
    with_graphics_cards(there)
    assert launch.team_size(MachineConfig(device=kind), requested) == expected


def test_more_graphics_cards_than_there_are_is_an_error(with_graphics_cards):
    with_graphics_cards(2)
    with pytest.raises(
        DeviceError, match=r"3 devices were asked for, found 2 of the kind 'cuda'; .* at most 2 \(0: all"
    ):
        launch.team_size(MachineConfig(), 3)


def test_too_many_devices_are_the_last_word_of_the_job(a_phantom_set, tmp_path, with_graphics_cards):
    with_graphics_cards(1)
    job = training_job(tmp_path / "job", a_phantom_set, machine__device="cuda", machine__devices="2")
    job.claim()
    with pytest.raises(DeviceError) as refused:
        launch.worker_for(job)
    (event,) = job.read_events()
    assert isinstance(event, Failed) and event.message == str(refused.value)


def test_one_process_does_the_job_itself(a_job, monkeypatch):
    monkeypatch.setattr(worker, "work_on", work := object())
    assert launch.worker_for(a_job) is work


def test_a_process_that_torchrun_has_started_starts_no_further_ones(a_job, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(worker, "work_on", work := object())
    assert launch.worker_for(a_job, devices=2) is work


# -- claims --


def test_the_leader_takes_over_what_its_launcher_holds_and_nobody_else(a_job, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        a_job.beat(ProcessIdentity(other.pid, socket.gethostname(), start_time(other.pid) or 0.0))
        with pytest.raises(JobError, match=f"is in use by process {other.pid}"):
            team_member.claim(a_job)
        monkeypatch.setenv(team_member.LAUNCHER, str(other.pid))
        assert team_member.claim(a_job) == ProcessIdentity.of_this_process()
        assert a_job.read_process()["pid"] == os.getpid()
        other.kill()


def test_a_helping_process_claims_nothing(a_job, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert team_member.claim(a_job) is None
    assert a_job.read_process() is None


def test_the_exit_code_is_left_for_the_launcher_where_there_is_one(tmp_path, monkeypatch):
    team_member.leave_exit_code(3)
    monkeypatch.setenv(team_member.EXIT_CODE, str(tmp_path / "code"))
    team_member.leave_exit_code(130)
    assert (tmp_path / "code").read_text(encoding="utf-8") == "130"


WATCHED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from coranet.job_process.team_member import bound_to_launcher
with bound_to_launcher():
    print("bound", flush=True)
    time.sleep(3600)
"""


@pytest.mark.slow
def test_a_process_of_a_team_ends_when_its_launcher_is_gone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as launcher:
        bound = subprocess.Popen(
            [sys.executable, "-c", WATCHED, str(ENGINE.parents[1])],
            env=environment(**{team_member.LAUNCHER: str(launcher.pid)}), stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert bound.stdout.readline().strip() == b"bound"
            assert bound.poll() is None
            launcher.kill()
            launcher.wait()
            assert bound.wait(PATIENCE_S) == 1
        finally:
            bound.kill()
            bound.stdout.close()


@pytest.mark.parametrize("word", ["0", "-1", "two", "1.5"])
def test_a_number_of_devices_that_is_none_is_answered_with_the_usage(word, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "job", f"--devices={word}"])
    assert ended.value.code == 2
    assert f"expected a number of devices or 'all', got '{word}'" in capsys.readouterr().err


class EndedTorchrun:
    """A process that has ended by itself; its number may be another one's by now."""

    def __init__(self, returncode: int | None = 0) -> None:
        self.pid, self.returncode = 4711, returncode

    def poll(self) -> int | None:
        return self.returncode


@pytest.mark.parametrize("answer", ["0", "3", None])
def test_a_team_that_has_ended_is_not_ended_again(a_job, monkeypatch, answer):
    ended = []

    def start(job, resume, count, path) -> EndedTorchrun:
        if answer is not None:
            path.write_text(answer, encoding="utf-8")
        return EndedTorchrun(7)

    monkeypatch.setattr(launch, "_start_torchrun", start)
    monkeypatch.setattr(launch, "terminate_tree", ended.append)
    assert launch.worker_for(a_job, 2)(a_job, False, print) == int(answer or 7)
    assert ended == []


def test_a_team_that_is_left_in_the_midst_is_ended(a_job, monkeypatch):
    ended = []

    def interrupt(*arguments) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "_start_torchrun", lambda *arguments: EndedTorchrun(None))
    monkeypatch.setattr(launch, "terminate_tree", ended.append)
    monkeypatch.setattr(launch, "_pass_on", interrupt)
    with pytest.raises(KeyboardInterrupt):
        launch.worker_for(a_job, 2)(a_job, False, print)
    assert ended == [4711]
