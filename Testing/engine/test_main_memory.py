from __future__ import annotations

import subprocess
import sys

import pytest

from coranet import main_memory
from coranet.main_memory import available_bytes, of_vm_stat, peak_bytes

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10.
Pages active:                          99999.
Pages inactive:                           20.
Pages speculative:                         3.
Pages wired down:                      88888.
Pages purgeable:                           1.
"""


def a_linux(root, meminfo="MemTotal: 9 kB\nMemAvailable:    1000 kB\n", **group: str):
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(meminfo, encoding="ascii")
    folder = root / "sys/fs/cgroup"
    folder.mkdir(parents=True)
    for name, text in group.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="ascii")
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
