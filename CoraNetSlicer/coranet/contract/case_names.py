"""File names for cases: readable, safe on every file system, unique."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 60
_LONGEST_OF_SYSTEMS = 255
# Windows refuses these as file names, whatever their ending.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def case_name(name: str) -> str:
    """The name of a node or file as ASCII letters, digits, '.', '_' and '-'; 'case' if nothing of it is left.

    Accents are dropped ("Müller 01" gives "Muller_01").
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_only)[:_LONGEST].strip("._-")
    return f"case_{safe}" if not safe or safe.split(".")[0].lower() in _RESERVED else safe


def is_folder_name(name: object) -> bool:
    """Whether something names a folder directly in another one, on every system; old jobs have any such name."""
    if not isinstance(name, str) or not name.strip(". ") or len(name) > _LONGEST_OF_SYSTEMS:
        return False
    return not any(letter in "/\\:" or ord(letter) < ord(" ") or 0xD800 <= ord(letter) < 0xDC80 for letter in name)


def unique_case_names(names: Iterable[str]) -> list[str]:
    """`case_name` of each, with a number where two would be one (also where only upper and lower case differ)."""
    taken: set[str] = set()
    return [free_case_name(name, taken) for name in names]


def free_case_name(name: str, taken: set[str]) -> str:
    """`case_name`, with a number where it is among `taken`, in small letters; it is taken then."""
    base = candidate = case_name(name).rstrip("_")
    number = 2
    while candidate.lower() in taken:
        candidate = f"{base}_{number}"
        number += 1
    taken.add(candidate.lower())
    return candidate
