"""No file imports itself by way of others, and no folder; what a type checker alone imports does not count."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import pytest
from source_tree import SourceFile, files_in

Import = tuple[str, str]

PROGRAM = ("coranet", "coranet_experiments", "CoraNetSlicerLib", "CoraNetSlicer.py")


def imports_between(files: Iterable[SourceFile]) -> set[Import]:
    """Pairs of files of which the first one imports the second one, or a name of it."""
    by_module = {file.module: file for file in files}
    pairs = set()
    for module, file in by_module.items():
        for imported in file.imports(with_types=False):
            name = imported.name
            while name and name not in by_module:
                name = name.rpartition(".")[0]
            if name and name != module:
                pairs.add((module, name))
    return pairs


def folder_of(module: str) -> str:
    """The first two parts of a file that lies in a folder of its package; "" for others, which put folders together."""
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else ""


def between_folders(imports: Iterable[Import]) -> set[Import]:
    """The same pairs of folders, without what stays inside of one."""
    pairs = {(folder_of(importing), folder_of(imported)) for importing, imported in imports}
    return {(first, second) for first, second in pairs if first and second and first != second}


def circle_in(imports: Iterable[Import]) -> str:
    """A circle as "a imports b imports a"; "" where there is none."""
    graph: dict[str, set[str]] = {}
    for importing, imported in imports:
        graph.setdefault(importing, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " imports ".join(reversed(error.args[1]))
    return ""


@pytest.fixture(scope="module")
def imports() -> set[Import]:
    return imports_between(files_in(*PROGRAM))


def test_no_circle_of_files(imports):
    assert circle_in(imports) == ""


def test_no_circle_of_folders(imports):
    assert circle_in(between_folders(imports)) == ""


def test_a_circle_is_named():
    files = [
        SourceFile.from_text("def f():\n    from a.inner.two import g", "a.inner.one"),
        SourceFile.from_text("import a.other.three", "a.inner.two"),
        SourceFile.from_text("from a.inner import one", "a.other.three"),
    ]
    imports = imports_between(files)
    assert circle_in(imports).count(" imports ") == 3
    assert between_folders(imports) == {("a.inner", "a.other"), ("a.other", "a.inner")}
    assert circle_in(between_folders(imports))


def test_an_import_for_types_makes_no_circle():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import B"
    assert circle_in(imports_between([SourceFile.from_text(text, "a"), SourceFile.from_text("import a", "b")])) == ""
