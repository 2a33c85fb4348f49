"""A process that has imported everything once and forks for each piece of work: a start costs milliseconds.

The test process itself cannot: once torch has computed gradients, its forks may not.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from file_faults import Fault, arm

# Nothing takes so long but what hangs.
_LIMIT_S = 1800.0
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended.

    Attributes:
        code: exit code; negative: the number of the signal that ended it; None: it hung.
        output: what it said on stdout and stderr.
    """

    code: int | None
    output: str

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL


@dataclass(frozen=True)
class Work:
    """A piece of work in a process of its own.

    Attributes:
        function: "module:name", in Testing/faults.
        args: its keyword arguments, as JSON can hold them.
        fault: what goes wrong.
        kill_after_s: SIGKILL from outside after so long; None: nobody does.
        limits: names and values of `resource`, such as {"RLIMIT_NOFILE": 32}; RLIMIT_AS in bytes beyond the start.
    """

    function: str
    args: dict[str, Any]
    fault: Fault | None = None
    kill_after_s: float | None = None
    limits: dict[str, int] | None = None


class ForkServer:
    """The server as the tests see it."""

    def __init__(self, warm_up: Work | None = None) -> None:
        """Start it.

        Args:
            warm_up: is done once; what it imports, all later pieces of work find imported.
        """
        self._scratch = tempfile.TemporaryDirectory(prefix="faults-")
        places = [_HERE, *(_HERE.parent / name for name in ("engine", "slicer")), _HERE.parents[1] / "CoraNetSlicer"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
            encoding="utf-8",
        )  # fmt: skip
        if warm_up is not None:
            outcome = self._send([warm_up], warm=True)[0]
            if outcome.code:
                raise RuntimeError(f"the work did not even succeed once: {outcome}")

    def run(self, work: Work) -> Outcome:
        """Do one piece of work to its end."""
        return self._send([work])[0]

    def run_together(self, works: list[Work]) -> list[Outcome]:
        """Do several pieces of work at the same time."""
        return self._send(works)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._scratch.cleanup()

    def _send(self, works: list[Work], warm: bool = False) -> list[Outcome]:
        assert self._process.stdin is not None and self._process.stdout is not None
        outputs = [str(Path(self._scratch.name) / f"output-{number}") for number in range(len(works))]
        request = {"works": [asdict(work) for work in works], "outputs": outputs, "warm": warm}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        codes = json.loads(self._process.stdout.readline())
        texts = [Path(output).read_text(encoding="utf-8", errors="replace") for output in outputs]
        return [Outcome(code, text) for code, text in zip(codes, texts, strict=True)]


def _serve() -> None:
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        works = request["works"]
        pairs = zip(works, request["outputs"], strict=True)
        pids = [_fork(work, output, request["warm"]) for work, output in pairs]
        codes = [_wait(pid, work["kill_after_s"]) for pid, work in zip(pids, works, strict=True)]
        if request["warm"]:
            _import_all(Path(request["outputs"][0] + ".modules"))
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _fork(work: dict[str, Any], output: str, warm: bool) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = _do(work)
        if warm:
            Path(output + ".modules").write_text("\n".join(sys.modules), encoding="utf-8")
    except BaseException:  # noqa: BLE001 - a process that has gone wrong must not go on as a second server
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _do(work: dict[str, Any]) -> int:
    module, _, name = work["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    if work["limits"]:
        import resource

        for limit, value in work["limits"].items():
            # Memory is counted beyond what the process has.
            value += _memory_bytes() if limit == "RLIMIT_AS" else 0
            resource.setrlimit(getattr(resource, limit), (value, value))
    if work["fault"]:
        arm(Fault(**work["fault"]))
    return int(function(**work["args"]))


def _memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wait(pid: int, kill_after_s: float | None) -> int | None:
    start = time.monotonic()
    is_killed = False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - start
        if not is_killed and passed > (kill_after_s or _LIMIT_S):
            os.kill(pid, signal.SIGKILL)
            is_killed = True
            if kill_after_s is None:
                os.waitpid(pid, 0)
                return None
        time.sleep(0.002)


def _import_all(names: Path) -> None:
    for name in names.read_text(encoding="utf-8").split():
        if name != "__main__":
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001 - made up at run time by somebody, not a file
                sys.modules.pop(name, None)


if __name__ == "__main__":
    _serve()
