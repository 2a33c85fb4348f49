"""A process is recognised for sure, and ends with all that it has started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
from patience import wait_until

from coranet.contract import ProcessIdentity, is_alive, process, terminate_tree
from coranet.contract.process import start_time
from coranet.contract.process_start import process_start

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX; Windows goes by taskkill")
SLEEP = "import time; time.sleep(3600)"
SLEEP_WITH_A_CHILD = (
    "import subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
    "sys.stdout.write(f'{child.pid}\\n'); sys.stdout.flush(); time.sleep(3600)\n"
)


@pytest.fixture
def a_sleeping_process():
    process = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def identity_of(process: subprocess.Popen) -> ProcessIdentity:
    return ProcessIdentity(process.pid, socket.gethostname(), start_time(process.pid) or 0.0)


def test_this_process_is_alive():
    me = ProcessIdentity.of_this_process()
    assert me.pid == os.getpid()
    assert me.is_local and is_alive(me)
    assert 0 < time.time() - me.started < 24 * 3600
    assert ProcessIdentity.of_this_process() == me


def test_a_new_process_was_started_after_this_one(a_sleeping_process):
    assert ProcessIdentity.of_this_process().started <= identity_of(a_sleeping_process).started <= time.time() + 2


def test_a_process_that_was_killed_is_not_alive(a_sleeping_process):
    identity = identity_of(a_sleeping_process)
    assert is_alive(identity)
    a_sleeping_process.kill()
    a_sleeping_process.wait()
    assert not is_alive(identity)


@ON_POSIX
def test_a_zombie_is_not_alive(a_sleeping_process):
    identity = identity_of(a_sleeping_process)
    os.kill(a_sleeping_process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(identity))  # nobody has waited for it yet


def test_another_process_with_the_same_number_is_another_process(a_sleeping_process):
    identity = identity_of(a_sleeping_process)
    assert not is_alive(replace(identity, started=identity.started - 3600))


@pytest.mark.parametrize("hours", [-30, -8, -1, 1, 8, 30])
def test_a_clock_that_is_set_changes_nothing(a_sleeping_process, monkeypatch, hours):
    start = process_start(a_sleeping_process.pid)
    me = ProcessIdentity.of_this_process()
    identity = replace(me, pid=a_sleeping_process.pid, started=start.time, ticks=start.ticks)
    # On Linux the time of the boot is the clock minus the time since then.
    moved = lambda pid: replace(start, time=start.time + hours * 3600)  # noqa: E731
    monkeypatch.setattr(process, "process_start", moved)
    assert is_alive(identity)
    assert identity == replace(identity, started=identity.started + hours * 3600)


@pytest.mark.parametrize(
    "changes", [{"ticks": 1}, {"boot": "another boot"}, {"boot": ""}], ids=["reused number", "reboot", "no boot"]
)
def test_another_start_or_boot_is_another_process(changes):
    me = ProcessIdentity.of_this_process()
    if not me.boot and "boot" in changes:
        pytest.skip("this system needs no identity of its boot")
    assert is_alive(me)
    assert not is_alive(replace(me, **changes)) and replace(me, **changes) != me


def test_an_identity_comes_back_from_its_keys():
    me = ProcessIdentity.of_this_process()
    assert ProcessIdentity.from_dict(asdict(me)) == me
    earlier = {"pid": me.pid, "host": me.host, "started": me.started}
    assert is_alive(ProcessIdentity.from_dict({**earlier, "heartbeat": 1.0}))
    assert not is_alive(ProcessIdentity.from_dict({**earlier, "started": me.started - 100}))


@ON_POSIX
@pytest.mark.parametrize("error", [PermissionError(1, "a zombie is in the group"), ProcessLookupError(3, "gone")])
def test_a_group_that_macos_does_not_let_kill_is_no_error(a_sleeping_process, monkeypatch, error):
    def refuse(group: int, number: int) -> None:
        raise error

    monkeypatch.setattr(os, "killpg", refuse)
    terminate_tree(a_sleeping_process.pid)
    if isinstance(error, PermissionError):
        assert a_sleeping_process.wait() == -signal.SIGKILL


def test_a_number_that_nobody_has_is_not_alive():
    assert start_time(2**22 + 12345) is None
    assert not is_alive(ProcessIdentity(2**22 + 12345, socket.gethostname(), 0.0))


def test_a_process_of_another_machine_is_not_local():
    assert not ProcessIdentity(os.getpid(), "elsewhere", 0.0).is_local


@ON_POSIX
def test_a_process_ends_with_its_children():
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEP_WITH_A_CHILD], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with parent:
        child = int(parent.stdout.readline())
        assert start_time(child) is not None
        terminate_tree(parent.pid)
        assert parent.wait() == -signal.SIGKILL
        wait_until(lambda: start_time(child) is None)


@ON_POSIX
def test_a_process_that_was_not_detached_does_not_take_its_caller_along():
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as process:  # in the group of this test
        terminate_tree(process.pid)
        assert process.wait() == -signal.SIGKILL


def test_ending_a_process_that_is_gone_is_no_error(a_sleeping_process):
    a_sleeping_process.kill()
    a_sleeping_process.wait()
    terminate_tree(a_sleeping_process.pid)
