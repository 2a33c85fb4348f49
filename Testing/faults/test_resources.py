"""What runs out, vanishes or changes under a job: it ends with an exit code of its own, and goes on afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from amounts import amount, counts
from fault_work import TRACEBACK
from file_faults import Fault
from fork_server import Outcome, Work
from job_checks import require_valid

from coranet.contract import Job, JobStatus
from coranet.contract.errors import CoraNetError, JobError, StorageError
from coranet.contract.events import Failed, Finished
from coranet.contract.files import read_json, write_json_atomic

pytestmark = pytest.mark.slow

EXPECTED_CODES = {0, *(error.exit_code for error in (CoraNetError, *CoraNetError.__subclasses__()))}
IS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs mounts or limits as Linux has them")


@pytest.fixture(params=["training", "segmentation"])
def template(request, a_training, a_segmentation) -> Path:
    """A folder of a job that nobody has begun."""
    return a_training if request.param == "training" else a_segmentation


@pytest.fixture
def begin(template) -> Iterator[Callable[[], Path]]:
    """Copies the folder."""
    created: list[Path] = []

    def copy() -> Path:
        created.append(Path(shutil.copytree(template, template.with_name(f"{template.name} with faults"))))
        return created[-1]

    yield copy
    for folder in created:
        shutil.rmtree(folder, ignore_errors=True)


def work(folder: Path, **more) -> Work:
    return Work("fault_work:do_job", {"folder": str(folder), "resume": True}, **more)


_NO_ROOM_FOR_A_LIBRARY = "cannot allocate memory for thread-local data"


def require_message(outcome: Outcome, folder: Path) -> None:
    """Raise AssertionError unless a job ended well, or with the exit code of an error that somebody has expected."""
    log = Job.open(folder).log_path
    output = outcome.output + (log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else "")
    assert outcome.code in EXPECTED_CODES, f"{outcome.code}: {output}"
    assert TRACEBACK not in outcome.output, outcome.output


def require_it_goes_on(server, folder: Path) -> None:
    require_valid_unless_failed(folder)
    outcome = server.run(work(folder))
    assert outcome.code == 0, f"{outcome} {Job.open(folder).log_path.read_text(encoding='utf-8')[-3000:]}"
    assert isinstance(Job.open(folder).read_events()[-1], Finished)
    require_valid(folder)


def require_valid_unless_failed(folder: Path) -> None:
    events = Job.open(folder).read_events()
    if events and isinstance(events[-1], Failed):
        assert Job.open(folder).status() is JobStatus.FAILED
    else:
        require_valid(folder)


def number_of_operations(server, folder: Path, reads: bool) -> int:
    """How many there are in an undisturbed run; the folder is used up."""
    trace = folder.with_name("resources.txt")
    assert server.run(work(folder, fault=Fault(str(folder), trace=str(trace), reads=reads))).code == 0
    shutil.rmtree(folder)
    return len(trace.read_text(encoding="utf-8").splitlines())


def at_moments(server, begin, full: int, name: str, **fault) -> Iterator[Path]:
    """Let an operation fail at moments that are spread over a job; gives the folder after each."""
    total = number_of_operations(server, begin(), reads=bool(fault.get("reads")))
    many = amount(full, 2)
    for number in range(many):
        folder, at = begin(), 1 + number * (total - 1) // max(1, many - 1)
        length = fault.get("length", 0)
        chosen = Fault(str(folder), name, at, last=at + length if length else 0, reads=bool(fault.get("reads")))
        outcome = server.run(work(folder, fault=chosen))
        require_message(outcome, folder)
        yield folder
        require_it_goes_on(server, folder)
        shutil.rmtree(folder)


def test_a_disk_that_is_full_from_some_write_on(server, begin):
    for _ in at_moments(server, begin, 20, "ENOSPC"):
        counts["full disks, simulated at a write"] += 1


def test_a_folder_that_becomes_read_only(server, begin):
    for _ in at_moments(server, begin, 10, "EROFS"):
        counts["folders that became read-only"] += 1


@pytest.mark.parametrize("name", ["ESTALE", "EIO", "ENOTCONN"])
def test_a_network_folder_that_vanishes_for_some_operations(server, begin, name):
    for _ in at_moments(server, begin, 6, name, length=12, reads=True):
        counts["network folders that vanished"] += 1


@IS_LINUX
def test_a_small_disk(server, begin, tmp_path):
    """Of many sizes, so that it is full at every kind of write, those outside of Python included."""
    folder = begin()
    needed = _size(folder)
    for step in range(amount(14, 2)):
        disk = tmp_path / f"disk {step}"
        disk.mkdir()
        size = needed + 8192 * int(1.6**step)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False).returncode:
            pytest.skip("this user may not mount")
        try:
            job = Path(shutil.copytree(folder, disk / "job"))
            outcome = server.run(work(job))
            require_message(outcome, job)
            assert outcome.code in (0, StorageError.exit_code), outcome.output
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            require_it_goes_on(server, job)
            counts["full disks, real"] += outcome.code != 0
        finally:
            subprocess.run(["umount", disk], check=True)


def _size(folder: Path) -> int:
    # Every file takes whole pages, and every folder one.
    return sum(4096 * (1 + path.stat().st_size // 4096) for path in (folder, *folder.rglob("*")))


@IS_LINUX
def test_a_read_only_disk(server, begin, tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("this user may not mount")
    try:
        job = Path(shutil.copytree(begin(), tmp_path / "job"))
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        outcome = server.run(work(job))
        assert outcome.code == StorageError.exit_code, outcome
        assert "error: " in outcome.output and TRACEBACK not in outcome.output, outcome.output
        subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
        require_it_goes_on(server, job)
        counts["read-only disks, real"] += 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_thirty_two_files(server, begin):
    folder = begin()
    outcome = server.run(work(folder, limits={"RLIMIT_NOFILE": 32}))
    require_message(outcome, folder)
    require_it_goes_on(server, folder)
    counts["jobs with 32 files"] += 1


@IS_LINUX
def test_little_memory(server, begin):
    for megabytes in amount((0, 4, 16, 48, 96, 192, 384), (16, 96)):
        folder = begin()
        outcome = server.run(work(folder, limits={"RLIMIT_AS": megabytes << 20}))
        # The C library ends a process itself that loads a library and finds no room for its variables: as a kill does.
        if _NO_ROOM_FOR_A_LIBRARY not in outcome.output:
            require_message(outcome, folder)
        require_it_goes_on(server, folder)
        shutil.rmtree(folder)
        counts["jobs with little memory"] += 1


def test_two_processes_on_one_job(server, begin):
    for _ in range(amount(10, 2)):
        folder = begin()
        outcomes = server.run_together([work(folder)] * 3)
        codes = sorted(outcome.code for outcome in outcomes)
        assert codes in ([0, JobError.exit_code, JobError.exit_code], [0, 0, JobError.exit_code], [0, 0, 0]), outcomes
        events = Job.open(folder).read_events()
        # One that came after the end finds everything done; never do two work at once.
        assert [event.is_final for event in events].count(True) == codes.count(0)
        assert codes.count(0) == 1 or sum(event.type == "started" for event in events) == codes.count(0)
        require_valid(folder)
        shutil.rmtree(folder)
        counts["jobs that several processes began at once"] += 1


@pytest.mark.parametrize("hours", [-30, -5, 5, 30])
def test_a_clock_that_is_set_while_the_job_runs(server, begin, hours):
    folder = begin()
    args = {"folder": str(folder), "seconds": hours * 3600.0}
    outcome = server.run(Work("fault_work:do_job_while_the_clock_is_set", args))
    assert outcome.code == 0, outcome.output
    assert Job.open(folder).status() is JobStatus.FINISHED
    require_valid(folder)
    counts["clocks that were set"] += 1


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_clock_that_is_set_does_not_change_who_works(begin, monkeypatch, hours):
    job = Job.open(begin())
    job.claim()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    assert job.status() is JobStatus.RUNNING
    counts["clocks that were set"] += 1


def test_a_reboot_ends_whoever_worked(begin, monkeypatch):
    """The same number, and even the same start, in another run of the machine is another process."""
    from coranet.contract import process

    job = Job.open(begin())
    me = job.claim()
    assert process.is_alive(me) and job.status() is JobStatus.RUNNING
    if not me.boot:
        pytest.skip("this system does not say which of its runs it is")
    monkeypatch.setattr(process, "boot_identity", lambda: "another run of the machine")
    assert not process.is_alive(me) and process.is_alive(replace(me, boot="another run of the machine"))
    assert job.status() is JobStatus.CRASHED
    counts["reboots"] += 1


SHARES = amount((0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.7,))


def run_while_the_folder_goes(server, folder: Path, share: float, how: str, other: str = "") -> Outcome:
    args = {"folder": str(folder), "share": share, "how": how, "other": other}
    outcome = server.run(Work("fault_work:do_job_whose_folder_goes", args))
    assert outcome.code in EXPECTED_CODES and TRACEBACK not in outcome.output, outcome
    counts[f"folders that were {how}"] += 1
    return outcome


def test_the_folder_is_deleted_while_the_job_runs(server, begin):
    for share in (*SHARES, 0.05, 0.2):
        folder = begin()
        outcome = run_while_the_folder_goes(server, folder, share, "deleted")
        assert not os.path.exists(folder), (share, outcome, sorted(folder.rglob("*")))


def test_the_folder_is_moved_while_the_job_runs(server, begin):
    for share in SHARES:
        folder = begin()
        outcome = run_while_the_folder_goes(server, folder, share, "moved")
        assert not os.path.exists(folder), (share, outcome, sorted(folder.rglob("*")))
        moved = folder.with_name(f"{folder.name} moved")
        assert server.run(Work("fault_work:do_job", {"folder": str(moved), "resume": True})).code == 0
        shutil.rmtree(moved)


def test_another_job_takes_the_place_of_the_folder_while_the_job_runs(server, begin):
    # Once it has opened its log and its events.
    for share in [share for share in SHARES if share > 0.5]:
        folder = begin()
        other = Path(shutil.copytree(folder, folder.with_name("another job")))
        description = read_json(other / "job.json")
        write_json_atomic(other / "job.json", {**description, "id": str(uuid.uuid4())})
        before = contents_of(other)
        outcome = run_while_the_folder_goes(server, folder, share, "replaced", str(other))
        assert contents_of(folder) == before, (share, outcome)
        shutil.rmtree(folder)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
