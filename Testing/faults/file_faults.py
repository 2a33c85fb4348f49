"""Faults at the file layer: what a process writes below a folder is counted, and at a moment it is killed or refused.

Standard library only, so that any process can be given a fault: a forked one, or pip by way of sitecustomize.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import pathlib
import re
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KILL, TORN = "kill", "torn"
_AUDITED = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
_LISTED = ("os.listdir", "os.scandir")
# A file that is removed or renamed needs no space.
_NEED_SPACE = ("open", "write", "os.mkdir", "fsync")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and when.

    Attributes:
        below: folder whose files are watched.
        action: "kill" before the operation, "torn" in the midst of what it writes, or an error's name, such as ENOSPC.
        at: number of the operation, from 1; 0: the first one of a kind.
        kind: see `kind_of`; used where `at` is 0.
        last: the last operation that is refused, where the action is an error; 0: all that follow.
        reads: whether files cannot be read either, as where a network folder has vanished.
        trace: file that takes the kind of each operation, one a line; "": nobody wants to know.
    """

    below: str
    action: str = ""
    at: int = 0
    kind: str = ""
    last: int = 0
    reads: bool = False
    trace: str = ""


def kind_of(operation: str, path: str) -> str:
    """An operation without what differs from run to run, such as "write last.pt" or "os.rename case#.image.npy"."""
    name = re.sub(r"^\.\d+\.partial\.", "", Path(path).name)
    return f"{operation} {re.sub(r'[0-9a-f]{12}|[0-9]+', '#', name)}"


def arm(fault: Fault) -> None:
    """Let it happen in this process, which keeps the fault to its end."""
    _Watch(fault).begin()


class _Watch:
    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._below = os.path.realpath(fault.below) + os.sep
        self._number = 0
        self._lock = threading.RLock()
        self._open = io.open
        self._fsync = os.fsync
        self._trace = os.open(fault.trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if fault.trace else -1

    def begin(self) -> None:
        sys.addaudithook(self._hear)
        io.open = builtins.open = self._opened  # type: ignore[assignment]
        os.fsync = self._flushed  # type: ignore[assignment]
        # Python 3.10 keeps the function with which paths are opened.
        accessor = getattr(pathlib, "_NormalAccessor", None)
        if accessor is not None:
            accessor.open = staticmethod(self._opened)

    def meet(self, operation: str, path: Any, half: Any = None) -> None:
        """An operation is about to be done; `half` does the first half of it."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        name = os.path.abspath(os.fsdecode(path))
        if not (name + os.sep).startswith(self._below):
            return
        with self._lock:
            self._number += 1
            kind = kind_of(operation, name)
            if self._trace >= 0:
                os.write(self._trace, f"{kind}\n".encode())
            if self._is_due(kind):
                self._act(operation, name, half)

    def _is_due(self, kind: str) -> bool:
        fault = self._fault
        if fault.action in ("", KILL, TORN):
            return bool(fault.action) and (self._number == fault.at or (not fault.at and kind == fault.kind))
        return fault.at <= self._number <= (fault.last or sys.maxsize)

    def _act(self, operation: str, name: str, half: Any) -> None:
        action = self._fault.action
        if action in (KILL, TORN):
            if action == TORN and half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        if action in ("ENOSPC", "EDQUOT") and operation not in _NEED_SPACE:
            return
        number = getattr(errno, action)
        raise OSError(number, os.strerror(number), name)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if _is_for_writing(mode, flags):
                self.meet("open", path, lambda: _cut_in_half(path))
            elif self._fault.reads:
                self.meet("read", path)
        elif event in _AUDITED or (event in _LISTED and self._fault.reads):
            # Of a rename, where the file comes to lie.
            self.meet(event, args[event == "os.rename"])

    def _opened(self, file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        opened = self._open(file, mode, *args, **options)
        return _Written(opened, self, file) if set(mode) & set("wax") else opened

    def _flushed(self, descriptor: int) -> None:
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # a system without /proc
            path = ""
        self.meet("fsync", path)
        self._fsync(descriptor)


class _Written:
    """A file that tells before it writes; of many writes to one file the 1st, 2nd, 4th, 8th ... count."""

    def __init__(self, file: Any, watch: _Watch, path: Any) -> None:
        self._file, self._watch, self._path, self._count = file, watch, path, 0

    def write(self, content: Any) -> Any:
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._watch.meet("write", self._path, lambda: self._half(content))
        return self._file.write(content)

    def _half(self, content: Any) -> None:
        part = content if isinstance(content, str) else bytes(content)
        self._file.write(part[: len(part) // 2])
        self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._file)


def _is_for_writing(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _cut_in_half(path: Any) -> None:
    """Where a writer outside of Python has made the file, it is met here for the first time: as if it had not ended."""
    if ".partial." in os.fsdecode(path) and os.path.exists(path):
        os.truncate(path, os.path.getsize(path) // 2)
