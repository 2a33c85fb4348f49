"""What CMake does not list is not in the extension that a user installs."""

from __future__ import annotations

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


def test_slicer_installs_what_the_engine_is_tested_with(repository):
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    lines = (repository / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert f'"{requirement}"' in project, f"{requirement} is not what pyproject.toml asks for"
