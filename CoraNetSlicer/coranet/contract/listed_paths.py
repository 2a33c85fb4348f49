"""Paths as files list them: relative to the file, with slashes of any system, '~' and letters composed in any way."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

from .errors import DataError

_LONGEST, _LONGEST_NAME = 4096, 255
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def listed_path(folder: Union[str, Path], text: str) -> Path:
    """The absolute path that a file means.

    Args:
        folder: that of the file; relative paths begin there.
        text: as in the file. A path that exists as it is written is taken; else backslashes may be slashes, and letters
            with accents may be one character or two (macOS writes two).

    Returns:
        The path of what exists; if nothing does, the path as it is written.

    Raises:
        DataError: it is empty, holds a line's end or a tabulator, or is a path of Windows and this is another system.
    """
    folder = Path(folder).absolute()
    if not text.strip() or any(unicodedata.category(letter) == "Cc" for letter in text):
        raise DataError(
            f"the path {text!r} is empty or holds a control character; write '/' in paths, since JSON reads a single "
            "backslash and the letter after it as something else."
        )
    if not _can_be_a_path(text):
        raise DataError(f"the path {text!r} is too long for a path, or holds an incomplete character; correct it.")
    written = [text, text.replace("\\", "/")]
    for spelling in dict.fromkeys([*written, *(spelling.strip() for spelling in written)]):
        path = _existing(_joined(folder, spelling))
        if path is not None:
            return path
    whole = _joined(folder, text)
    if _OF_WINDOWS.match(text) and not Path(text).is_absolute():
        raise DataError(f"'{text}' is a Windows path; write it as it is on this computer, or relative to the file.")
    return whole


def same_letters(name: str) -> str:
    """A name with each accented letter as one character, however it was written, to be compared with others."""
    return unicodedata.normalize("NFC", name)


def _can_be_a_path(text: str) -> bool:
    try:
        # Bytes that are not UTF-8 are letters of their own here; half of a pair is nothing.
        length = len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False
    return length <= _LONGEST and max(map(len, re.split(r"[\\/]", text))) <= _LONGEST_NAME


def _joined(folder: Path, text: str) -> Path:
    path = Path(text)
    with suppress(RuntimeError):  # nobody of that name
        path = path.expanduser()
    return folder / path


def _existing(path: Path) -> Optional[Path]:
    if _is_there(path):
        return path
    if str(path).isascii():
        return None
    resolved = Path(path.anchor)
    for part in path.parts[1:]:
        exact = resolved / part
        resolved = exact if _is_there(exact) else _other_letters(resolved, part) or exact
    return resolved if _is_there(resolved) else None


def _other_letters(folder: Path, name: str) -> Optional[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return None
    return next((entry for entry in entries if same_letters(entry.name) == same_letters(name)), None)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or not a path at all
        return False
