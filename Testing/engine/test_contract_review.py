"""review.json: decisions on regions, which belong to the regions of one moment."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from test_contract_region_list import a_region

from coranet.contract import Choice, Decision, RegionList, Review
from coranet.contract.errors import JobError


@pytest.fixture
def regions() -> RegionList:
    """Three regions of 0.1, 0.1 and 0.6 mL."""
    rows = (a_region(1), a_region(2), replace(a_region(3), volume_ml=0.6))
    return RegionList("a", 0.0, 0.0, 0.8, 0.0, 100.0, rows)


def test_nothing_is_decided_at_first(regions):
    review = Review.of(regions)
    assert (review.case, review.regions_created, review.decisions) == ("a", 100.0, {})
    assert not review.trusts_certain
    assert review.progress(regions) == (0, 0.0)


def test_a_decision_makes_a_new_review_and_leaves_the_old_one(regions):
    first = Review.of(regions)
    second = first.with_decision(3, Choice.RADICAL, "Ada", at=5.0)
    assert first.decisions == {}
    assert second.decisions == {3: Decision(Choice.RADICAL, "Ada", 5.0)}
    assert second.progress(regions) == (1, pytest.approx(0.75))


def test_a_decision_can_be_changed_and_taken_back(regions):
    review = Review.of(regions).with_decision(1, Choice.KEEP).with_decision(2, Choice.EDITED)
    assert review.with_decision(1, Choice.CONSERVATIVE).decisions[1].choice is Choice.CONSERVATIVE
    assert set(review.with_decision(1, None).decisions) == {2}
    assert review.with_decision(3, None) == review


def test_the_moment_of_a_decision_is_now_unless_it_is_said(regions):
    before = time.time()
    decided = Review.of(regions).with_decision(1, Choice.KEEP).decisions[1]
    assert before <= decided.time <= time.time()


def test_where_there_are_no_regions_all_is_cleared():
    empty = RegionList("a", 0.0, 0.0, 0.0, 0.0, 1.0)
    assert Review.of(empty).progress(empty) == (0, 1.0)


def test_it_comes_back_as_it_was(regions, awkward_path):
    review = replace(Review.of(regions).with_decision(2, Choice.RADICAL, "Müller", at=7.5), trusts_certain=True)
    review.write(awkward_path / "review.json")
    back = Review.read(awkward_path / "review.json", regions)
    assert back == review
    assert back.decisions[2].choice is Choice.RADICAL
    content = json.loads((awkward_path / "review.json").read_text(encoding="utf-8"))
    assert content["decisions"] == {"2": {"choice": "radical", "author": "Müller", "time": 7.5}}


def test_without_a_file_nothing_is_decided(regions, tmp_path):
    assert Review.read(tmp_path / "review.json", regions) == Review.of(regions)


def test_decisions_on_other_regions_do_not_count(regions, tmp_path):
    Review.of(regions).with_decision(2, Choice.RADICAL).write(tmp_path / "review.json")
    anew = replace(regions, created=200.0)
    assert Review.read(tmp_path / "review.json", anew) == Review.of(anew)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 9}, "schema version 9, expected 1"),
        ({"decisions": {"1": {"choice": "perhaps"}}}, "perhaps"),
        ({"decisions": {"one": {"choice": "keep"}}}, "one"),
        ({"decisions": []}, "an object"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(regions, tmp_path, change, message):
    path = tmp_path / "review.json"
    Review.of(regions).write(path)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(
        JobError, match=rf"review\.json' cannot be read \(.*{message}.*remove it to review the case again"
    ):
        Review.read(path, regions)
