"""Files and functions stay short, and what Slicer imports postpones its annotations."""

from __future__ import annotations

import ast
import subprocess

import pytest
from source_tree import REPOSITORY, SOURCE_ROOT, SourceFile, files_in

MAX_LINES = 500
MAX_FUNCTION_LINES = 40

# Path below CoraNetSlicer/ -> why it may be longer, and up to where.
LONGER_FILES: dict[str, tuple[int, str]] = {}

IMPORTED_BY_SLICER = ("CoraNetSlicer.py", "CoraNetSlicerLib", "coranet/__init__.py", "coranet/contract")


def name_of(file: SourceFile) -> str:
    return file.path.relative_to(SOURCE_ROOT).as_posix()


def test_a_file_is_one_small_room():
    long = []
    for file in files_in("."):
        limit, reason = LONGER_FILES.get(name_of(file), (MAX_LINES, "no reason given"))
        lines = len(file.path.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            long.append(f"{name_of(file)} has {lines} lines, at most {limit} ({reason}); a name is missing in it")
    assert not long, "\n".join(long)


def test_a_function_fits_on_a_screen():
    long = [
        f"{name_of(file)}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for file in files_in(".")
        for node in file.nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - body_start(node) + 1 > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def body_start(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """First line after the docstring: a contract that is told at length makes no function long."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1
    return function.body[1].lineno if has_docstring else function.lineno


def test_what_slicer_imports_postpones_its_annotations():
    wrong = [name_of(file) for file in files_in(*IMPORTED_BY_SLICER) if has_annotations(file) and not postpones(file)]
    assert not wrong, f"these need 'from __future__ import annotations': {wrong}"


def has_annotations(file: SourceFile) -> bool:
    return any(
        isinstance(node, ast.AnnAssign) or (isinstance(node, ast.FunctionDef) and (node.returns or node.args.args))
        for node in file.nodes
    )


def postpones(file: SourceFile) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.names[0].name == "annotations"
        for node in file.tree.body
    )


def test_the_exceptions_are_still_needed():
    unneeded = [
        name for name in LONGER_FILES if len((SOURCE_ROOT / name).read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    ]
    assert not unneeded, f"no longer too long, take off the list: {unneeded}"


def test_text_files_have_unix_line_endings():
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    wrong = [line for line in listed.stdout.splitlines() if "i/crlf" in line or "i/mixed" in line]
    assert not wrong, "\n".join(wrong)
