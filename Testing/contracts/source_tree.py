"""Reads Python files as syntax trees: what they import, which texts and names they hold. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE_ROOT = REPOSITORY / "CoraNetSlicer"


@dataclass(frozen=True)
class Finding:
    """Something at a place: a module that is imported, a text, a name."""

    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        place = self.file.relative_to(REPOSITORY) if self.file.is_relative_to(REPOSITORY) else self.file
        return f"{place}:{self.line}: {self.name}"


@dataclass(frozen=True)
class SourceFile:
    """One Python file; `module` is its dotted name as seen from the folder that is on the module path."""

    path: Path
    module: str
    tree: ast.Module

    @staticmethod
    def from_text(text: str, module: str, path: Path = Path("example.py")) -> SourceFile:
        """A file that exists only in a test."""
        return SourceFile(path, module, ast.parse(text))

    @staticmethod
    @cache
    def read(path: Path, root: Path = SOURCE_ROOT) -> SourceFile:
        """A file below `root`; read once, many rules look at it."""
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return SourceFile(path, module, ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

    def found(self, node: ast.AST, name: str) -> Finding:
        """A finding at a node of this file."""
        return Finding(self.path, getattr(node, "lineno", 1), name)

    def imports(self, with_types: bool = True) -> Iterator[Finding]:
        """Every module that is imported anywhere in the file, in functions too, as an absolute dotted name.

        `from a import b` gives `a.b`, since b may be a module.

        Args:
            with_types: also what a type checker alone imports.
        """
        skipped = set() if with_types else {id(node) for node in _imports_for_types(self.nodes)}
        for node in self.nodes:
            if id(node) in skipped:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield self.found(node, alias.name)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    yield self.found(node, base if alias.name == "*" else f"{base}.{alias.name}")
            elif isinstance(node, ast.Call) and _is_dynamic_import(node):
                yield self.found(node, str(node.args[0].value))  # type: ignore[attr-defined]

    def attribute_chains(self) -> Iterator[Finding]:
        """Every dotted expression of plain names, `torch.cuda.is_available` for instance, in its longest form."""
        inner = {id(node.value) for node in self.nodes if isinstance(node, ast.Attribute)}
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and id(node) not in inner:
                chain = _dotted(node)
                if chain:
                    yield self.found(node, chain)

    def texts(self) -> Iterator[Finding]:
        """Every text literal except docstrings."""
        docstrings = {id(node) for node in _docstrings(self.nodes)}
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield self.found(node, node.value)

    def calls(self) -> Iterator[Finding]:
        """The dotted name of everything that is called."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                name = _dotted(node.func)
                if name:
                    yield self.found(node, name)

    def defined_names(self) -> Iterator[Finding]:
        """Every name that the file gives: variables, arguments, functions, classes."""
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield self.found(node, node.id)
            elif isinstance(node, ast.arg):
                yield self.found(node, node.arg)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield self.found(node, node.name)

    def number_lists(self, starting_with: tuple[float, ...]) -> Iterator[Finding]:
        """Every list or tuple of literal numbers that begins with the given ones."""
        for node in self.nodes:
            if isinstance(node, (ast.List, ast.Tuple)):
                head = tuple(_number(part) for part in node.elts[: len(starting_with)])
                if head == starting_with:
                    yield self.found(node, f"numbers that begin with {head}")

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        is_package = self.path.name == "__init__.py"
        base = parts[: len(parts) - node.level + (1 if is_package else 0)]
        return ".".join([*base, node.module] if node.module else base)


def files_in(*folders: str) -> list[SourceFile]:
    """All Python files of folders (or single files) below CoraNetSlicer/, in alphabetical order."""
    paths: list[Path] = []
    for folder in folders:
        path = SOURCE_ROOT / folder
        paths += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [SourceFile.read(path) for path in paths]


def is_below(module: str, packages: Iterable[str]) -> bool:
    """Whether a dotted name is one of `packages` or lies in one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def as_lines(findings: Iterable[Finding]) -> str:
    """Findings for a person, one a line; empty when there are none."""
    return "\n".join(sorted(str(finding) for finding in findings))


def _imports_for_types(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, ast.If) and _dotted(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            for statement in node.body:
                yield from ast.walk(statement)


def _is_dynamic_import(node: ast.Call) -> bool:
    name = _dotted(node.func)
    named = name in ("__import__", "import_module", "importlib.import_module")
    return named and bool(node.args) and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)


def _number(node: ast.AST) -> float | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    is_number = isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    return sign * node.value if is_number else None  # type: ignore[attr-defined]


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[ast.Constant]:
    for node in nodes:
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            yield body[0].value
