"""The faults themselves: where they strike, and what they leave."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from file_faults import KILL, TORN, Fault, kind_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")

_WRITES = """
import json, os, pathlib, sys
sys.path.insert(0, sys.argv[1])
from file_faults import Fault, arm
arm(Fault(**json.loads(sys.argv[2])))
folder = pathlib.Path(sys.argv[3])
(folder / "before.txt").write_text("before", encoding="utf-8")
with open(folder / ".7.partial.last.pt", "wb") as file:
    file.write(b"0123456789")
    file.flush()
    os.fsync(file.fileno())
os.replace(folder / ".7.partial.last.pt", folder / "last.pt")
"""


def ended(folder: Path, fault: Fault) -> subprocess.CompletedProcess[str]:
    here = str(Path(__file__).resolve().parent)
    command = [sys.executable, "-c", _WRITES, here, json.dumps(asdict(fault)), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_each_operation_is_traced_by_its_kind(tmp_path):
    below, trace = tmp_path / "job", tmp_path / "trace.txt"
    below.mkdir()
    assert ended(below, Fault(str(below), trace=str(trace))).returncode == 0
    kinds = [
        "open before.txt",
        "write before.txt",
        "open last.pt",
        "write last.pt",
        "fsync last.pt",
        "os.rename last.pt",
    ]
    traced = trace.read_text(encoding="utf-8").splitlines()
    assert traced == (kinds if sys.platform == "linux" else [kind for kind in kinds if "fsync" not in kind])
    assert (below / "last.pt").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ({"action": KILL, "at": 1}, {}),
        ({"action": KILL, "kind": "open last.pt"}, {"before.txt": b"before"}),
        ({"action": TORN, "kind": "write last.pt"}, {"before.txt": b"before", ".7.partial.last.pt": b"01234"}),
        ({"action": KILL, "kind": "os.rename last.pt"}, {"before.txt": b"before", ".7.partial.last.pt": b"0123456789"}),
    ],
    ids=["first", "before a file", "in a write", "before a rename"],
)
def test_a_kill_leaves_what_was_written(tmp_path, fault, left):
    assert ended(tmp_path, Fault(str(tmp_path), **fault)).returncode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left


def test_an_error_names_the_file_and_lasts_as_long_as_it_is_asked(tmp_path):
    answer = ended(tmp_path, Fault(str(tmp_path), "ENOSPC", 3))
    assert answer.returncode == 1
    assert "No space left on device" in answer.stderr and ".7.partial.last.pt" in answer.stderr
    assert ended(tmp_path, Fault(str(tmp_path), "ENOSPC", 50)).returncode == 0


def test_kinds_leave_out_what_differs_from_run_to_run():
    assert kind_of("write", "/j/.123.partial.case001-0123456789ab.image.npy") == "write case#-#.image.npy"
