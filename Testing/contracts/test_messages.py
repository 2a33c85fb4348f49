"""Every sentence that the package can tell a person: it says what to do, and it is one sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from source_tree import REPOSITORY, SourceFile, files_in

ERRORS = (
    "CoraNetError", "ConfigError", "DataError", "ModelError", "JobError", "DeviceError", "StorageError", "PackageError",
)  # fmt: skip
# They have no remedy of their own: they put a place before a sentence, or the sentence comes from elsewhere.
PLACES = (
    r"^in (the datalist )?'\{[^}]*\}' \{error\}$",
    r"cannot be read as JSON: \{error\}\.$",
    r"^'\{path\}' \{reason\}\.$",
)
BEFORE_A_SENTENCE = (
    r"cannot be brought to the grid of .*: \{error\}$",
    r"damaged and not in the report: \{reasons\}$",
)
# Lines of a log, which nobody can do anything about.
LOGGED = (r"is not an event of this version",)
WITHOUT_REMEDY = (*PLACES, *BEFORE_A_SENTENCE, *LOGGED)
# What sends people elsewhere than to the cause.
VAGUE = (
    r"\binvalid\b",
    r"\billegal\b",
    r"\bbad\b(?! step)",
    r"something went wrong",
    r"\bfatal\b",
    r"error occurred",
)


def text_of(node: ast.expr) -> str | None:
    """A text with what is put into it in braces; None if it is not written here."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
            for part in node.values
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return text_of(node.func.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.args:
        return text_of(node.args[0])
    return None


def calls_with_text(file: SourceFile, names: tuple[str, ...], position: int = 0) -> Iterator[tuple[int, str]]:
    """(line, sentence) of each call of something by its plain name."""
    for node in file.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            text = text_of(node.args[position]) if len(node.args) > position else None
            if text is not None:
                yield node.lineno, text


def sentences(names: tuple[str, ...], position: int = 0) -> list[tuple[str, str]]:
    """(file:line, sentence) of the whole package."""
    return [
        (f"{file.path.relative_to(REPOSITORY).as_posix()}:{line}", text)
        for file in files_in(".")
        for line, text in calls_with_text(file, names, position)
    ]


def without_remedy(text: str) -> bool:
    return ";" not in text and not any(re.search(pattern, text) for pattern in WITHOUT_REMEDY)


def is_vague(text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in VAGUE)


def test_each_error_says_what_to_do():
    texts = sentences(ERRORS)
    assert len(texts) > 200
    assert [f"{place}: {text}" for place, text in texts if without_remedy(text)] == []


def test_each_warning_says_what_it_means_or_what_to_do():
    texts = sentences(("Warned",), 1)
    assert len(texts) > 10
    assert [f"{place}: {text}" for place, text in texts if not re.search(r"[;:,}]", text)] == []


def test_no_sentence_is_vague():
    found = [*sentences(ERRORS), *sentences(("Warned", "Noted"), 1)]
    assert [f"{place}: {text}" for place, text in found if is_vague(text)] == []


@pytest.mark.parametrize(
    ("text", "has_none"),
    [
        ("'{path}' does not exist; correct the path.", False),
        ("'{path}' cannot be read.", True),
        ("in the datalist '{path}' {error}", False),
        ("expected a number, got {value}", True),
    ],
)
def test_the_check_tells_remedies(text, has_none):
    assert without_remedy(text) is has_none


@pytest.mark.parametrize(
    "code", ["raise DataError('a; b')", "raise DataError(f'{x}; b')", "raise DataError(_('a {n}; b').format(n=1))"]
)
def test_the_check_sees_sentences_however_they_are_written(code):
    ((_, text),) = calls_with_text(SourceFile.from_text(code, "example"), ERRORS)
    assert text.endswith("; b") and is_vague("Invalid input") and not is_vague(text)
