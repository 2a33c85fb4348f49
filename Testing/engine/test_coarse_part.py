from __future__ import annotations

import json

import pytest

from coranet.coarse.part import CoarsePart
from coranet.contract.errors import ModelError
from coranet.data.preprocessing import Preprocessing


@pytest.fixture
def a_part(a_tiny_architecture) -> CoarsePart:
    return CoarsePart(
        a_tiny_architecture, Preprocessing((4.0, 4.0, 5.0), "zscore"), (10.0, 10.0, 12.5), 300.0, 1.0, 900.0
    )


def test_it_is_read_as_it_was_written(a_part):
    assert CoarsePart.from_dict(json.loads(json.dumps(a_part.to_dict()))) == a_part


@pytest.mark.parametrize(
    ("key", "value"), [("margin_mm", [1.0]), ("margin_mm", None), ("least_mm3", "much")], ids=str
)  # fmt: skip
def test_what_is_of_another_kind_is_an_error(a_part, key, value):
    with pytest.raises(ModelError, match="coarse network cannot be read"):
        CoarsePart.from_dict({**a_part.to_dict(), key: value})


def test_a_missing_key_is_named(a_part):
    content = a_part.to_dict()
    del content["least_mm3"]
    with pytest.raises(ModelError, match=r"cannot be read \('least_mm3' is missing\); train the model again"):
        CoarsePart.from_dict(content)


def test_a_part_without_a_dial_stands_where_it_was_trained(a_part):
    content = a_part.to_dict()
    del content["caution"]
    assert CoarsePart.from_dict(content).caution == 0
