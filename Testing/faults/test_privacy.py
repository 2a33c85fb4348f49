"""The main job without a network, and without a file outside of what was chosen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amounts import counts
from small_jobs import settings
from source_tree import REPOSITORY

pytestmark = pytest.mark.slow

# In each process, its children included: no socket reaches anybody, and all that is written is noted.
_WATCH = """
import os, sys
_trace = os.open(os.environ["WRITTEN_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_REFUSED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
def _note(path):
    if isinstance(path, (str, bytes, os.PathLike)):
        os.write(_trace, os.path.abspath(os.fsdecode(path)).encode("utf-8", "surrogateescape") + b"\\n")
def _hear(event, args):
    if event in _REFUSED:
        os.write(_trace, f"NETWORK {event} {args!r}\\n".encode())
        raise OSError(101, "Network is unreachable")
    if event == "open":
        path, mode, flags = args
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (
            not isinstance(mode, str) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            _note(path)
    elif event in _CHANGES:
        _note(args[0])
sys.addaudithook(_hear)
"""
_MAIN_JOB = """
import sys
from coranet.command_line.cli import main
import json
for words in json.loads(sys.argv[1]):
    sys.argv = ["coranet", *words]
    code = main()
    if code:
        sys.exit(f"{words}: {code}")
"""


def test_the_main_job_writes_nothing_elsewhere_and_asks_nobody(tmp_path):
    places = {name: tmp_path / name for name in ("home", "temporary", "work", "watch")}
    for place in places.values():
        place.mkdir()
    trace = tmp_path / "trace.txt"
    (places["watch"] / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    answer = subprocess.run(
        [*_without_network(), sys.executable, "-c", _MAIN_JOB, json.dumps(_commands(places["work"]))],
        env=_environment(places, trace), cwd=places["work"], capture_output=True, text=True, encoding="utf-8",
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    lines = trace.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    assert [line for line in lines if line.startswith("NETWORK")] == []
    allowed = (str(places["work"]), str(places["temporary"]), os.devnull, "/dev/", "/proc/")
    assert sorted({line for line in lines if not line.startswith(allowed)}) == []
    # What was written outside of Python is seen by what is there.
    assert list(places["home"].rglob("*")) == []
    # PyTorch makes an empty folder there; matplotlib, where it is installed, keeps its list of fonts.
    left = [path for path in places["temporary"].rglob("*") if path.is_file()]
    assert [path for path in left if "coranet-matplotlib" not in str(path)] == []
    assert {path.name for path in places["work"].iterdir()} == {"scans", "training", "results", "report"}
    assert (places["work"] / "results" / "metrics.json").is_file()
    counts["paths that the main job wrote, all of them allowed"] = len(set(lines))


def _commands(work: Path) -> list[list[str]]:
    phantom = ["phantom", str(work / "scans"), "--labeled", "1", "--unlabeled", "1", "--test", "1"]
    datalist = str(work / "scans" / "dataset.json")
    train = ["train", datalist, "--output", str(work / "training"), *settings()]
    model = ["--model", str(work / "training"), "--output", str(work / "results"), "--set", "machine.device=cpu"]
    report = ["report", str(work / "results"), "--output", str(work / "report")]
    return [phantom, train, ["evaluate", datalist, *model], report]


def _environment(places: dict[str, Path], trace: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(places["watch"]), str(REPOSITORY / "CoraNetSlicer")]),
        "HOME": str(places["home"]),
        "TMPDIR": str(places["temporary"]),
        # Byte code beside the source is Python's own, and this checkout's.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "WRITTEN_TRACE": str(trace),
    }


def _without_network() -> list[str]:
    """Words that take the network from a process, where this user may."""
    unshare = shutil.which("unshare")
    for args in ([unshare, "-n"], [unshare, "-rn"]):
        if unshare and not subprocess.run([*args, "true"], capture_output=True, check=False).returncode:
            return [str(word) for word in args]
    return []
