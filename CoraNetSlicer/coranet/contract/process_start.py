"""When the operating system started a process, as it keeps that itself: clocks that are set do not change it."""

from __future__ import annotations

import calendar
import ctypes
import os
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

# struct kinfo_proc of a 64-bit macOS (sys/sysctl.h): start time, state and number lie at these offsets.
_KINFO_SIZE, _SECONDS_AT, _MICROSECONDS_AT, _STATE_AT, _PID_AT, _ZOMBIE = 648, 0, 8, 36, 40, 5
_CTL_KERN, _KERN_PROC, _KERN_PROC_PID = 1, 14, 1
# FILETIME counts 100 ns since 1601-01-01.
_FILETIME_OF_1970 = 116444736000000000


@dataclass(frozen=True)
class ProcessStart:
    """The start of a process that runs.

    Attributes:
        ticks: as the system keeps it: clock ticks since the boot (Linux), FILETIME (Windows), microseconds (macOS).
        time: seconds since 1970, for people; on Linux it moves when the clock is set.
    """

    ticks: int
    time: float


def process_start(pid: int) -> Optional[ProcessStart]:
    """When a running process was started; None if there is no such process (or a zombie)."""
    if sys.platform == "win32":
        return _of_windows(pid)
    if sys.platform == "linux":
        return _of_linux(pid)
    if sys.platform == "darwin":
        try:
            return _of_macos(pid)
        except (OSError, ValueError, struct.error):
            return _of_ps(pid)
    return _of_ps(pid)


def boot_identity() -> str:
    """The identity of this run of the machine; "" where the system has none (or needs none: Windows)."""
    if sys.platform == "linux":
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""
    return _boot_session_of_macos() if sys.platform == "darwin" else ""


def _of_linux(pid: int) -> Optional[ProcessStart]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    ticks = int(fields[19])
    return ProcessStart(ticks, _boot_time_of_linux() + ticks / os.sysconf("SC_CLK_TCK"))


def _boot_time_of_linux() -> float:
    try:
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)


def _of_macos(pid: int) -> Optional[ProcessStart]:
    """From the kernel's own table.

    Raises:
        OSError, ValueError: it does not answer, or not in the form that is known.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    names = (ctypes.c_int * 4)(_CTL_KERN, _KERN_PROC, _KERN_PROC_PID, pid)
    size, table = ctypes.c_size_t(_KINFO_SIZE), ctypes.create_string_buffer(_KINFO_SIZE)
    if libc.sysctl(names, 4, table, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        raise OSError(ctypes.get_errno(), "sysctl failed")
    return start_of_kinfo(table.raw[: size.value], pid)


def start_of_kinfo(table: bytes, pid: int) -> Optional[ProcessStart]:
    """The start of a process in the record of the kernel of macOS.

    Args:
        table: a kinfo_proc, or nothing where there is no such process.
        pid: of the process, which the table must name.

    Raises:
        ValueError: it is of another process or another form.
    """
    if not table:
        return None
    if len(table) < _KINFO_SIZE or struct.unpack_from("<i", table, _PID_AT)[0] != pid:
        raise ValueError("this is not a known kinfo_proc")
    if table[_STATE_AT] == _ZOMBIE:
        return None
    seconds = struct.unpack_from("<q", table, _SECONDS_AT)[0]
    microseconds = struct.unpack_from("<i", table, _MICROSECONDS_AT)[0]
    return ProcessStart(seconds * 1_000_000 + microseconds, seconds + microseconds / 1e6)


def _boot_session_of_macos() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_size_t(128)
    name = ctypes.create_string_buffer(size.value)
    if libc.sysctlbyname(b"kern.bootsessionuuid", name, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return ""
    return name.value.decode("ascii", errors="replace")


def _of_ps(pid: int) -> Optional[ProcessStart]:
    # In UTC: a clock that goes to summer time, or a laptop that travels, must not change the answer.
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=environment)
    return start_in_words(answer.stdout)


def start_in_words(text: str) -> Optional[ProcessStart]:
    """The start of a process in the output of ``ps -o stat=,lstart=`` in UTC; None: there is none, or a zombie."""
    state, _, started = text.strip().partition(" ")
    if not started or state.startswith("Z"):
        return None
    try:
        seconds = calendar.timegm(time.strptime(started.strip(), "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return None
    return ProcessStart(seconds, float(seconds))


def _of_windows(pid: int) -> Optional[ProcessStart]:
    kernel32: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    query_limited_information, still_active = 0x1000, 259
    kernel32.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel32.OpenProcess(query_limited_information, False, pid))
    if not handle:
        return None
    try:
        exit_code = ctypes.c_ulong()
        kernel32.GetExitCodeProcess(handle, ctypes.byref(exit_code))
        if exit_code.value != still_active:
            return None
        times = [ctypes.c_ulonglong() for _ in range(4)]
        if not kernel32.GetProcessTimes(handle, *(ctypes.byref(time) for time in times)):
            return None
        return ProcessStart(times[0].value, (times[0].value - _FILETIME_OF_1970) / 1e7)
    finally:
        kernel32.CloseHandle(handle)
