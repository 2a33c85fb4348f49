"""What the Extensions Index asks of an extension, as far as the files of this repository can show it.

docs/maintaining.md walks through the rest of its checklist.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest
from source_tree import REPOSITORY

CMAKE_TEXT = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = json.loads((REPOSITORY / "CoraNetSlicer.json").read_text(encoding="utf-8"))
OLD_ENTRY = dict(
    line.partition(" ")[::2]
    for line in (REPOSITORY / "CoraNetSlicer.s4ext").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
RAW_FILES = "https://raw.githubusercontent.com/SlicerCoraNet/SlicerCoraNet/main/"
# The index's schema 1.0.1: keys that an entry may have, with the type of each.
SCHEMA = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


def in_cmake(name: str) -> str:
    """The value of EXTENSION_<name> in the top CMakeLists.txt."""
    return re.search(rf'set\(EXTENSION_{name} "([^"]*)"\)', CMAKE_TEXT).group(1)


def size_of_png(path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    header = path.read_bytes()[:24]
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def test_the_entry_has_what_the_schema_asks_for_and_nothing_else():
    assert set(SCHEMA) >= set(ENTRY) >= REQUIRED
    assert {key: type(value) for key, value in ENTRY.items()} == {key: SCHEMA[key] for key in ENTRY}
    assert ENTRY["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert ENTRY["tier"] in (1, 3, 5)
    assert all(isinstance(dependency, str) for dependency in ENTRY["build_dependencies"])


def test_entry_project_and_module_have_one_name():
    assert re.search(r"project\((\w+)", CMAKE_TEXT).group(1) == "CoraNetSlicer"
    module = (REPOSITORY / "CoraNetSlicer" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "set(MODULE_NAME CoraNetSlicer)" in module


def test_the_repository_is_named_slicer_something():
    address = urlsplit(ENTRY["scm_url"])
    assert address.scheme == "https"
    assert address.path.rpartition("/")[2].startswith("Slicer")


def test_entry_and_cmake_say_the_same():
    assert ENTRY["category"] == in_cmake("CATEGORY")
    assert ENTRY["build_dependencies"] == in_cmake("DEPENDS").split()
    assert ENTRY["scm_url"].removesuffix(".git") == in_cmake("HOMEPAGE")


def test_the_earlier_form_of_the_entry_says_the_same():
    keys = ("category", "homepage", "depends", "description", "iconurl", "screenshoturls", "contributors")
    assert {key: OLD_ENTRY[key] for key in keys} == {key: in_cmake(key.upper()) for key in keys}
    assert OLD_ENTRY["scmurl"] == ENTRY["scm_url"]
    assert OLD_ENTRY["scmrevision"] == ENTRY["scm_revision"]
    assert OLD_ENTRY["build_subdirectory"] == ENTRY["build_subdirectory"]


@pytest.mark.parametrize("address", [in_cmake("ICONURL"), *in_cmake("SCREENSHOTURLS").split()])
def test_icon_and_screenshots_are_files_of_this_repository(address):
    assert address.startswith(RAW_FILES)
    assert (REPOSITORY / address.removeprefix(RAW_FILES)).is_file()


def test_the_icon_is_the_size_that_slicer_asks_for():
    assert size_of_png(REPOSITORY / "Resources" / "Icons" / "CoraNetSlicer.png") == (128, 128)


def test_the_licence_is_there_and_named_on_the_home_page():
    assert (REPOSITORY / "LICENSE.txt").is_file()
    assert "Apache License 2.0" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_description_is_short_and_warns():
    description = in_cmake("DESCRIPTION")
    assert description.count(". ") <= 1
    assert description.endswith("Not for clinical use.")


def test_the_home_page_has_what_the_catalog_asks_for():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# CoraNetSlicer")
    assert "Resources/Screenshots/" in text
    assert re.search(r"^\| CoraNetSlicer \|", text, re.MULTILINE), "a sentence for each module"
    assert re.search(r"^## .*[Tt]utorial", text, re.MULTILINE)
    assert "doi:10.1109/TMI.2021.3117888" in text
