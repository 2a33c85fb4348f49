"""What may stand where something else should: whole documents, and values of single keys."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

_HUGE = 10**400
# JSON text of values; as text, because Python's own writer refuses or changes some of them.
VALUES = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-3",
    "fraction": "0.5",
    "huge": str(_HUGE),
    "huge float": "1e308",
    "infinite": "1e999",
    "minus infinite": "-Infinity",
    "NaN": "NaN",
    "empty text": '""',
    "text": '"x"',
    "climbing": '"../../../etc/passwd"',
    "NUL": '"a\\u0000b"',
    "half a letter": '"\\ud800"',
    "long text": json.dumps("x" * 100_000),
    "line breaks": '"a\\nb\\r\\nc"',
    "empty list": "[]",
    "list": "[1, [2], null]",
    "long list": json.dumps([0] * 20_000),
    "empty object": "{}",
    "object": '{"a": {"b": [1]}}',
    "deep list": "[" * 400 + "]" * 400,
}

# Documents in place of a whole file.
DOCUMENTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\t ",
    "cut": b'{"schema_version": 1, "la',
    "list": b"[]",
    "list of lists": b"[[[]]]",
    "number": b"5",
    "text": b'"x"',
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "empty object": b"{}",
    "two objects": b"{}{}",
    "unknown keys": b'{"a": 1, "b": 2}',
    "newer schema": b'{"schema_version": 999}',
    "schema of another type": b'{"schema_version": [1]}',
    "older schema": b'{"schema_version": 0}',
    "single quotes": b"{'a': 1}",
    "comment": b"// x\n{}",
    "NUL bytes": b"\0" * 500,
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": '{"ä": 1}'.encode("latin-1"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "deep list": b"[" * 200_000,
    "deep list, closed": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "number of 10,000 digits": b'{"schema_version": ' + b"9" * 10_000 + b"}",
    "long line": b'{"a": "' + b"x" * 1_000_000 + b'"}',
}


def with_values(valid: Any) -> Iterator[tuple[str, str, str]]:
    """Each key and each list element of a document with each of VALUES, and without it.

    Yields:
        (path of the key, name of the value, JSON text of the document).
    """
    for path in _paths(valid):
        for name, value in VALUES.items():
            yield ".".join(map(str, path)), name, _text_with(valid, path, value)
        yield ".".join(map(str, path)), "left out", _text_without(valid, path)


def _paths(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _text_with(valid: Any, path: tuple[Any, ...], value: str) -> str:
    mark = "a mark that is nowhere else"
    changed = copy.deepcopy(valid)
    _at(changed, path[:-1])[path[-1]] = mark
    return json.dumps(changed).replace(json.dumps(mark), value)


def _text_without(valid: Any, path: tuple[Any, ...]) -> str:
    changed = copy.deepcopy(valid)
    del _at(changed, path[:-1])[path[-1]]
    return json.dumps(changed)


def _at(content: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        content = content[key]
    return content
