"""Duties of a team's process towards its launcher: not to outlive it, and to report how the job ended."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..contract import Job, ProcessIdentity
from ..contract.process import start_time

# Environment variables that the launcher sets: its process number, and the file for the exit code.
LAUNCHER, EXIT_CODE = "CORANET_LAUNCHER", "CORANET_EXIT_CODE_FILE"
_WATCH_INTERVAL_S = 1.0


def claim(job: Job, report: Callable[[str], object] = lambda text: None) -> ProcessIdentity | None:
    """Make this process the one that works on a job; None in a process that only helps another one with it.

    Args:
        job: its directory.
        report: is given a sentence where it takes long.

    Raises:
        JobError: another process works on it.
    """
    if os.environ.get("RANK", "0") != "0":
        return None
    process = job.read_process()
    if process is None or str(process["pid"]) != os.environ.get(LAUNCHER) or process["host"] != socket.gethostname():
        return job.claim(report)
    # The process that has started this one holds the job for it.
    me = ProcessIdentity.of_this_process()
    job.beat(me)
    return me


def leave_exit_code(exit_code: int) -> None:
    """Report to the launcher how the job ended: torchrun has one exit code for all failures."""
    path = os.environ.get(EXIT_CODE)
    if path:
        Path(path).write_text(str(exit_code), encoding="utf-8")


@contextmanager
def bound_to_launcher() -> Iterator[None]:
    """Inside, this process ends at once when the ones that have started it are gone.

    torchrun gives each process a session of its own: killing the launcher with all its children misses them.
    """
    parent, launcher = os.getppid(), os.environ.get(LAUNCHER)
    ended = threading.Event()

    def watch() -> None:
        missed = 0
        while not ended.wait(_WATCH_INTERVAL_S):
            # Not compared with when it was started: a clock that is set would count as the launcher's end.
            is_gone = os.getppid() != parent or (launcher is not None and start_time(int(launcher)) is None)
            missed = missed + 1 if is_gone else 0
            if missed == 2:
                os._exit(1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
