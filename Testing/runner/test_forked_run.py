"""A small test suite of its own, run in forks: outcomes, output, fixtures, and a test that ends its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="forks are made on Linux")]

CONFTEST = """
import os, pathlib, pytest
from forked_run import pytest_addoption, pytest_runtestloop
@pytest.fixture(scope="session")
def an_open_file(tmp_path_factory):
    yield "open"
    pathlib.Path(__file__).with_name(f"closed {os.getpid()}").touch()
"""
FILES = {
    "test_outcomes.py": """
import pytest
def test_passes(an_open_file, tmp_path): print("not shown")
def test_fails(an_open_file): print("shown"); assert an_open_file == "closed"
@pytest.mark.skip(reason="not now")
def test_is_skipped(): raise AssertionError
def test_skips_itself(): pytest.skip("nothing here")
@pytest.mark.xfail
def test_is_expected_to_fail(): raise AssertionError
@pytest.fixture
def broken(): raise OSError("no disk")
def test_has_no_fixture(broken): pass
""",
    "test_one_process.py": """
import os
processes = set()
def test_one(): processes.add(os.getpid())
def test_two(): processes.add(os.getpid()); assert len(processes) == 1
""",
    "test_crash.py": """
import os, signal
def test_before(): pass
def test_ends_its_process(): os.kill(os.getpid(), signal.SIGKILL)
def test_after(): pass
""",
}


@pytest.fixture
def suite(tmp_path) -> Path:
    """A folder of tests."""
    for name, text in {"conftest.py": CONFTEST, "pytest.ini": "[pytest]\naddopts = -ra", **FILES}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def outcome(suite: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--in-forks", *args]
    return subprocess.run(
        command, cwd=suite, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def test_outcomes_are_those_of_one_process(suite):
    (suite / "test_crash.py").unlink()
    ended = outcome(suite)
    assert ended.returncode == 1
    assert "1 failed, 3 passed, 2 skipped, 1 xfailed, 1 error" in ended.stdout
    assert "not now" in ended.stdout and "nothing here" in ended.stdout
    assert "shown" in ended.stdout and "not shown" not in ended.stdout and "no disk" in ended.stdout
    assert list(suite.glob("closed *")), "fixtures of the session were not torn down"


def test_a_test_that_ends_its_process_fails(suite):
    ended = outcome(suite, "test_crash.py", "test_one_process.py")
    assert ended.returncode == 1
    assert "1 failed, 3 passed" in ended.stdout
    assert "test_ends_its_process" in ended.stdout and "the process ended with code -9" in ended.stdout


def test_all_is_well_where_all_pass(suite):
    ended = outcome(suite, "test_one_process.py")
    assert ended.returncode == 0 and "2 passed" in ended.stdout


def test_tests_that_cannot_be_collected_are_an_error(suite):
    (suite / "test_broken.py").write_text("import nothing_of_this_name", encoding="utf-8")
    ended = outcome(suite)
    assert ended.returncode == 2 and "nothing_of_this_name" in ended.stdout
