"""What a result and a model say of errors is read as it was written, and absent from files of earlier versions."""

from __future__ import annotations

import re

import pytest

from coranet.contract import CaseDoubt, CasePromise, CaseQuality, ErrorModelCard, PredictionFiles, Promise
from coranet.contract.codec import from_json, to_json
from coranet.contract.errors import JobError

PROMISES = (Promise(0.8, 0.3, 12), Promise(0.9, 0.1, 12))


def test_what_a_result_says_is_read_as_it_was_written():
    promise = CasePromise(0.8, 0.3, 0.85, 12, 2.1, 0.034, {"left atrium": (58.0, 67.5)})
    doubt = CaseDoubt("error_model", 1.0, (promise,), CaseQuality(0.87, "look", ("far larger than in training.",)))
    assert CaseDoubt.of_result({"case": "a", "caution": 0.85, **to_json(doubt)}) == doubt


def test_a_result_of_an_earlier_version_knows_the_heads_alone(tmp_path):
    assert PredictionFiles(tmp_path).doubt({"case": "a", "caution": 0.5}) == CaseDoubt()


@pytest.mark.parametrize("damage", [{"promises": 3}, {"promises": [{"share": 0.8}]}, {"quality": {"dice": "good"}}])
def test_a_damaged_key_is_named_with_its_file(tmp_path, damage):
    with pytest.raises(JobError, match=r"result\.json.*segment the case anew"):
        PredictionFiles(tmp_path).doubt(damage)


NOT_PROMISED = (Promise(0.8, None, 3, 0.4), Promise(0.9, None, 3, 0.2))
HALF_PROMISED = (Promise(0.8, 0.3, 5, 0.4), Promise(0.9, None, 5, 0.2))


@pytest.mark.parametrize(
    ("promises", "share", "expected"),
    [
        (PROMISES, 0.8, 0.3), (PROMISES, 0.9, 0.1), (PROMISES, 0.95, 0.1), (HALF_PROMISED, 0.9, 0.3), ((), 0.8, None),
        (NOT_PROMISED, 0.9, 0.2), (NOT_PROMISED[:1], 0.9, None),
    ],
)  # fmt: skip
def test_the_promise_of_a_share_or_of_the_largest_that_there_is(promises, share, expected):
    found = ErrorModelCard(1.0, 12, promises).promise(share)
    assert (found and found.used) == expected


@pytest.mark.parametrize(
    ("promises", "said"),
    [
        (PROMISES, "At least 80 % (90 %) of what is wrong by more than 1.5 mm lies inside .* measured on 12 cases"),
        (HALF_PROMISED, "At least 80 % of what .* on 5 cases"),
        (
            (Promise(0.8, None, 5, 0.4),),
            "Nothing can be promised of .* the 5 cases of the measurement differ too much",
        ),
        (NOT_PROMISED, "Nothing can be promised of .* on 3 cases with a whole label, and 80 % needs 4"),
    ],
)
def test_the_promise_in_words(promises, said):
    sentence = ErrorModelCard(1.5, promises[0].cases, promises).sentence()
    assert re.match(said.replace("(90 %)", r"\(90 %\)"), sentence)


def test_a_card_is_read_as_it_was_written():
    card = ErrorModelCard(1.5, 4, HALF_PROMISED)
    assert from_json(ErrorModelCard, {**to_json(card), "later": 1}) == card
    assert from_json(ErrorModelCard, {"tolerance_mm": 1}) == ErrorModelCard(1.0)
