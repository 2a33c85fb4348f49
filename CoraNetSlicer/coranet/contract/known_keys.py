"""Keys that a later version has added to a file of the same schema: passed over in reading, kept in writing.

A later version that changes what a key means, or adds one without which the rest is misread, raises the schema version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any


def known_only(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a JSON object, what a dataclass is made of."""
    known = {field.name for field in fields(kind) if field.init}
    return {key: value for key, value in row.items() if key in known}


def keeping_unknown(content: Mapping[str, Any], before: Any, known: Iterable[str]) -> dict[str, Any]:
    """A JSON object with what the one before it had beyond the known keys.

    Args:
        content: what is to be written.
        before: what was there; anything but an object has nothing to keep.
        known: all keys that this version writes, or leaves out on purpose.
    """
    known = {*known, *content}
    more = before.items() if isinstance(before, Mapping) else ()
    return {**content, **{key: value for key, value in more if key not in known}}
