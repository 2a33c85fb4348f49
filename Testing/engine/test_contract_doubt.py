"""What a result and a model say of errors is read as it was written, and absent from files of earlier versions."""

from __future__ import annotations

import re

import pytest

from coranet.contract import CaseDoubt, CasePromise, CaseQuality, ErrorModelCard, PredictionFiles, Promise
from coranet.contract.codec import from_json, to_json
from coranet.contract.errors import JobError

PROMISES = (Promise(0.8, 9, 0.7), Promise(0.9, 9, 0.85), Promise(0.95, 9, None))


def test_what_a_result_says_is_read_as_it_was_written():
    promise = CasePromise(0.8, 0.3, 0.85, 12, 2.1, 0.034, {"left atrium": (58.0, 67.5)}, 0.68)
    doubt = CaseDoubt("error_model", 1.0, (promise,), CaseQuality(0.87, "look", ("far larger than in training.",)))
    assert CaseDoubt.of_result({"case": "a", "caution": 0.85, **to_json(doubt)}) == doubt


def test_a_result_of_an_earlier_version_knows_the_heads_alone(tmp_path):
    assert PredictionFiles(tmp_path).doubt({"case": "a", "caution": 0.5}) == CaseDoubt()


@pytest.mark.parametrize("damage", [{"promises": 3}, {"promises": [{"share": 0.8}]}, {"quality": {"dice": "good"}}])
def test_a_damaged_key_is_named_with_its_file(tmp_path, damage):
    with pytest.raises(JobError, match=r"result\.json.*segment the case again"):
        PredictionFiles(tmp_path).doubt(damage)


@pytest.mark.parametrize(("share", "expected"), [(0.8, 0.7), (0.9, 0.85), (0.95, None), (0.5, None)])
def test_the_promise_of_a_share(share, expected):
    promise = ErrorModelCard(1.0, 9, PROMISES).promise(share)
    assert (promise and promise.relative_size) == expected


@pytest.mark.parametrize(
    ("share", "cases", "promised"),
    # By hand: a = (1 + (1 - share)(n - 1)) / (n + 1).
    [(0.8, 1, 0.5), (0.8, 4, 0.68), (0.8, 9, 0.74), (0.9, 9, 0.82), (0.95, 19, 0.905), (0.8, 0, None)],
)
def test_what_is_promised_grows_with_the_cases(share, cases, promised):
    assert Promise(share, cases, 0.7).promised == (None if promised is None else pytest.approx(promised))


@pytest.mark.parametrize(
    ("promises", "message"),
    [
        (PROMISES, "About 80 % of the errors deeper than 1.5 mm are .* at least 74 % is promised, .* on 9 cases"),
        ((Promise(0.8, 0, 0.7),), "About 80 % of the errors .* nothing is promised"),
        ((Promise(0.8, 5, None),), "How many errors .* is unknown: .* differ too much"),
        ((), "How many errors .* is unknown"),
    ],
)
def test_the_promise_in_words(promises, message):
    assert re.match(message, ErrorModelCard(1.5, 9, promises).sentence())
    found = tuple(
        CasePromise(promise.share, 0.3, 0.8, promise.cases, 1.0, 0.1, {}, promise.promised)
        for promise in promises
        if promise.relative_size
    )
    assert CaseDoubt("error_model", 1.5, found).sentence() == ErrorModelCard(1.5, 9, promises).sentence()


def test_a_card_is_read_as_it_was_written():
    card = ErrorModelCard(1.5, 9, PROMISES)
    assert from_json(ErrorModelCard, {**to_json(card), "later": 1}) == card
    assert from_json(ErrorModelCard, {"tolerance_mm": 1}) == ErrorModelCard(1.0)
