"""Names of files for libraries that take UTF-8 alone, as ITK does: a file of another name is reached by a link."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..contract.errors import DataError


@contextmanager
def utf8_names(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Inside, names by which files can be opened, whatever bytes are in their own names or in those of their folders.

    Old archives and Windows shares have names in Latin-1, which Python holds as lone surrogates (PEP 383).

    Args:
        paths: of files that are there, or that are to be written under a name that is UTF-8.

    Raises:
        DataError: a name is not UTF-8, and this system allows no links.
    """
    if all(_is_utf8(str(path)) for path in paths):
        yield [str(path) for path in paths]
        return
    with tempfile.TemporaryDirectory(prefix="coranet-") as folder:
        yield [_linked(Path(folder) / str(number), path) for number, path in enumerate(paths)]


def _linked(link: Path, path: Path) -> str:
    """A name for a file through a link to its folder, so that what lies beside it is found there, too."""
    try:
        if _is_utf8(path.name):
            os.symlink(path.parent.absolute(), link, target_is_directory=True)
            return str(link / path.name)
        # Readers choose the format by the end of the name.
        named = link.with_name(f"{link.name}{_suffix(path)}")
        os.symlink(path.absolute(), named)
        return str(named)
    except OSError as error:
        raise DataError(
            f"'{path}' has a name that is not UTF-8, and no link to it can be made ({error.strerror or error}); "
            "rename it."
        ) from error


def _suffix(path: Path) -> str:
    suffixes: list[str] = []
    for suffixe in reversed(path.suffixes):
        if not suffixe.isascii():
            break
        suffixes.insert(0, suffixe)
    return "".join(suffixes)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
