"""Starts the fake engines as forks of a process that has imported what they need: in milliseconds, not in a quarter
of a second.

What comes of it is a real process in a session of its own, with a number, a log and an exit code. Starting a program
is what test_job_runner.py is about, and where a system cannot fork, it is done here, too.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from coranet.contract.process import DetachedProcess

_LIBRARY = Path(__file__).resolve().parents[2] / "CoraNetSlicer"


class _Server:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        self._process = DetachedProcess(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(_LIBRARY)}, start_new_session=True,
        )  # fmt: skip
        self._one_at_a_time = threading.Lock()

    def close(self) -> None:
        """End it; what it has forked goes on."""
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        self._process.wait()

    def ask(self, **request: Any) -> Any:
        """The answer to one request."""
        with self._one_at_a_time:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())


@cache
def _server() -> _Server:
    """One for all tests; it ends when they do."""
    server = _Server()
    atexit.register(server.close)
    return server


class ForkedProcess:
    """A process that was forked, as far as runners ask for it."""

    def __init__(self, command: list[str], log: str, env: dict[str, str], cwd: str) -> None:
        self.pid: int = _server().ask(command=command, log=log, env=env, cwd=cwd)
        self._code: int | None = None

    def kill(self) -> None:
        """End it by force."""
        os.kill(self.pid, signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit code; None: it runs."""
        if self._code is None:
            self._code = _server().ask(pid=self.pid)
        return self._code


def launch(command: list[str], **options: Any) -> Any:
    """Start a Python program, as `subprocess.Popen` with the options of `JobRunner`."""
    if sys.platform != "linux":
        return DetachedProcess(command, **options)
    return ForkedProcess(command, options["stdout"].name, options["env"], options["cwd"])


def _serve() -> None:
    import numpy  # noqa: F401
    import SimpleITK  # noqa: F401

    import coranet.contract  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        answer = _status(request["pid"]) if "pid" in request else _fork(**request)
        print(json.dumps(answer), flush=True)  # noqa: T201


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(command: list[str], log: str, env: dict[str, str], cwd: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code: object = 1
    try:
        os.setsid()
        os.chdir(cwd)
        output = os.open(log, os.O_WRONLY | os.O_APPEND)
        for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(stream, target)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = command[1:]
        runpy.run_path(command[1], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - a process that has gone wrong must not go on as a second server
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
