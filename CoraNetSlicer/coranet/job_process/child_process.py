"""Starts this program again, in a group of its own that Ctrl-C does not reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ..contract import Job
from ..contract.errors import JobError, storage_error
from ..contract.process import ENGINE, start_in_own_group


def start_on_job(
    job: Job, resume: bool, through: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``coranet run`` on a job; its output goes into the job's log.

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
    complete = {**(os.environ if environment is None else environment), "PYTHONUTF8": "1"}
    try:
        log = open(job.log_path, "ab")  # noqa: SIM115 - the two kinds of failure are told apart
    except OSError as error:
        raise storage_error(job.log_path, error) from error
    with log:
        try:
            return start_in_own_group(command, subprocess.Popen, stdout=log, stderr=subprocess.STDOUT, env=complete)  # type: ignore[no-any-return]
        except OSError as error:
            raise JobError(
                f"'{command[0]}' cannot be started ({error.strerror or error}); check that it exists."
            ) from error
