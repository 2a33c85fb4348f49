"""Teams of processes: what they exchange, and real ones that train and segment as one process does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
import torch
from patience import PATIENCE_S, wait_until
from small_jobs import ENGINE, environment, settings, started_engine, tiny_phantoms, training_job

from coranet.command_line.cli import main
from coranet.contract import Job, JobStatus, ProcessIdentity, is_alive
from coranet.contract.config import MachineConfig
from coranet.contract.events import (
    CaseDone,
    CheckpointSaved,
    Failed,
    Finished,
    Losses,
    Noted,
    Started,
    Validation,
    without_superseded,
)
from coranet.contract.files import read_json
from coranet.contract.process import start_time
from coranet.job_process import child_process, launch, worker
from coranet.machine.distributed import Team, is_lost_member
from coranet.model_package import ModelPackage

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def test_a_process_on_its_own_is_a_team_of_one(monkeypatch, a_cpu):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    team = Team.of_environment()
    assert team == Team(0, 1, 0, 1) and team.is_leader
    module = torch.nn.BatchNorm1d(2)
    with team.assembled(a_cpu):
        assert not torch.distributed.is_initialized()
        assert (team.any(True), team.any(False)) == (True, False)
        assert team.mean([1.0, 2.5]) == [1.0, 2.5]
        assert (team.gather("a"), team.gather(None)) == (["a"], [])
        assert team.from_leader(lambda: 7) == 7
        assert list(team.rounds("abc")) == ["a", "b", "c"]
        assert team.distributed_module(module, a_cpu, leaves_out=True) is module
        team.average_statistics(module)
        team.wait()


def test_a_team_is_read_from_the_environment(monkeypatch):
    for name, value in zip(VARIABLES, "3412", strict=True):
        monkeypatch.setenv(name, value)
    team = Team.of_environment()
    assert team == Team(3, 4, 1, 2) and not team.is_leader


def test_the_rounds_of_all_processes_together_give_every_item_once():
    items = list("abcdefg")
    rounds = [list(Team(rank, 3).rounds(items)) for rank in range(3)]
    assert rounds == [["a", "d", "g"], ["b", "e", None], ["c", "f", None]]


def test_the_processes_of_a_machine_share_its_threads():
    processors = torch.get_num_threads()
    try:
        Team(1, 64, 1, 64).device(MachineConfig(device="cpu"))
        assert torch.get_num_threads() == max(1, (os.cpu_count() or 1) // 64)
    finally:
        torch.set_num_threads(processors)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[/pytorch/third_party/gloo/transport/tcp/pair.cc:534] Connection closed by peer"), True),
        (RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("connection closed"), False),
    ],
)
def test_an_error_that_tells_of_a_lost_process_is_known(error, expected):
    assert is_lost_member(error, Team(0, 2)) is expected
    assert not is_lost_member(error, Team()), "a team of one has nobody to lose"


# Normalization that does not mix patches, pseudo-labels everywhere, and one number format wherever the test runs.
EQUAL = {
    "network__normalization": "instance",
    "training__certain_mask": "none",
    "machine__precision": "float32",
}


def losses_of(job: Job) -> list[Losses]:
    return [event for event in job.read_events() if isinstance(event, Losses)]


def kinds_of(job: Job, kind: type) -> list:
    return [event for event in job.read_events() if isinstance(event, kind)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["coranet", "advnet"])
def test_two_processes_learn_what_one_learns_from_batches_twice_as_large(a_phantom_set, tmp_path, method):
    whole = training_job(
        tmp_path / "whole", a_phantom_set, **EQUAL, training__method=method, training__labeled_batch_size="4",
        training__unlabeled_batch_size="4",
    )  # fmt: skip
    shared = training_job(
        tmp_path / "shared ü", a_phantom_set, **EQUAL, training__method=method, training__labeled_batch_size="2",
        training__unlabeled_batch_size="2", machine__devices="2",
    )  # fmt: skip
    received = []
    assert worker.work_on(whole, resume=False) == 0
    assert launch.worker_for(shared)(shared, False, received.append) == 0, shared.log_path.read_text(encoding="utf-8")

    # The patches are the same ones. Cross-entropy is a mean weighted with costs, and Dice a ratio: the mean of the two
    # halves' losses and gradients differs a little from those of the whole. (Over a region that is almost empty in one
    # half the mean differs a lot; so pseudo-labels teach everywhere here.)
    pairs = list(zip(losses_of(shared), losses_of(whole), strict=True))
    assert [own.step for own, _ in pairs] == list(range(1, 11))
    for own, other in pairs:
        assert own.total == pytest.approx(other.total, rel=0.03)
        assert own.supervised == pytest.approx(other.supervised, rel=0.03)
        assert own.uncertain_share == pytest.approx(other.uncertain_share, abs=0.03)

    assert received == shared.read_events()
    for kind, count in ((Started, 1), (Noted, 3), (Validation, 2), (CheckpointSaved, 4), (Finished, 1)):
        assert len(kinds_of(shared, kind)) == count, kind
    assert shared.status() is JobStatus.FINISHED
    assert ModelPackage.read(shared.folder).card["steps"] == 10
    assert not kinds_of(shared, Failed) and "Traceback" not in shared.log_path.read_text(encoding="utf-8")


SAME_WEIGHTS = """
import hashlib, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from coranet.job_process import worker
from coranet.contract import Job
from coranet.training import loop

def weights(network):
    parts = (value.numpy().tobytes() for value in network.state_dict().values())
    return hashlib.sha256(b"".join(parts)).hexdigest()

run = loop.Trainer.run
def watched(self, *paths):
    run(self, *paths)
    seen = [weights(one) for one in (self._state.networks.student, self._state.teacher)]
    Path(sys.argv[2] + os.environ["RANK"]).write_text(" ".join(seen), encoding="utf-8")

loop.Trainer.run = watched
sys.exit(worker.work_on(Job.open(sys.argv[3]), False))
"""


@pytest.mark.slow
def test_all_processes_hold_the_same_networks_at_the_end(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set, network__normalization="batch", machine__precision="float32")
    script = tmp_path / "watched.py"
    script.write_text(SAME_WEIGHTS, encoding="utf-8")
    answer = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1",
            "--nproc-per-node", "2", str(script), str(ENGINE.parents[1]), str(tmp_path / "seen"), str(job.folder),
        ],
        env=environment(OMP_NUM_THREADS="1", USE_LIBUV="0" if sys.platform == "win32" else "1"),
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    seen = [(tmp_path / f"seen{rank}").read_text(encoding="utf-8").split() for rank in range(2)]
    assert seen[0] == seen[1] and len(set(seen[0])) == 2


LONGER = {"training__self_training_steps": "200", "training__checkpoint_interval": "1000"}


@pytest.mark.slow
def test_a_team_that_was_cancelled_goes_on_with_another_number_of_processes(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set, machine__devices="2", **LONGER)
    process = started_engine(job)
    try:
        wait_until(lambda: len(losses_of(job)) > 5, 90)
        assert job.read_process()["pid"] != process.pid
        job.request_cancel()
        assert process.wait(PATIENCE_S) == 130
    finally:
        process.kill()
        process.wait()
    assert job.status() is JobStatus.CANCELLED and not job.cancel_requested()
    (saved,) = kinds_of(job, CheckpointSaved)
    assert 5 < saved.step < 204
    assert launch.worker_for(job, 1)(job, True, print) == 0
    assert [event.step for event in kinds_of(job, Started)] == [0, saved.step]
    assert [event.step for event in without_superseded(job.read_events()) if isinstance(event, Losses)] == [
        *range(1, 205)
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signals that ask")
def test_ctrl_c_at_the_launcher_stops_a_team_at_a_safe_point(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set, machine__devices="2", **LONGER)
    process = started_engine(job)
    try:
        wait_until(lambda: len(losses_of(job)) > 2, 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    finally:
        process.kill()
        process.wait()
    assert job.status() is JobStatus.CANCELLED and kinds_of(job, CheckpointSaved)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="taskkill takes the whole tree along")
@pytest.mark.parametrize("victim", ["launcher", "leader"])
def test_nobody_is_left_of_a_team_that_was_killed(a_phantom_set, tmp_path, victim):
    job = training_job(tmp_path / "job", a_phantom_set, machine__devices="2", **LONGER)
    process = started_engine(job)
    try:
        wait_until(lambda: len(losses_of(job)) > 2, 90)
        leader = job.read_process()["pid"]
        torchrun = parent_of(leader)
        everybody = [ProcessIdentity(pid, socket.gethostname(), start_time(pid)) for pid in (torchrun, leader)]
        os.kill(process.pid if victim == "launcher" else leader, signal.SIGKILL)
        process.wait(PATIENCE_S)
        wait_until(lambda: not any(map(is_alive, everybody)))
    finally:
        process.kill()
        process.wait()
    if victim == "launcher":
        # The leader may still say that the other process, which noticed first, is gone.
        assert job.status() in (JobStatus.CRASHED, JobStatus.FAILED)
    else:
        assert "ended without a message" in kinds_of(job, Failed)[0].message


def parent_of(pid: int) -> int:
    answer = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(answer.stdout)


FAILING_HELPER = """
import os
from coranet.contract.errors import DataError
from coranet.training import job
if os.environ["RANK"] == "1":
    def fail(*_):
        raise DataError("the second process cannot read 'a.nrrd'.")
    job.prepare_boxes = fail
"""


@pytest.mark.slow
def test_an_error_in_a_helping_process_ends_the_whole_team_and_is_in_the_log(a_phantom_set, tmp_path, monkeypatch):
    engine = tmp_path / "engine.py"
    path = f"import sys\nsys.path.insert(0, {str(ENGINE.parents[1])!r})\n"
    main = "from coranet.command_line.cli import main\nsys.exit(main())\n"
    engine.write_text(f"{path}{FAILING_HELPER}\n{main}", encoding="utf-8")
    monkeypatch.setattr(child_process, "ENGINE", engine)
    job = training_job(tmp_path / "job", a_phantom_set, machine__devices="2")
    assert launch.worker_for(job)(job, False, print) == 1
    assert "another process of the job has ended" in kinds_of(job, Failed)[0].message
    assert "process 2 of 2: the second process cannot read 'a.nrrd'." in job.log_path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_error_of_the_leader_keeps_its_exit_code(tmp_path):
    dataset = tiny_phantoms(tmp_path / "scans")
    job = training_job(tmp_path / "job", dataset, machine__devices="2")
    (dataset.parent / "images" / "case001.nrrd").write_bytes(b"this is no image")
    received = []
    assert launch.worker_for(job)(job, False, received.append) == 3
    assert isinstance(received[-1], Failed) and "case001.nrrd' cannot be read" in received[-1].message


@pytest.mark.slow
def test_training_and_evaluation_by_two_processes_from_the_command_line(tmp_path, capsys):
    dataset = tiny_phantoms(tmp_path / "scans", test=3)
    model, scores = tmp_path / "model", tmp_path / "scores"
    assert main(["train", str(dataset), "--output", str(model), *settings(), "--devices", "2"]) == 0
    assert Job.open(model).read_config().machine.devices == 2
    assert "finished after" in capsys.readouterr().err
    args = ["--set", "machine.device=cpu", "--set", "machine.threads=1"]
    for folder, more in ((scores, ["--devices", "2"]), (tmp_path / "alone", [])):
        assert main(["evaluate", str(dataset), "--model", str(model), "--output", str(folder), *args, *more]) == 0
    assert "test Dice" in capsys.readouterr().err
    shared, alone = Job.open(scores), Job.open(tmp_path / "alone")
    done = [(event.case, event.number, event.total) for event in kinds_of(shared, CaseDone)]
    assert done == [(event.case, event.number, event.total) for event in kinds_of(alone, CaseDone)]
    assert [number for _, number, _ in done] == [1, 2, 3]
    assert read_json(shared.metrics_path) == read_json(alone.metrics_path)


@pytest.mark.parametrize(
    "message",
    [
        "[socket.cpp:123] the server socket has failed to listen",
        "Connection closed by peer [127.0.0.1]:3",
        "NCCL error in: ProcessGroupNCCL.cpp",
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection reset",
    ],
)
def test_only_a_team_can_lose_a_member(message):
    assert is_lost_member(RuntimeError(message), Team(count=2))
    assert not is_lost_member(RuntimeError(message), Team())
    assert not is_lost_member(ValueError(message), Team(count=2))
