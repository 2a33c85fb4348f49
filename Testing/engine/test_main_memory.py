from __future__ import annotations

import subprocess
import sys

import pytest

from coranet.machine import main_memory
from coranet.machine.main_memory import available_bytes, of_vm_stat, peak_bytes, too_few_bytes

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10.
Pages active:                          99999.
Pages inactive:                           20.
Pages speculative:                         3.
Pages wired down:                      88888.
Pages purgeable:                           1.
"""


MEMINFO = "MemTotal: 9 kB\nMemAvailable:    1000 kB\n"
VERSION_2 = "31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate"
VERSION_1 = "34 25 0:30 / /sys/fs/cgroup/memory rw shared:15 - cgroup cgroup rw,memory"


def a_linux(root, meminfo=MEMINFO, mounts=VERSION_2, group="0::/", **files: str):
    """A made-up /proc and /sys; names of files have __ for a dot and ___ for a slash."""
    written = {"proc/meminfo": meminfo, "proc/self/mountinfo": f"{mounts}\n", "proc/self/cgroup": f"{group}\n"}
    for name, text in files.items():
        written["sys/fs/cgroup/" + name.replace("___", "/").replace("__", ".")] = text
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


def test_this_machine_has_free_memory():
    free = available_bytes()
    assert free is None or 2**20 < free < 2**50
    if sys.platform.startswith("linux"):
        assert free is not None


def test_linux_says_what_is_available(tmp_path):
    assert main_memory._on_linux(a_linux(tmp_path)) == 1000 * 1024


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("100000", 100000 - 60000 + 5000), ("50000", 0), ("max", 1000 * 1024), ("99999999999", 1000 * 1024)],
)
def test_a_container_has_what_its_limit_leaves(tmp_path, limit, expected):
    group = {"memory__max": limit, "memory__current": "60000", "memory__stat": "anon 1\ninactive_file 5000\n"}
    if limit == "50000":
        group["memory__stat"] = "anon 1\n"
    assert main_memory._on_linux(a_linux(tmp_path, **group)) == expected


FULL = {"memory__current": "60000", "memory__stat": "anon 1\ninactive_file 5000\n"}
IN_A_GROUP = {f"user__slice___job___{name}": text for name, text in FULL.items()}
FIRST = {"memory___memory__usage_in_bytes": "60000", "memory___memory__stat": "cache 1\ntotal_inactive_file 5000\n"}
IN_DOCKER = {name.replace("memory___", "memory___docker___ab___"): text for name, text in FIRST.items()}
NONE = str(2**63 - 4096)
LIMITS = [
    # Of version 2: "max" is none; above "high" a process hardly goes on.
    ({}, {**FULL, "memory__max": "100000"}, 45000),
    ({}, {**FULL, "memory__max": "max", "memory__high": "90000"}, 35000),
    ({}, {**FULL, "memory__max": "100000", "memory__high": "max"}, 45000),
    # The limit of the group itself, or of one above it, whichever leaves less.
    ({"group": "0::/user.slice/job"}, {**IN_A_GROUP, "user__slice___job___memory__max": "100000"}, 45000),
    (
        {"group": "0::/user.slice/job"},
        {
            **IN_A_GROUP, "user__slice___job___memory__max": "100000", "user__slice___memory__max": "70000",
            "user__slice___memory__current": "65000", "memory__max": "max",
        },
        5000,
    ),
    # A container that is shown its own group as the top; one that is shown all of them, and sits in one.
    ({"group": "0::/../../init.scope"}, {**FULL, "memory__max": "100000"}, 45000),
    ({"mounts": VERSION_2.replace(" / ", " /docker/ab "), "group": "0::/docker/ab"}, {**FULL, "memory__max": "100000"},
     45000),
    # Of version 1.
    ({"mounts": VERSION_1, "group": "4:memory:/\n0::/"}, {**FIRST, "memory___memory__limit_in_bytes": "100000"}, 45000),
    ({"mounts": VERSION_1, "group": "4:memory:/"}, {**FIRST, "memory___memory__limit_in_bytes": NONE}, 1000 * 1024),
    (
        {"mounts": VERSION_1, "group": "9:cpu,memory:/docker/ab"},
        {**IN_DOCKER, "memory___docker___ab___memory__limit_in_bytes": "100000"},
        45000,
    ),
    (
        {"mounts": VERSION_1.replace(" / ", " /docker/ab "), "group": "4:memory:/docker/ab"},
        {**FIRST, "memory___memory__limit_in_bytes": "100000"},
        45000,
    ),
    # Both at once, as systemd has them: version 2 has no memory there.
    (
        {"mounts": VERSION_2.replace("cgroup rw", "cgroup/unified rw") + "\n" + VERSION_1, "group": "4:memory:/\n0::/"},
        {**FIRST, "memory___memory__limit_in_bytes": "100000"},
        45000,
    ),
    # Nothing that can be understood.
    ({"mounts": "odd", "group": "odd"}, {**FULL, "memory__max": "100000"}, 1000 * 1024),
    ({}, {**FULL, "memory__max": "none"}, 1000 * 1024),
    ({}, {"memory__max": "100000"}, 1000 * 1024),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "files", "expected"), LIMITS)
def test_a_control_group_has_what_its_limit_leaves(tmp_path, machine, files, expected):
    assert main_memory._on_linux(a_linux(tmp_path, **machine, **files)) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_limited_address_space_has_what_the_process_leaves(tmp_path, monkeypatch):
    import resource

    root = a_linux(tmp_path)
    (root / "proc/self/statm").write_text("100 50 1 1 0 1 0\n", encoding="ascii")
    pages = 100 * resource.getpagesize()
    for limit, expected in ((resource.RLIM_INFINITY, 1000 * 1024), (pages + 5000, 5000), (pages - 1, 0)):
        monkeypatch.setattr(resource, "getrlimit", lambda what, limit=limit: (limit, limit))
        assert main_memory._on_linux(root) == expected


def test_an_old_linux_kernel_says_nothing(tmp_path):
    assert main_memory._on_linux(a_linux(tmp_path, meminfo="MemTotal: 9 kB\n")) is None


def test_macos_counts_pages_that_can_be_had_at_once():
    assert of_vm_stat(VM_STAT) == 16384 * (10 + 20 + 3 + 1)
    assert of_vm_stat("something else") is None


def test_macos_is_asked_by_its_own_program(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, stdout=VM_STAT)
    )  # fmt: skip
    assert available_bytes() == 16384 * 34


@pytest.mark.parametrize("error", [OSError("no such program"), subprocess.TimeoutExpired("vm_stat", 10)], ids=str)
def test_a_machine_that_cannot_be_asked_is_no_error(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", fail)
    assert available_bytes() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has what is missing here")
def test_a_windows_without_its_interface_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert available_bytes() is None


def test_what_a_process_has_held_does_not_shrink():
    before = peak_bytes()
    block = bytearray(b"x") * (64 * 2**20)
    assert len(block) == 64 * 2**20
    del block
    if sys.platform.startswith("linux"):
        assert before is not None and 2**20 < before < 2**50
        assert peak_bytes() >= before and peak_bytes() >= 64 * 2**20


def test_the_peak_of_a_windows_without_its_interface_is_unknown(monkeypatch):
    if sys.platform != "win32":
        monkeypatch.setattr(sys, "platform", "win32")
        assert peak_bytes() is None


@pytest.mark.parametrize(
    "needed, free, expected",
    [
        (2**30, 2**30, None),
        (2**30 + 1, 2**30, 2**30),
        (2**29, 0, None),  # so little is not asked for
        (2**40, None, None),
    ],
)
def test_memory_is_too_little_only_where_it_is_known_to_be(monkeypatch, needed, free, expected):
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: free)
    assert too_few_bytes(needed) == expected
