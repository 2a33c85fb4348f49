"""What a user gets: the extension as CMake installs it, imported from there, without the source tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import module_files
import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
MODULES = "lib/Slicer-5.12/qt-scripted-modules"


def cmake_program() -> str | None:
    """The CMake of this Python's environment, else the one on the path."""
    beside = Path(sys.executable).parent / ("cmake.exe" if os.name == "nt" else "cmake")
    return str(beside) if beside.is_file() else shutil.which("cmake")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Folder of the scripted modules of an installation, below a folder whose name has a space."""
    cmake = cmake_program()
    if cmake is None:
        pytest.skip("there is no CMake: pip install cmake")
    folder = tmp_path_factory.mktemp("an installation")
    build, prefix = folder / "build", folder / "Slicer 5.12"
    for args in (
        [cmake, "-S", HERE, "-B", build, f"-DSlicer_DIR={HERE}", f"-DCMAKE_INSTALL_PREFIX={prefix}"],
        [cmake, "--install", build],
    ):
        process = subprocess.run(args, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stdout + process.stderr
    return prefix / MODULES


def run_there(installed: Path, *args: str) -> str:
    """What a Python prints that finds the installed modules, and not those of the source tree."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "500"}
    process = subprocess.run(
        [sys.executable, *args], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_it_holds_the_listed_files_and_no_others(installed):
    expected = {*module_files.present_scripts(), *module_files.present_resources()}
    found = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert found == expected


def test_slicer_finds_the_icon_of_the_module_beside_it(installed):
    assert (installed / "CoraNetSlicer.py").is_file()
    assert (installed / "Resources" / "Icons" / "CoraNetSlicer.png").is_file()


def test_the_slicer_side_is_imported_and_finds_its_resources(installed):
    program = (
        "import json, CoraNetSlicerLib.logic\n"
        "from coranet.contract.resources import resource_path\n"
        "names = ['Icons/CoraNetSlicer.png', 'Icons/CoraNetPhantom.png', 'UI/CoraNetSlicer.ui', 'requirements.txt']\n"
        "print(json.dumps([CoraNetSlicerLib.logic.__file__, *map(str, map(resource_path, names))]))"
    )
    paths = [Path(path) for path in json.loads(run_there(installed, "-c", program))]
    assert all(path.is_relative_to(installed) and path.is_file() for path in paths)


def test_the_engine_runs_from_there_with_all_presets(installed):
    main = str(installed / "coranet" / "__main__.py")
    assert run_there(installed, main, "--version").startswith("coranet ")
    presets = {path.stem for path in (installed / "Resources" / "Presets").iterdir()}
    output = run_there(installed, main, "train", "--help")
    assert presets and all(preset in output for preset in presets)
