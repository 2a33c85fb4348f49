"""What the codec takes for each type, and the place that it names where a value is of another one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

from coranet.contract.codec import CodecError, from_json, keeping_unknown, to_json


class Color(str, Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    labeled: int
    unlabeled: int


@dataclass(frozen=True)
class Inner:
    number: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]
    bounds: tuple[tuple[int, int], tuple[int, int]]
    color: Color = Color.RED
    pair: Pair = Pair(1, 2)
    places: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    dice: dict[str, Optional[float]] = field(default_factory=dict)
    folder: Path | None = None
    steps: Optional[int] = 3
    flags: list[bool] = field(default_factory=list)
    anything: Any = None


FULL = Outer(
    "ä", (Inner(1), Inner(2, 0.25)), ((0, 1), (2, 3)), Color.BLUE, Pair(4, 4), {7: {"a": 1.5}},
    {"organ": None, "b": 1.0}, Path("x y"), None, [True, False], {"k": [1, None]},
)  # fmt: skip
SMALL = {"name": "a", "inner": [{"number": 1}], "bounds": [[0, 1], [2, 3]]}


def test_what_is_written_is_read():
    assert from_json(Outer, json.loads(json.dumps(to_json(FULL)))) == FULL


def test_missing_and_null_take_the_default_and_unknown_keys_are_passed_over():
    read = from_json(Outer, {**SMALL, "color": None, "flags": None, "of_a_later_version": 1})
    assert read == Outer("a", (Inner(1),), ((0, 1), (2, 3)))


def test_null_is_none_where_there_may_be_none():
    assert from_json(Outer, {**SMALL, "steps": None}).steps is None


def test_a_key_can_be_needed_although_it_has_a_default():
    with pytest.raises(CodecError, match="'color' is missing"):
        from_json(Outer, SMALL, needed=["color"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "'name' must be a text, got 3"),
        ({"inner": {}}, "'inner' must be a list"),
        ({"inner": [{}]}, r"'inner\[0\].number' is missing"),
        ({"inner": [{"number": True}]}, r"'inner\[0\].number' must be a whole number, got True"),
        ({"inner": [{"number": 1.0}]}, "must be a whole number"),
        ({"inner": [{"number": 1 << 63}]}, "must be a whole number"),
        ({"inner": [{"number": 1, "share": math.nan}]}, r"'inner\[0\].share' must be a number, got nan"),
        ({"inner": [{"number": 1, "share": "1"}]}, "must be a number, got '1'"),
        ({"inner": [{"number": 1, "share": 10**400}]}, "must be a number"),
        ({"inner": [None]}, r"'inner\[0\]' must be an object"),
        ({"bounds": [[0, 1]]}, "'bounds' must be 2 values"),
        ({"bounds": [[0, 1], [2]]}, r"'bounds\[1\]' must be 2 values"),
        ({"color": "green"}, "'color' must be one of red, blue, got 'green'"),
        ({"pair": [1]}, "'pair' must be 2 values"),
        ({"places": {"one": {}}}, "must be a whole number as key"),
        ({"places": {"1": 2}}, r"'places\.1' must be an object"),
        ({"dice": {"a": "x"}}, r"'dice\.a' must be a number"),
        ({"flags": [1]}, r"'flags\[0\]' must be true or false"),
        ({"folder": 1}, "'folder' must be a text"),
        ({"name": ["x" * 200]}, r"x{50,}\.\.\.$"),
    ],
)
def test_a_value_of_another_type_is_named_by_its_place(change, message):
    with pytest.raises(CodecError, match=message):
        from_json(Outer, {**SMALL, **change})


@pytest.mark.parametrize("content", [None, 3, "text", [], [SMALL]])
def test_an_object_is_expected(content):
    with pytest.raises(CodecError, match="must be an object"):
        from_json(Outer, content, "the list")


def test_a_whole_number_may_stand_for_a_number():
    read = from_json(Inner, {"number": 1, "share": 1})
    assert read.share == 1.0 and isinstance(read.share, float)


def test_a_part_that_was_read_already_is_taken_as_it_is():
    inner = Inner(7)
    assert from_json(Outer, {**SMALL, "inner": [inner]}).inner[0] is inner


def test_a_type_that_json_has_not_is_a_mistake_of_the_program():
    with pytest.raises(TypeError, match="no JSON value is read as"):
        from_json(complex, 1)


def test_unknown_keys_are_kept_in_writing():
    before = {"known": 1, "gone": 2, "later": {"x": 3}}
    assert keeping_unknown({"known": 5}, before, ["gone"]) == {"known": 5, "later": {"x": 3}}
    assert keeping_unknown({"known": 5}, None, []) == {"known": 5}
