"""How much of the computer's main memory is free or was used. Never fails: None where it cannot be asked."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

# macOS hands out these pages without writing anything to the disk.
_MACOS_FREE_PAGES = ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable")


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
    """What `vm_stat` says on macOS: free, inactive, speculative and purgeable pages, in bytes."""
    page = re.search(r"page size of (\d+) bytes", text)
    counts = [re.search(rf"{name}:\s+(\d+)", text) for name in _MACOS_FREE_PAGES]
    if page is None or counts[0] is None:
        return None
    return int(page.group(1)) * sum(int(count.group(1)) for count in counts if count)


def _on_linux(root: Path) -> int | None:
    """The machine's available memory, or what is left to the container where that is less."""
    text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    machine = 1024 * int(found.group(1)) if found else None
    known = [size for size in (machine, _left_to_container(root / "sys/fs/cgroup")) if size is not None]
    return min(known, default=None)


def _left_to_container(folder: Path) -> int | None:
    """What a control group of version 2 may still take. Its file cache can be dropped and counts as free."""
    try:
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        cached = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return max(limit - used + (int(cached.group(1)) if cached else 0), 0)


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
