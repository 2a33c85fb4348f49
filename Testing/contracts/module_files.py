"""The files that CMake puts into the extension package, and those that are there. Unlisted files are not packaged.

`make file-list` writes the lists anew.
"""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CMAKE_FILE = REPOSITORY / "CoraNetSlicer" / "CMakeLists.txt"
RESOURCE_SUFFIXES = {".ui", ".png", ".json", ".txt", ".csv"}
# Beside the engine in a source checkout and where pip installed it; not in the extension.
NOT_PACKAGED = {"build", "coranet_experiments"}
SCRIPTS = "MODULE_PYTHON_SCRIPTS"
RESOURCES = "MODULE_TOP_LEVEL_RESOURCES"


def listed(variable: str, text: str) -> list[str]:
    """The entries of `set(variable ...)` in the text of a CMake file."""
    return _block(variable, text).group("entries").split()


def present_scripts(repository: Path = REPOSITORY) -> list[str]:
    """Python files of the module, relative to CoraNetSlicer/."""
    folder = repository / "CoraNetSlicer"
    found = (path.relative_to(folder) for path in folder.rglob("*.py"))
    return sorted(path.as_posix() for path in found if path.parts[0] not in NOT_PACKAGED)


def present_resources(repository: Path = REPOSITORY) -> list[str]:
    """Files that the running module needs, relative to the repository; screenshots are for the web pages."""
    folder = repository / "Resources"
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix in RESOURCE_SUFFIXES)
    return sorted(path.relative_to(repository).as_posix() for path in found if "Screenshots" not in path.parts)


def with_present_files(text: str) -> str:
    """The CMake file with both lists brought up to date."""
    for variable, names in ((SCRIPTS, present_scripts()), (RESOURCES, present_resources())):
        block = _block(variable, text)
        lines = "".join(f"\n  {name}" for name in names)
        text = text[: block.start("entries")] + lines + "\n  " + text[block.end("entries") :]
    return text


def _block(variable: str, text: str) -> re.Match[str]:
    match = re.search(rf"set\({variable}(?P<entries>[^)]*)\)", text)
    if match is None:
        raise ValueError(f"expected 'set({variable} ...)' in {CMAKE_FILE}; add it.")
    return match


if __name__ == "__main__":
    CMAKE_FILE.write_text(with_present_files(CMAKE_FILE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
