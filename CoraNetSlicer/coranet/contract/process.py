"""Processes: started in a group of their own, recognised even where their number was reused, ended with their children.

Everything that starts the engine or another program does it here, on both sides of the contract.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .codec import from_json
from .process_start import boot_identity, process_start

# The engine is called by its path: a launcher may replace PYTHONPATH.
ENGINE = Path(__file__).resolve().parents[1] / "__main__.py"
# Start times are rounded to a second by some systems.
START_TOLERANCE_S = 2.0
_NEW_PROCESS_GROUP, _NO_WINDOW, _BREAKAWAY = 0x00000200, 0x08000000, 0x01000000


class DetachedProcess(subprocess.Popen):  # type: ignore[type-arg]
    """A process that is meant to outlive the object that started it."""

    def __del__(self, **_: Any) -> None:
        # Popen warns of a child that still runs; here that is the purpose.
        super().__del__(_warn=lambda *_args, **_more: None)  # type: ignore[call-arg]


def start_in_own_group(
    command: Sequence[str],
    launch: Callable[..., Any] = DetachedProcess,
    outlives: bool = False,
    platform: str = sys.platform,
    **options: Any,
) -> Any:
    """Start a program that Ctrl-C does not reach, without a window, and that `terminate_tree` ends with its children.

    Args:
        command: the program and its arguments.
        launch: starts a process, like subprocess.Popen.
        outlives: it goes on when its parent ends.
        platform: as sys.platform.
        options: of `launch`; it reads nothing unless they say so.

    Raises:
        OSError: it cannot be started.
    """
    options = {"stdin": subprocess.DEVNULL, **options}
    if platform != "win32":
        return launch(command, **options, start_new_session=True)
    flags = _NEW_PROCESS_GROUP | _NO_WINDOW
    if outlives:
        # The application may run inside a Windows job object that ends all its members with it.
        with suppress(PermissionError):
            return launch(command, **options, creationflags=flags | _BREAKAWAY)
    return launch(command, **options, creationflags=flags)


def without_window(platform: str = sys.platform) -> dict[str, Any]:
    """What subprocess.run needs so that a program opens no window of its own."""
    return {"creationflags": _NO_WINDOW} if platform == "win32" else {}


@dataclass(frozen=True)
class ProcessIdentity:
    """A process on a machine. Two are equal if number, machine, boot and start are.

    Attributes:
        pid: process number.
        host: name of the machine.
        started: when the operating system started it, seconds since 1970; moves when the clock is set.
        boot: identity of the run of the machine; "" where there is none, or in a job of an earlier version.
        ticks: when it was started, as the system keeps that; None in a job of an earlier version.
    """

    pid: int
    host: str
    started: float = field(compare=False)
    boot: str = ""
    ticks: Optional[int] = None

    @staticmethod
    def of_this_process() -> ProcessIdentity:
        """The identity of the caller."""
        pid = os.getpid()
        start = process_start(pid)
        if start is None:
            return ProcessIdentity(pid, socket.gethostname(), 0.0, boot_identity())
        return ProcessIdentity(pid, socket.gethostname(), start.time, boot_identity(), start.ticks)

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> ProcessIdentity:
        """From the keys of process.json; those that an earlier version did not write are not known.

        Raises:
            ValueError: a key is missing or of another type.
        """
        return from_json(ProcessIdentity, content)

    @property
    def is_local(self) -> bool:
        """Whether the process runs, or ran, on this machine."""
        return self.host == socket.gethostname()


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs on this machine (a reused number does not count).

    Clocks are not asked where the identity is complete: one that is set while a job runs changes nothing.
    """
    start = process_start(identity.pid)
    if start is None:
        return False
    if identity.ticks is None:
        return abs(start.time - identity.started) < START_TOLERANCE_S
    return identity.ticks == start.ticks and identity.boot == boot_identity()


def start_time(pid: int) -> Optional[float]:
    """When a running process was started, in seconds since 1970; None if there is no such process (or a zombie)."""
    start = process_start(pid)
    return None if start is None else start.time


def terminate_tree(pid: int) -> None:
    """End a process that was started in its own session or process group, with all its children, at once.

    A process that is already gone is no error. Only for a process that is known to run: its number may be another
    one's later.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(pid), "/T", "/F"]
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False, **without_window())
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
    except PermissionError:
        # macOS says so of a group that has a zombie left; what still runs of it is ended one by one.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
