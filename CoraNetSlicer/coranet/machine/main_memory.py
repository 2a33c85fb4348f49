"""How much of the computer's main memory is free or was used. Never fails: None where it cannot be asked."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# macOS hands out these pages without writing anything to the disk.
_MACOS_FREE_PAGES = ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable")
# So little is not asked for: asking takes some milliseconds.
_ALWAYS_THERE = 2**29


def available_bytes() -> int | None:
    """Bytes that a program can still take without making others swap; None: unknown."""
    try:
        if sys.platform == "win32":
            return _on_windows()
        if sys.platform == "darwin":
            return of_vm_stat(
                subprocess.run(["vm_stat"], capture_output=True, text=True, timeout=10, check=True).stdout
            )
        return _on_linux(Path("/"))
    except (OSError, ValueError, AttributeError, subprocess.SubprocessError):
        return None


def too_few_bytes(needed: int) -> int | None:
    """Bytes that are free where something needs more; None: there are enough, or it is unknown."""
    if needed <= _ALWAYS_THERE:
        return None
    free = available_bytes()
    return free if free is not None and needed > free else None


def peak_bytes() -> int | None:
    """Most main memory that this process has held at once so far; None: unknown."""
    try:
        if sys.platform == "win32":
            return _peak_on_windows()
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    except (ImportError, OSError, AttributeError):
        return None


def of_vm_stat(text: str) -> int | None:
    """The memory in the output of `vm_stat` on macOS: free, inactive, speculative and purgeable pages, in bytes."""
    page = re.search(r"page size of (\d+) bytes", text)
    counts = [re.search(rf"{name}:\s+(\d+)", text) for name in _MACOS_FREE_PAGES]
    if page is None or counts[0] is None:
        return None
    return int(page.group(1)) * sum(int(count.group(1)) for count in counts if count)


def _on_linux(root: Path) -> int | None:
    """The machine's available memory, or what a limit leaves of it: of a control group, or of the address space."""
    text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
    available = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    machine = 1024 * int(available.group(1)) if available else None
    groups = [_left_to_group(folder, files) for folder, files in _control_groups(root)]
    known = [size for size in (machine, *groups, _left_of_address_space(root)) if size is not None]
    return min(known, default=None)


class _GroupFiles(NamedTuple):
    """Names of a control group's files, in its two versions.

    Attributes:
        limits: hold a number of bytes, or "max".
        used: holds a number of bytes.
        cached: how `memory.stat` calls the bytes of files that can be dropped at once.
    """

    limits: tuple[str, ...]
    used: str
    cached: str


_VERSION_1 = _GroupFiles(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
# Above the lower one a process is not ended, but hardly goes on.
_VERSION_2 = _GroupFiles(("memory.max", "memory.high"), "memory.current", "inactive_file")


def _control_groups(root: Path) -> Iterator[tuple[Path, _GroupFiles]]:
    """The folders of the control groups in which this process is; the limits of all of them hold.

    Source: cgroups(7) and proc_pid_mountinfo(5).
    """
    paths = _paths_of_groups(root)
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = (after.split() + ["", "", ""])[:3]
        is_first = kind == "cgroup" and "memory" in options.split(",")
        if not is_first and kind != "cgroup2":
            continue
        shown, mount = (part.replace("\\040", " ") for part in before.split()[3:5])
        top = root / mount.lstrip("/")
        inside = _below(paths.get("memory" if is_first else "", "/"), shown)
        for folder in (top / inside, *(top / inside).parents):
            yield folder, _VERSION_1 if is_first else _VERSION_2
            if folder == top:
                break


def _paths_of_groups(root: Path) -> dict[str, str]:
    """Where this process is in the tree of each controller; of version 2 the controller is called ""."""
    rows = [line.split(":", 2) for line in _lines(root / "proc/self/cgroup")]
    return {name: path for _, names, path in (row for row in rows if len(row) == 3) for name in names.split(",")}


def _below(path: str, shown: str) -> str:
    """A group's path within what is mounted; "" where it lies outside, as seen from within a container."""
    if ".." in path or not (path + "/").startswith(shown.rstrip("/") + "/"):
        return ""
    return path[len(shown.rstrip("/")) :].strip("/")


def _left_to_group(folder: Path, files: _GroupFiles) -> int | None:
    """What a control group may still take. Its file cache can be dropped and counts as free."""
    limits = [size for name in files.limits if (size := _number(folder / name)) is not None]
    used = _number(folder / files.used)
    if not limits or used is None:
        return None
    cached = next((line.split()[1] for line in _lines(folder / "memory.stat") if line.startswith(files.cached)), "0")
    return max(min(limits) - used + int(cached), 0)


def _left_of_address_space(root: Path) -> int | None:
    """What `ulimit -v` leaves to this process."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = next(iter(_lines(root / "proc/self/statm")), "").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(limit - int(pages[0]) * resource.getpagesize(), 0)


def _number(path: Path) -> int | None:
    """The number in a file; None where it holds none, such as "max"."""
    text = next(iter(_lines(path)), "").strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = [
        ("dwLength", ctypes.c_ulong),
        ("dwMemoryLoad", ctypes.c_ulong),
        ("ullTotalPhys", ctypes.c_ulonglong),
        ("ullAvailPhys", ctypes.c_ulonglong),
        ("ullTotalPageFile", ctypes.c_ulonglong),
        ("ullAvailPageFile", ctypes.c_ulonglong),
        ("ullTotalVirtual", ctypes.c_ulonglong),
        ("ullAvailVirtual", ctypes.c_ulonglong),
        ("ullAvailExtendedVirtual", ctypes.c_ulonglong),
    ]


def _on_windows() -> int | None:
    status = _MemoryStatus()
    status.dwLength = ctypes.sizeof(status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows alone
    return int(status.ullAvailPhys) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = [
        ("cb", ctypes.c_ulong),
        ("PageFaultCount", ctypes.c_ulong),
        ("PeakWorkingSetSize", ctypes.c_size_t),
        ("WorkingSetSize", ctypes.c_size_t),
        ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
        ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
    ]


def _peak_on_windows() -> int | None:
    counters = _MemoryCounters()
    counters.cb = ctypes.sizeof(counters)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows alone
    # The handle of this process is -1 in the width of a pointer.
    this_process = ctypes.c_void_p(-1)
    answered = kernel.K32GetProcessMemoryInfo(this_process, ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize) if answered else None
