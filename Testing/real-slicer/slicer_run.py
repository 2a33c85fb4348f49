"""The whole way in a running 3D Slicer: `slicer_run.py SLICER [--python PYTHON] [--output FOLDER]`.

Starts the application with a home of its own, so that no setting of the user's takes part, under xvfb-run where
there is no display. Mouse and keys come from xdotool. The report is FOLDER/report.html.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from slicer_report import read_steps, write_report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SCRIPTS = REPOSITORY / "Testing" / "Python"
WHOLE_WAY, PANEL_TESTS = SCRIPTS / "whole_way.py", SCRIPTS / "CoraNetSlicerPanelTest.py"
SCREEN = "1600x1000x24"
# What Slicer says of its own on every start, here or there, and of any segmentation when a scene is closed.
_HARMLESS = re.compile(
    r"QStandardPaths|XDG_RUNTIME_DIR|propagateSizeHints|libGL|dconf|pulse|Qt WebEngine"
    r"|so per-segment subject hierarchy node cannot be created",
    re.IGNORECASE,
)
_FAULT = re.compile(
    r"Traceback \(most recent call last\)|^\[?(CRITICAL|ERROR)\b|^error: |^(Generic )?Warning: In |^RemoveNode: "
    r"|: Failed to ",
    re.IGNORECASE,
)


def main(arguments: Sequence[str]) -> int:
    """Run the application, write the report; 0 if nothing failed."""
    options = parse(arguments)
    output = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="CoraNetSlicer ") as folder:
        # In pictures, the end of its path is that of a user.
        home = Path(folder, "home", "researcher")
        home.mkdir(parents=True)
        code = start(options, output, home, WHOLE_WAY, output / "slicer.log")
        tests_code = start(options, output, home, PANEL_TESTS, output / "panel-tests.log")
    faults = faults_in((output / "slicer.log").read_text(encoding="utf-8", errors="replace"))
    record = read_steps(output)
    write_report(output, record, faults)
    error = record.error or ("" if code == 0 else f"Slicer ended with code {code}; see slicer.log.")
    for step in record.steps:
        stall = (step.longest_stall_s, step.stall_thread_s, step.stall_process_s)
        times = "{:6.0f} ms, processor {:5.0f} ms, of all threads {:5.0f} ms".format(*(1000 * part for part in stall))
        print(f"{step.name:<56} {step.seconds:7.1f} s   longest stall {times}")
    print(f"{len(faults)} errors in the log; report: {output / 'report.html'}")
    print("The tests of the panel " + ("passed." if tests_code == 0 else "failed; see panel-tests.log."))
    print(error or "The whole way ran to its end.")
    return 1 if error or faults or tests_code else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("slicer", help="the executable of 3D Slicer")
    parser.add_argument("--python", default="", help="Python with PyTorch and MONAI for the engine; else Slicer's own")
    parser.add_argument("--output", type=Path, default=Path("slicer-test-output"), help="folder of report and pictures")
    parser.add_argument("--data", default="", help="folder with imagesTr and labelsTr in place of the phantoms")
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest that all may take")
    return parser.parse_args(arguments)


def start(options: argparse.Namespace, output: Path, home: Path, script: Path, log_path: Path) -> int:
    """Run a script in Slicer to its end; its exit code."""
    command = [
        *display_command(os.environ),
        options.slicer,
        "--no-splash",
        "--ignore-slicerrc",
        "--additional-module-paths",
        str(REPOSITORY / "CoraNetSlicer"),
        "--python-script",
        str(script),
    ]
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        # Slicer on Linux gives all of itself the lowest priority; a busy machine would be measured in place of it.
        "SLICER_BACKGROUND_THREAD_PRIORITY": os.environ.get("SLICER_BACKGROUND_THREAD_PRIORITY", "0"),
        "CORANET_TEST_OUTPUT": str(output),
        "CORANET_TEST_PYTHON": options.python,
        "CORANET_TEST_DATA": options.data and str(Path(options.data).resolve()),
    }
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            return process.wait(60 * options.minutes)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait(60)


def display_command(environment: os._Environ[str] | dict[str, str]) -> list[str]:
    """What gives the application a display: nothing where there is one."""
    if environment.get("DISPLAY"):
        return []
    return ["xvfb-run", "--auto-servernum", f"--server-args=-screen 0 {SCREEN} +extension GLX"]


def faults_in(log: str) -> list[str]:
    """The errors of a log, a traceback with its last line each once."""
    faults: list[str] = []
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if _FAULT.search(line) and not _HARMLESS.search(line):
            fault = traceback_at(lines, number) if line.startswith("Traceback") else line
            if fault not in faults:
                faults.append(fault)
    return faults


def traceback_at(lines: Sequence[str], first: int) -> str:
    """A traceback: its indented lines and the one that says what was raised."""
    end = first + 1
    while end < len(lines) and lines[end].startswith((" ", "\t")):
        end += 1
    return "\n".join(lines[first : end + 1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
