"""Starts this program again, in a group of its own that Ctrl-C does not reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .contract import Job
from .contract.errors import JobError, storage_error

# Called by its path: a launcher may replace PYTHONPATH.
ENGINE = Path(__file__).resolve().with_name("__main__.py")
_NEW_PROCESS_GROUP, _NO_WINDOW = 0x00000200, 0x08000000


def start_on_job(
    job: Job, resume: bool, through: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``coranet run`` on a job; what it says goes into the job's log.

    Args:
        job: a complete job directory.
        resume: go on from the last checkpoint.
        through: words between Python and the program, for example those of torchrun.
        environment: of the process; None: that of this one.

    Raises:
        JobError: Python cannot be started.
        StorageError: the log cannot be written.
    """
    command = [sys.executable, *through, str(ENGINE), "run", str(job.folder), *(["--resume"] if resume else [])]
    own_group: dict[str, Any] = (
        {"creationflags": _NEW_PROCESS_GROUP | _NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
    )
    complete = {**(os.environ if environment is None else environment), "PYTHONUTF8": "1"}
    try:
        log = open(job.log_path, "ab")  # noqa: SIM115 - the two kinds of failure are told apart
    except OSError as error:
        raise storage_error(job.log_path, error) from error
    with log:
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=complete, **own_group
            )
        except OSError as error:
            raise JobError(
                f"'{command[0]}' cannot be started ({error.strerror or error}); check that it is there."
            ) from error
