"""File names for cases: readable, safe on every file system, unique."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_LONGEST = 60
# File systems count bytes, of which a letter of Chinese has three.
_MOST_BYTES = 150
_KEPT = "._-"
_LONGEST_OF_SYSTEMS = 255
# Windows refuses these as file names, whatever their ending.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def case_name(name: str) -> str:
    """The name of a node or file as letters, digits, '.', '_' and '-'; 'case_' if nothing of it is left.

    Letters of any script are kept, accents of Latin ones are dropped ("Müller 01" gives "Muller_01").
    """
    letters = ""
    for letter in unicodedata.normalize("NFKD", name.encode(errors="ignore").decode()):
        if unicodedata.combining(letter) and letters[-1:].isascii():
            continue
        is_kept = letter in _KEPT or unicodedata.category(letter)[0] in "LNM"
        letters += letter if is_kept else " "
    safe = unicodedata.normalize("NFC", "_".join(letters.split()))[:_LONGEST]
    safe = safe.encode()[:_MOST_BYTES].decode(errors="ignore").strip(_KEPT)
    return f"case_{safe}" if not safe or safe.split(".")[0].lower() in _RESERVED else safe


def is_folder_name(name: object) -> bool:
    """Whether something names a folder directly in another one, on every system; old jobs have any such name."""
    if not isinstance(name, str) or not name.strip(". ") or len(name) > _LONGEST_OF_SYSTEMS:
        return False
    return not any(letter in "/\\:" or ord(letter) < ord(" ") or 0xD800 <= ord(letter) < 0xDC80 for letter in name)


def unique_case_names(names: Iterable[str]) -> list[str]:
    """`case_name` of each, with a number where two would be one (also where only upper and lower case differ)."""
    used: set[str] = set()
    return [free_case_name(name, used) for name in names]


def free_case_name(name: str, used: set[str]) -> str:
    """`case_name`, with a number where it is among `used`, in small letters; it is taken then."""
    base = candidate = case_name(name).rstrip("_")
    number = 2
    while candidate.lower() in used:
        candidate = f"{base}_{number}"
        number += 1
    used.add(candidate.lower())
    return candidate
