"""What CMake does not list is not in the extension that a user installs."""

from __future__ import annotations

import re
from pathlib import Path

import module_files
import pytest

CMAKE_TEXT = module_files.CMAKE_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("variable", "present"),
    [
        (module_files.SCRIPTS, module_files.present_scripts()),
        (module_files.RESOURCES, module_files.present_resources()),
    ],
    ids=["scripts", "resources"],
)
def test_cmake_lists_exactly_the_files_that_are_there(variable, present):
    listed = module_files.listed(variable, CMAKE_TEXT)
    missing, gone = sorted(set(present) - set(listed)), sorted(set(listed) - set(present))
    assert not missing and not gone, f"run `make file-list`; not listed: {missing}, listed but absent: {gone}"
    assert len(listed) == len(set(listed)), "a file is listed twice"


def test_the_check_notices_a_new_file(tmp_path):
    (tmp_path / "CoraNetSlicer").mkdir()
    (tmp_path / "CoraNetSlicer" / "new.py").write_text("", encoding="utf-8")
    assert module_files.present_scripts(tmp_path) == ["new.py"]


def test_an_absent_list_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="expected 'set"):
        module_files.listed("NO_SUCH_LIST", CMAKE_TEXT)


def test_only_the_module_lies_directly_in_the_module_folder(repository):
    # Slicer tries to load every .py file of a module folder as a module of its own.
    found = {path.name for path in (repository / "CoraNetSlicer").glob("*.py")}
    assert found <= {"CoraNetSlicer.py"}


def test_project_module_and_catalog_entry_have_one_name(repository):
    top = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\((\w+)", top).group(1) == "CoraNetSlicer"
    assert "set(MODULE_NAME CoraNetSlicer)" in CMAKE_TEXT
    assert (repository / "CoraNetSlicer.s4ext").is_file()


def test_catalog_entry_and_cmake_say_the_same(repository):
    entry = dict(
        line.partition(" ")[::2]
        for line in (repository / "CoraNetSlicer.s4ext").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    top = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    names = {"homepage": "HOMEPAGE", "depends": "DEPENDS", "description": "DESCRIPTION", "iconurl": "ICONURL"}
    in_cmake = {key: re.search(rf'set\(EXTENSION_{name} "([^"]*)"\)', top).group(1) for key, name in names.items()}
    assert {key: entry[key] for key in names} == in_cmake


def test_slicer_installs_what_the_engine_is_tested_with(repository):
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    lines = (repository / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert f'"{requirement}"' in project, f"{requirement} is not what pyproject.toml asks for"


def test_the_icon_is_the_size_that_slicer_asks_for(repository):
    header = Path(repository / "Resources" / "Icons" / "CoraNetSlicer.png").read_bytes()[:24]
    width, height = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    assert (width, height) == (128, 128)
