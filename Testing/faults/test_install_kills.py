"""SIGKILL while packages are installed: what is half there is not taken for whole, and a repair makes it so."""

from __future__ import annotations

import importlib.metadata
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amounts import IS_FULL, amount, counts
from small_jobs import ENGINE, environment
from test_installation import write_wheel

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not IS_FULL, reason="each needs pip three times: make faults")]

_ARM = """
import os, sys
if os.environ.get("FAULT_AT"):
    sys.path.insert(0, os.environ["FAULTS_FOLDER"])
    from file_faults import Fault, arm
    arm(Fault(os.environ["FAULT_BELOW"], os.environ["FAULT_ACTION"], int(os.environ["FAULT_AT"])))
"""
# pip moves each package into the folder as a whole: a few operations each.
_REACH = 6


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "torch", "99.1")
    write_wheel(folder, "monai", "98.0", "Requires-Dist: torch>=99\n")
    return folder


def installed(own: Path, wheels: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ENGINE), "install", *words, f"--wheels={wheels}"]
    given = environment(CORANET_PACKAGES=str(own), **variables)
    return subprocess.run(command, env=given, capture_output=True, text=True, encoding="utf-8", check=False)


def is_whole(own: Path, name: str) -> bool:
    """Whether each file that a package lists is there, with the length that it lists."""
    found = [
        one for one in importlib.metadata.distributions(path=[str(own)]) if (one.metadata or {}).get("Name") == name
    ]
    files = [file for one in found for file in one.files or ()]
    return bool(files) and all(
        Path(str(file.locate())).is_file() and file.size in (None, Path(str(file.locate())).stat().st_size)
        for file in files
    )


@pytest.mark.parametrize("number", range(amount(10, 0)))
def test_over_an_installation(tmp_path, wheels, number):
    own, watch = tmp_path / "own", tmp_path / "watch"
    own.mkdir()
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(_ARM, encoding="utf-8")
    draw = random.Random(number)
    fault = {
        "PYTHONPATH": str(watch), "FAULTS_FOLDER": os.path.dirname(__file__), "FAULT_BELOW": str(own),
        "FAULT_ACTION": draw.choice(("kill", "torn")), "FAULT_AT": str(draw.randint(1, _REACH)),
    }  # fmt: skip
    answer = installed(own, wheels, "torch", "monai", **fault)
    if answer.returncode == 0:
        pytest.skip("it was done before that operation")
    counts["kills over an installation"] += 1
    anew = [f"--anew={name}" for name in ("torch", "monai") if not is_whole(own, name)]
    assert anew, "one of them at least was not there yet"
    answer = installed(own, wheels, *anew)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert is_whole(own, "torch") and is_whole(own, "monai")
    shutil.rmtree(own)
