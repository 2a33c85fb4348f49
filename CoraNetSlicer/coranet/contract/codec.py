"""Dataclasses to JSON and back: one rule for every file that two processes share. Standard library only.

Keys that a dataclass does not know are passed over in reading (a later version of the same schema has added them; a
change of meaning raises the schema version), and kept in writing where a file is written anew. A key that is missing or
null takes its default; a value of another type is an error that names its place.
"""

from __future__ import annotations

import collections.abc
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, cast

Kind = TypeVar("Kind")

# Larger whole numbers cannot be divided by.
_LARGEST = 1 << 63
_MISSING = object()
# Nearly all that is written: no further question about its type.
_UNCHANGED = frozenset({str, int, float, bool, type(None)})


class CodecError(ValueError):
    """A JSON value is not of the type that it is read as; the message names its place."""


def to_json(value: Any) -> Any:
    """Plain JSON types: objects for dataclasses and mappings, lists for tuples, values for enumerations."""
    if type(value) in _UNCHANGED:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def from_json(kind: type[Kind], content: Any, place: str = "", needed: Iterable[str] = ()) -> Kind:
    """The inverse of `to_json`.

    Args:
        kind: a dataclass, or any type that a field of one may have: bool, int, float, str, an enumeration, a union with
            None, a tuple, a list, a mapping of these, or Any.
        content: plain JSON types. A whole number may stand for a float; a float is finite. A dataclass that has been
            read already (one that checks more than types) may stand in its place.
        place: where the value stands, for the message.
        needed: keys that must be there although they have a default: an earlier file without them meant another one.

    Raises:
        CodecError: a value is of another type, or a key without a default is missing.
        Exception: what the dataclass itself raises when it is made.
    """
    for key in needed:
        if isinstance(content, Mapping) and key not in content:
            raise CodecError(f"'{key}' is missing")
    return cast(Kind, _read(kind, content, place))


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


def _read(kind: Any, content: Any, place: str) -> Any:
    if kind is Any:
        return content
    if kind in _PLAIN:
        return _PLAIN[kind](content, place)
    origin = typing.get_origin(kind)
    if origin is not None:
        return _GENERIC[origin](typing.get_args(kind), content, place)
    if is_dataclass(kind):
        return _read_dataclass(kind, content, place)
    if issubclass(kind, Enum):
        return _read_enumeration(kind, content, place)
    if issubclass(kind, tuple):  # a NamedTuple
        return kind(*_read_tuple(tuple(typing.get_type_hints(kind).values()), content, place))
    raise TypeError(f"no JSON value is read as {kind!r}")


def _read_dataclass(kind: Any, content: Any, place: str) -> Any:
    if isinstance(content, kind):
        return content
    if not isinstance(content, Mapping):
        raise _wrong("an object", content, place)
    values = {}
    for field, hint in _fields_of(kind):
        value = content.get(field.name, _MISSING)
        inside = f"{place}.{field.name}" if place else field.name
        if value is _MISSING or (value is None and not _takes_null(hint)):
            if field.default is MISSING and field.default_factory is MISSING:
                raise CodecError(f"'{inside}' is missing")
        else:
            values[field.name] = _read(hint, value, inside)
    return kind(**values)


def _takes_null(hint: Any) -> bool:
    return hint is Any or type(None) in typing.get_args(hint)


@cache
def _fields_of(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind) if field.init)


def _read_union(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    """A union with None, the only one that fields have."""
    if content is None and type(None) in kinds:
        return None
    (other,) = (kind for kind in kinds if kind is not type(None))
    return _read(other, content, place)


def _read_tuple(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    if not isinstance(content, (list, tuple)):
        raise _wrong("a list", content, place)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(content)
    if len(content) != len(kinds):
        raise _wrong(f"{len(kinds)} values", content, place)
    pairs = enumerate(zip(kinds, content, strict=True))
    return tuple(_read(kind, part, f"{place}[{index}]") for index, (kind, part) in pairs)


def _read_list(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    return list(_read_tuple((kinds[0], Ellipsis), content, place))


def _read_mapping(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    if not isinstance(content, Mapping):
        raise _wrong("an object", content, place)
    of_key, of_value = kinds
    return {_read_key(of_key, key, place): _read(of_value, value, f"{place}.{key}") for key, value in content.items()}


def _read_key(kind: Any, key: Any, place: str) -> Any:
    """JSON has text for every key."""
    if kind is not int or isinstance(key, int):
        return _read(kind, key, f"a key of {place}")
    try:
        return int(key)
    except (TypeError, ValueError):
        raise _wrong("a whole number as key", key, place) from None


def _read_enumeration(kind: type[Enum], content: Any, place: str) -> Any:
    try:
        return kind(content)
    except ValueError:
        raise _wrong(f"one of {', '.join(str(member.value) for member in kind)}", content, place) from None


def _read_bool(content: Any, place: str) -> bool:
    if not isinstance(content, bool):
        raise _wrong("true or false", content, place)
    return content


def _read_int(content: Any, place: str) -> int:
    if isinstance(content, bool) or not isinstance(content, int) or abs(content) >= _LARGEST:
        raise _wrong("a whole number", content, place)
    return content


def _read_float(content: Any, place: str) -> float:
    with suppress(OverflowError):
        if isinstance(content, (int, float)) and not isinstance(content, bool) and math.isfinite(content):
            return float(content)
    raise _wrong("a number", content, place)


def _read_str(content: Any, place: str) -> str:
    if not isinstance(content, str):
        raise _wrong("a text", content, place)
    return content


def _wrong(expected: str, content: Any, place: str) -> CodecError:
    shown = repr(content)
    return CodecError(f"'{place}' must be {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


_PLAIN: Mapping[Any, Callable[[Any, str], Any]] = {
    bool: _read_bool, int: _read_int, float: _read_float, str: _read_str,
    Path: lambda content, place: Path(_read_str(content, place)),
}  # fmt: skip
_GENERIC: Mapping[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    tuple: _read_tuple, list: _read_list, dict: _read_mapping, collections.abc.Mapping: _read_mapping,
    Union: _read_union, types.UnionType: _read_union,
}  # fmt: skip
