"""JSON as people write it: in any encoding that can be detected; errors have a line and a remedy."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

_COMMENT = re.compile(r"//|/\*|#")
# Words of Python and JavaScript that JSON writes otherwise.
_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "NaN": "null", "Infinity": "null"}
_TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
# No number of ours has as many; beyond 308, whole numbers cannot be made fractions of.
_MOST_DIGITS = 40
_BEGINS_32_BITS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_BEGINS_16_BITS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonError(ValueError):
    """A text is not JSON; the message is where, why and what to do, as the second half of a sentence."""


def read_json_file(path: Union[str, Path]) -> Any:
    """Read a JSON file that anybody may have written.

    Args:
        path: of the file: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        JsonError: it is not such a file.
        OSError: it cannot be read.
    """
    return parse_json(decoded(Path(path).read_bytes()))


def decoded(content: bytes) -> str:
    """The text of a file.

    Raises:
        JsonError: it is none; with the line.
    """
    if not content.strip(b" \t\r\n\0"):
        raise JsonError("it is empty; write it again")
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise JsonError("it is not a text file; choose the right one") from None
        line = content[: error.start].count(b"\n") + 1
        raise JsonError(f"line {line} has a letter that is not UTF-8; save the file in the encoding UTF-8") from None


def _encoding(content: bytes) -> str:
    if content.startswith(_BEGINS_32_BITS):
        return "utf-32"
    if content.startswith(_BEGINS_16_BITS):
        return "utf-16"
    # Without a mark: JSON begins with two letters of ASCII, so that zeros show how wide a letter is.
    zeros = tuple(byte == 0 for byte in content[:4])
    unmarked: dict[tuple[bool, ...], str] = {
        (True, True, True, False): "utf-32-be",
        (False, True, True, True): "utf-32-le",
        (True, False, True, False): "utf-16-be",
        (False, True, False, True): "utf-16-le",
    }
    return unmarked.get(zeros, "utf-8-sig")


def parse_json(text: str) -> Any:
    """The content of a JSON text.

    Raises:
        JsonError: it is not JSON, or names a key of an object twice, of which a reader would take the last.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        line, column = text.count("\n", 0, error.pos) + 1, error.pos - text.rfind("\n", 0, error.pos)
        raise JsonError(f"line {line}, column {column}: {_cause(text, error)}") from None
    except RecursionError:
        raise JsonError("its brackets are nested too deeply; correct it") from None
    except JsonError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise JsonError(f"{error}; correct it") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise JsonError(f"it has the key '{twice}' twice in one object; keep one of them")
    return content


def _no_number(word: str) -> Any:
    raise JsonError(f"it has {word}, which is not a number in JSON; write a number or null")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JsonError(f"it has the number {digits[:20]}, which is too large; correct it")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise JsonError(f"it has a number of {len(digits)} digits, which is too large; correct it")
    return int(digits)


def _cause(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :].lstrip()
    before = text[: error.pos].rstrip()
    # Python 3.13 points at a comma that is too many, others at what follows it.
    after = rest[1:].lstrip() if rest.startswith(",") else rest if before.endswith(",") else ""
    if _COMMENT.match(rest) or _COMMENT.match(after):
        return "comments are not part of JSON; remove them"
    if after[:1] in ("]", "}"):
        return "there is a comma after the last entry; remove it"
    return _of_one_letter(rest, error.msg) or _of_the_place(rest, error.msg)


def _of_one_letter(rest: str, message: str) -> str:
    if "escape" in message:
        return "a backslash is written twice in JSON, and a slash works everywhere; write '/' in paths"
    if message.startswith("Invalid control character"):
        return "a text continues past the end of its line; close its quotation mark"
    if rest[:1] == "'" or (rest and rest[0] in _TYPOGRAPHIC):
        return 'JSON texts need straight double quotation marks ("..."); replace the others'
    word = next((word for word in _WORDS if rest.startswith(word)), "")
    return f"JSON writes {_WORDS[word]} for {word}; replace it" if word else ""


def _of_the_place(rest: str, message: str) -> str:
    if not rest or message.startswith("Unterminated"):
        return "the file ends in the middle, or a quotation mark is not closed; complete it, or copy it again"
    if message.startswith("Extra data"):
        return "something follows the end; remove it, or put all into one object"
    if message.startswith("Expecting ','"):
        return "a comma or a closing bracket is missing before this place; add it"
    if message.startswith("Expecting ':'"):
        return "a colon is missing between a name and its value; add it"
    if message.startswith("Expecting property name"):
        return 'JSON names need double quotation marks ("..."); add them'
    return f"'{rest[:1]}' is not allowed there; correct it"
