"""Who works on a job: a process that can be recognised later, even after its number was given to another one."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

# Start times are rounded to a second by some systems.
START_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class ProcessIdentity:
    """A process on a machine.

    Attributes:
        pid: process number.
        host: name of the machine.
        started: when the operating system started it, seconds since 1970.
    """

    pid: int
    host: str
    started: float

    @staticmethod
    def of_this_process() -> ProcessIdentity:
        """The identity of the caller."""
        pid = os.getpid()
        return ProcessIdentity(pid=pid, host=socket.gethostname(), started=start_time(pid) or 0.0)

    @property
    def is_local(self) -> bool:
        """Whether the process runs, or ran, on this machine."""
        return self.host == socket.gethostname()


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs on this machine (a reused number does not count)."""
    started = start_time(identity.pid)
    return started is not None and abs(started - identity.started) < START_TOLERANCE_S


def start_time(pid: int) -> Optional[float]:
    """When a running process was started, in seconds since 1970; None if there is no such process (or a zombie)."""
    if sys.platform == "win32":
        return _start_time_windows(pid)
    if sys.platform == "linux":
        return _start_time_linux(pid)
    return _start_time_ps(pid)


def terminate_tree(pid: int) -> None:
    """End a process that was started in its own session or process group, with all its children, at once.

    A process that is already gone is no error.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(pid), "/T", "/F"]
        subprocess.run(command, capture_output=True, check=False, creationflags=0x08000000)  # CREATE_NO_WINDOW
        return
    try:
        group = os.getpgid(pid)
        # Never our own group: a process that was not detached must not take its caller along.
        if group == os.getpgrp():
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _start_time_linux(pid: int) -> Optional[float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot_time = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime ")
        )
    except (OSError, StopIteration):
        return None
    if fields[0] in "ZX":
        return None
    return boot_time + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _start_time_ps(pid: int) -> Optional[float]:
    import time

    environment = {**os.environ, "LC_ALL": "C"}
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=environment)
    state, _, started = answer.stdout.strip().partition(" ")
    if not started or state.startswith("Z"):
        return None
    return time.mktime(time.strptime(started.strip(), "%a %b %d %H:%M:%S %Y"))


def _start_time_windows(pid: int) -> Optional[float]:
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
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
        if not kernel32.GetProcessTimes(handle, *(ctypes.byref(one) for one in times)):
            return None
        # FILETIME counts 100 ns since 1601-01-01.
        return times[0].value / 1e7 - 11644473600.0
    finally:
        kernel32.CloseHandle(handle)
