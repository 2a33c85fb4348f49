"""Slicer is started with a home of its own, and its log is read for errors."""

from __future__ import annotations

import json
import sys

import pytest
from slicer_run import display_command, faults_in, main

LOG = """Number of registered modules: 40
Traceback (most recent call last):
  File "section.py", line 3, in click
    raise ValueError("no")
ValueError: no
Loaded volume from file
Traceback (most recent call last):
  File "section.py", line 3, in click
    raise ValueError("no")
ValueError: no
ERROR: In vtkThing.cxx, line 3
RemoveNode: Node vtkMRMLModelDisplayNode/ModelDisplay_2[0x56] already removed
void updateAllSegmentsFromMRML(): Unable to find item for A, so per-segment subject hierarchy node cannot be created
QStandardPaths: XDG_RUNTIME_DIR not set
"""


def test_errors_of_the_log_are_named_once():
    first, second, third = faults_in(LOG)
    assert first.startswith("Traceback") and first.endswith("ValueError: no")
    assert second == "ERROR: In vtkThing.cxx, line 3" and third.startswith("RemoveNode: ")


def test_a_display_is_made_where_there_is_none():
    assert display_command({"DISPLAY": ":0"}) == []
    assert display_command({})[0] == "xvfb-run"


@pytest.fixture
def application(tmp_path, monkeypatch):
    """An application that writes steps as a run does, and ends with a code."""
    monkeypatch.setenv("DISPLAY", ":0")
    program = tmp_path / "Slicer"

    def write(steps, code):
        text = (
            "import os, pathlib, sys\n"
            f"pathlib.Path(os.environ['CORANET_TEST_OUTPUT'], 'steps.json').write_text({json.dumps(steps)!r})\n"
            f"pathlib.Path(os.environ['CORANET_TEST_OUTPUT'], 'home.txt').write_text(os.environ['HOME'])\n"
            f"sys.exit({code})\n"
        )
        script = tmp_path / "application.py"
        script.write_text(text, encoding="utf-8")
        # A first line cannot name a program whose path has spaces.
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        return str(program)

    return write


@pytest.mark.skipif(sys.platform == "win32", reason="the application is a script of the shell")
@pytest.mark.parametrize(("error", "code", "expected"), [("", 0, 0), ("TimeoutError", 0, 1), ("", 139, 1)])
def test_the_exit_code_tells_whether_all_went_well(application, tmp_path, capsys, error, code, expected):
    slicer = application({"error": error, "steps": [{"name": "Train"}]}, code)
    output = tmp_path / "output"
    assert main([slicer, "--output", str(output)]) == expected
    printed = capsys.readouterr().out
    assert (output / "report.html").exists() and "Train" in printed
    assert ("tests of the panel passed" in printed) == (code == 0)
    assert (output / "home.txt").read_text() != str(output.home())
