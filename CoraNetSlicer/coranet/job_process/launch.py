"""Does a job in this process, or has torchrun start the team of processes that it needs and waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..contract import Job, terminate_tree
from ..contract.config import MachineConfig
from ..contract.errors import DeviceError
from ..contract.events import Event, EventReader, Failed
from .child_process import start_on_job
from .signals import stop_on_signal
from .team_member import EXIT_CODE, LAUNCHER

_POLL_INTERVAL_S = 0.2

Listener = Callable[[Event], object]
Worker = Callable[[Job, bool, Listener], int]


def worker_for(job: Job, devices: int | None = None, dry_run: bool = False) -> Worker:
    """Does a job, with as many processes as it needs.

    Args:
        job: its directory.
        devices: instead of the configuration's machine.devices; None: as configured.
        dry_run: only plan a training, and time its parts.

    Returns:
        A function of the job, whether to go on where it was left, and a listener that is given every event; returns
        the exit code, 0 if the job is finished. It raises JobError where another process works on the job.

    Raises:
        DeviceError: there are not so many devices; also an event of the job.
    """
    if dry_run:
        from .worker import plan

        return lambda job, resume, listener: plan(job, listener)
    machine = job.read_config().machine
    try:
        count = 1 if "RANK" in os.environ else team_size(machine, machine.devices if devices is None else devices)
    except DeviceError as error:
        job.add_event(Failed(str(error)))
        raise
    if count > 1:
        return partial(_work_as_team, count)
    from .worker import work_on

    return work_on


def team_size(machine: MachineConfig, devices: int) -> int:
    """How many processes are to share the work.

    Args:
        machine: for the kind of device.
        devices: as machine.devices: 0 means all graphics cards, on a processor the number of processes.

    Raises:
        DeviceError: there are not so many graphics cards.
    """
    if devices == 1:
        return 1
    # They import torch, which takes seconds.
    from ..machine.devices import available_devices, device_count

    available = available_devices()
    kind = available[0] if machine.device == "auto" else machine.device
    if kind == "cpu" or kind not in available:
        return max(1, devices)
    there = device_count(kind)
    if devices > there:
        raise DeviceError(
            f"{devices} devices were asked for, found {there} of the kind '{kind}'; set machine.devices to at most "
            f"{there} (0: all)."
        )
    return devices or there


def _work_as_team(count: int, job: Job, resume: bool, listener: Listener) -> int:
    job.claim()
    news = EventReader(job.events_path)
    news.read_new()
    with tempfile.TemporaryDirectory() as folder, stop_on_signal() as signalled:
        answer = Path(folder) / "exit-code"
        process = _start_torchrun(job, resume, count, answer)
        try:
            while process.poll() is None:
                if signalled.wait(_POLL_INTERVAL_S):
                    job.request_cancel()
                    time.sleep(_POLL_INTERVAL_S)
                _pass_on(news, listener)
        finally:
            # Only a second Ctrl-C comes here while it runs; once it has ended another process may have its number.
            if process.poll() is None:
                terminate_tree(process.pid)
        _pass_on(news, listener)
        if answer.exists():
            return int(answer.read_text(encoding="utf-8"))
    listener(job.add_event(Failed(f"the processes of the job ended without a message; see '{job.log_path}'.")))
    return process.returncode or 1


def _start_torchrun(job: Job, resume: bool, count: int, answer: Path) -> subprocess.Popen[bytes]:
    torchrun = [
        "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(count),
    ]  # fmt: skip
    environment = {**os.environ, LAUNCHER: str(os.getpid()), EXIT_CODE: str(answer)}
    # Else torchrun warns that it sets this; each process sets its number of threads itself.
    environment.setdefault("OMP_NUM_THREADS", "1")
    if sys.platform == "win32":
        # torch's packages for Windows are built without it.
        environment.setdefault("USE_LIBUV", "0")
    # In a group of its own: Ctrl-C must reach this process alone, torchrun would give a checkpoint no more than 30 s.
    return start_on_job(job, resume, torchrun, environment)


def _pass_on(news: EventReader, listener: Listener) -> None:
    for event in news.read_new():
        listener(event)
