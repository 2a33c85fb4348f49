"""When a process was started is read from what the system keeps, on each system in its own way."""

from __future__ import annotations

import os
import struct

import pytest

from coranet.contract import process_start as starts
from coranet.contract.process_start import ProcessStart, boot_identity, process_start, start_in_words, start_of_kinfo


def kinfo(pid: int = 77, seconds: int = 1_700_000_000, microseconds: int = 250_000, state: int = 2) -> bytes:
    table = bytearray(648)
    struct.pack_into("<q", table, 0, seconds)
    struct.pack_into("<i", table, 8, microseconds)
    table[36] = state
    struct.pack_into("<i", table, 40, pid)
    return bytes(table)


def test_the_start_of_this_process_is_always_the_same():
    assert process_start(os.getpid()) == process_start(os.getpid()) is not None
    assert boot_identity() == boot_identity()


def test_there_is_no_start_of_a_process_that_is_not_there():
    assert process_start(2**22 + 12345) is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (kinfo(), ProcessStart(1_700_000_000_250_000, 1_700_000_000.25)),
        (kinfo(microseconds=0), ProcessStart(1_700_000_000_000_000, 1_700_000_000.0)),
        (kinfo(state=5), None),
        (b"", None),
    ],
    ids=["runs", "whole second", "zombie", "absent"],
)
def test_what_macos_keeps_of_a_process(table, expected):
    assert start_of_kinfo(table, 77) == expected


@pytest.mark.parametrize("table", [kinfo(pid=78), kinfo()[:640], b"\0" * 648], ids=["another", "short", "empty"])
def test_a_form_that_is_not_known_is_not_guessed_at(table):
    with pytest.raises(ValueError, match="kinfo_proc"):
        start_of_kinfo(table, 77)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("S    Tue Nov 14 22:13:20 2023\n", 1_700_000_000),
        ("Ss+  Wed Mar  1 00:00:00 2023\n", 1_677_628_800),
        ("R<l  Sun Oct 29 01:30:00 2023\n", 1_698_543_000),
        ("Z    Tue Nov 14 22:13:20 2023\n", None),
        ("", None),
        ("S\n", None),
        ("S    mar. 14 nov. 22:13:20 2023\n", None),
    ],
)
def test_what_ps_says(text, seconds):
    start = start_in_words(text)
    assert (None if start is None else start.ticks) == seconds


STAT = "77 (a ) (b) c) {state} 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {ticks} 1 1"


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        (STAT.format(state="S", ticks=4711), 4711),
        (STAT.format(state="Z", ticks=4711), None),
        (STAT.format(state="X", ticks=4711), None),
        ("77 (half", None),
        ("", None),
    ],
)
def test_what_linux_keeps_of_a_process(monkeypatch, tmp_path, text, ticks):
    (tmp_path / "stat").write_text(text, encoding="utf-8")
    path = starts.Path
    monkeypatch.setattr(starts, "Path", lambda name: path(tmp_path / "stat") if "/77/" in name else path(name))
    monkeypatch.setattr(starts, "_boot_time_of_linux", lambda: 1000.0)
    monkeypatch.setattr(starts.os, "sysconf", lambda name: 100, raising=False)
    start = starts._of_linux(77)
    assert (None if start is None else (start.ticks, start.time)) == (ticks and (ticks, 1000 + ticks / 100))
