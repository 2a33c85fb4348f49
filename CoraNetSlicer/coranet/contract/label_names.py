"""What the values of label maps mean, as dataset.json files say it: {value: name}, or {name: value} as nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from .datalist import Label
from .errors import DataError
from .name_key import name_key

_BACKGROUND = "background"
# What other programs call the value 0.
_NOTHING = (
    "background",
    "clear label",
    "unlabeled",
    "unlabelled",
    "no label",
    "none",
    "nothing",
    "air",
    "outside",
    "bg",
    "",
)
# nnU-Net's name for voxels without a label.
_IGNORE = "ignore"
_EXAMPLE = '{"1": "pancreas"} or {"pancreas": 1}'


def labels_of(content: Any, path: Union[str, Path]) -> tuple[Label, ...]:
    """The classes that a dataset.json names.

    Args:
        content: of its key "labels": {value: name} as the Decathlon has it, or {name: value} as nnU-Net. The value 0
            is the background by definition.
        path: of the file, for messages.

    Raises:
        DataError: there are none, a value is not a whole number, a value or name is there twice, one label has several
            values, or the background another value than 0; the message names it.
    """
    pairs = _pairs(content, path)
    for value, name in pairs:
        if name_key(name) == _BACKGROUND and value != 0:
            raise DataError(
                f"the datalist '{path}' gives the background the value {value}, but 0 is the background; correct its "
                "'labels', and the label maps if they have it so."
            )
        if name_key(name) == _IGNORE:
            raise DataError(
                f"the datalist '{path}' has nnU-Net's label 'ignore', which is not a structure to learn; remove it "
                "and give these cases a mask 'known' that is 0 where the label is not known."
            )
    classes = [(value, name) for value, name in pairs if value != 0]
    if not classes:
        raise DataError(f"the datalist '{path}' needs 'labels', for example {_EXAMPLE}; add them.")
    try:
        return tuple(Label(value, name) for value, name in classes)
    except DataError as error:
        raise DataError(f"in the datalist '{path}' {error}") from None


def notes_on(content: Any, path: Union[str, Path]) -> list[str]:
    """What a person should know of labels that can be read: that a structure has the value of the background."""
    names = [name for value, name in _pairs(content, path) if value == 0 and name_key(name) not in _NOTHING]
    return [
        f"'{name}' has the value 0 in the datalist '{path}', which is the background, and is not learned; give it "
        "another value where it is a structure."
        for name in names
    ]


def _pairs(content: Any, path: Union[str, Path]) -> list[tuple[int, str]]:
    """(value, name) of each label, whichever way round they are listed."""
    if not isinstance(content, Mapping) or not content:
        got = "" if content is None or content == {} else f", got {_short(content)}"
        raise DataError(f"the datalist '{path}' needs 'labels', for example {_EXAMPLE}{got}; add them.")
    is_by_value = any(_is_number(key) for key in content)
    if is_by_value and any(_is_number(value) and not isinstance(value, str) for value in content.values()):
        raise DataError(
            f"'labels' in the datalist '{path}' has numbers as names and as values; write all as {_EXAMPLE}."
        )
    for key, value in content.items():
        if isinstance(value, (list, tuple)):
            raise DataError(
                f"the label '{key}' in the datalist '{path}' has the values {_short(value)} (a region of nnU-Net), "
                "expected one value each; give each value a name of its own."
            )
    is_by_name = not is_by_value and any(_is_number(value) for value in content.values())
    rows = [(value, key) for key, value in content.items()] if is_by_name else list(content.items())
    return [(_value(value, name, path), _name(name, value, path)) for value, name in rows]


def _is_number(content: Any) -> bool:
    if isinstance(content, str):
        return content.strip().lstrip("+-").isdecimal()
    return isinstance(content, (int, float)) and not isinstance(content, bool)


def _value(content: Any, name: Any, path: Union[str, Path]) -> int:
    text = content.strip() if isinstance(content, str) else content
    if _is_number(text) and float(text).is_integer() and float(text) >= 0:
        return int(text)
    raise DataError(
        f"the datalist '{path}' has the label value '{content}' for {name!r}, expected a whole number of at least 1, "
        f"as in {_EXAMPLE}; correct it."
    )


def _name(content: Any, value: Any, path: Union[str, Path]) -> str:
    if not isinstance(content, str) or (not content.strip() and str(value).strip() != "0"):
        raise DataError(
            f"the datalist '{path}' has no name for the label value {value}, got {_short(content)}; name it."
        )
    return " ".join(content.split())


def _short(content: Any) -> str:
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "[" + ", ".join(map(str, content[:4])) + (", ...]" if len(content) > 4 else "]")
    return repr(content)
