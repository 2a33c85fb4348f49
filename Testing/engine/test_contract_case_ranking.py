"""Which case to look at next, and why, from result.json, regions.json and review.json."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_contract_region_list import a_region

from coranet.contract import (
    CaseQuality,
    Choice,
    PredictionFiles,
    RegionList,
    Review,
    case_uncertainty,
    rank_cases,
    write_json_atomic,
)
from coranet.contract.codec import to_json
from coranet.contract.errors import JobError

LABELS = [{"value": 1, "name": "pancreas"}, {"value": 7, "name": "tumour"}]


@pytest.fixture
def a_case(tmp_path):
    """Writes a result: `a_case("a", pancreas=(found, conservative, radical), regions=[(ml, pair), ...])`."""

    def write(
        name, regions=None, pancreas=(80.0, 70.0, 100.0), tumour=(8.0, 4.0, 10.0), quality=None
    ) -> PredictionFiles:
        files = PredictionFiles(tmp_path / name)
        heads = ("segmentation", "conservative", "radical")
        volumes = {"pancreas": dict(zip(heads, pancreas, strict=True)), "tumour": dict(zip(heads, tumour, strict=True))}
        result = {"case": name, "labels": LABELS, "volumes_ml": volumes, "uncertain_ml": 21.0}
        if quality is not None:
            result["quality"] = to_json(quality)
        write_json_atomic(files.result, result)
        if regions is not None:
            rows = [
                replace(a_region(number, *pair), volume_ml=ml) for number, (ml, pair) in enumerate(regions, start=1)
            ]
            RegionList(name, 0.0, 0.0, 21.0, 0.0, 5.0, tuple(rows)).write(files.regions)
        return files

    return write


def test_the_share_of_a_structure_is_that_of_the_regions_in_which_it_is_in_question(a_case):
    of_case = case_uncertainty(a_case("a", [(8.0, (0, 1)), (4.0, (1, 7)), (2.0, (0, 1)), (0.5, (0, 7))]))
    assert of_case.shares == {"pancreas": pytest.approx(0.14), "tumour": pytest.approx(0.45)}
    assert of_case.share == pytest.approx((0.14 + 0.45) / 2)
    assert of_case.uncertain_ml == pytest.approx(14.5)
    assert (of_case.regions, of_case.reviewed, of_case.large_ml, of_case.large_regions) == (4, 0, 2.0, 2)
    assert of_case.reason == "45 % of the predicted tumour is uncertain; 2 regions over 2 mL"


def test_without_regions_it_is_the_width_of_the_bounds(a_case):
    of_case = case_uncertainty(a_case("a"))
    assert of_case.shares == {"pancreas": pytest.approx(0.3), "tumour": pytest.approx(0.6)}
    assert (of_case.regions, of_case.reviewed, of_case.large_regions, of_case.uncertain_ml) == (None, 0, 0, 21.0)
    assert of_case.reason == "60 % of the predicted tumour is uncertain"


def test_what_is_decided_does_not_count(a_case):
    files = a_case("a", [(8.0, (0, 1)), (4.0, (0, 1)), (2.0, (0, 7))])
    regions = RegionList.read(files.regions)
    Review.of(regions).with_decision(1, Choice.KEEP).with_decision(3, Choice.RADICAL).write(files.review)
    of_case = case_uncertainty(files)
    assert of_case.shares == {"pancreas": pytest.approx(0.04), "tumour": 0.0}
    assert of_case.reason == "4 % of the predicted pancreas is uncertain; 1 region over 2 mL; 2 of 3 reviewed"


def test_when_all_is_decided_nothing_is_uncertain(a_case):
    files = a_case("a", [(8.0, (0, 1))])
    Review.of(RegionList.read(files.regions)).with_decision(1, Choice.KEEP).write(files.review)
    of_case = case_uncertainty(files)
    assert (of_case.share, of_case.uncertain_ml) == (0.0, 0.0)
    assert of_case.reason == "0 % of the predicted pancreas is uncertain; no region over 1 mL; 1 of 1 reviewed"


def test_what_was_not_found_is_told(a_case):
    of_case = case_uncertainty(a_case("a", [(0.3, (0, 1))], tumour=(0.0, 0.0, 0.0)))
    assert of_case.shares["tumour"] is None
    assert of_case.share == pytest.approx(0.003)
    assert of_case.reason == "0.3 % of the predicted pancreas is uncertain; no tumour was found; 1 region over 0.1 mL"


def test_of_a_case_in_which_nothing_was_found_that_is_told(a_case):
    of_case = case_uncertainty(a_case("a", [], (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    assert of_case.share == 0.0
    assert of_case.reason == "no pancreas and no tumour was found; no region over 1 mL"


@pytest.mark.parametrize(
    ("largest", "large"), [(2.0, 1.0), (3.9, 1.0), (4.0, 2.0), (9.9, 2.0), (10.1, 5.0), (0.25, 0.1), (0.013, 0.005)]
)
def test_a_large_region_is_more_than_about_half_of_the_largest(a_case, largest, large):
    of_case = case_uncertainty(a_case("a", [(largest, (0, 1)), (large, (0, 1))]))
    assert (of_case.large_ml, of_case.large_regions) == (large, 1)


def test_the_most_uncertain_case_comes_first_and_all_are_measured_alike(a_case):
    cases = [a_case("b", [(2.0, (0, 1))]), a_case("a", [(20.0, (0, 1)), (11.0, (0, 1))]), a_case("c", [(2.0, (0, 1))])]
    ranked = rank_cases(cases)
    assert [case.case for case in ranked] == ["a", "b", "c"]
    assert [case.folder.name for case in ranked] == ["a", "b", "c"]
    assert [case.large_ml for case in ranked] == [10.0] * 3
    assert ranked[0].reason.endswith("2 regions over 10 mL") and ranked[1].reason.endswith("no region over 10 mL")


def test_what_is_expected_to_be_worst_comes_first_whatever_is_uncertain(a_case):
    cases = [
        a_case("sure", [(20.0, (0, 1))], quality=CaseQuality(None, "good", (), 0.97)),
        a_case("unsure", [(2.0, (0, 1))], quality=CaseQuality(None, "poor", ("far less sure.",), 0.6)),
        a_case("estimated", [(2.0, (0, 1))], quality=CaseQuality(0.8, "look", ("a Dice of 0.8 is expected.",), 0.99)),
    ]
    ranked = rank_cases(cases)
    assert [case.case for case in ranked] == ["unsure", "estimated", "sure"]
    assert [case.rank for case in ranked] == pytest.approx([0.4, 0.2, 0.03])
    assert ranked[0].reason.startswith("poor: far less sure; 2 % of the predicted pancreas")
    assert ranked[2].reason.startswith("20 % of")


def test_a_poor_case_that_was_reviewed_comes_last_and_without_an_expectation_the_share_counts(a_case):
    files = a_case("poor", [(8.0, (0, 1)), (4.0, (0, 1))], quality=CaseQuality(None, "poor", ("bad.",), 0.5))
    review = Review.of(RegionList.read(files.regions)).with_decision(1, Choice.KEEP)
    review.write(files.review)
    assert case_uncertainty(files).rank == pytest.approx(0.25)
    review.with_decision(2, Choice.KEEP).write(files.review)
    assert case_uncertainty(files).rank == 0
    unknown = case_uncertainty(a_case("b", [(2.0, (0, 1))]))
    assert unknown.quality is None and unknown.rank == unknown.share


def test_cases_that_are_not_complete_are_left_out(a_case, tmp_path):
    assert [case.case for case in rank_cases([PredictionFiles(tmp_path / "none"), a_case("a")])] == ["a"]
    assert rank_cases([]) == []
    with pytest.raises(JobError, match="is missing"):
        case_uncertainty(PredictionFiles(tmp_path / "none"))


@pytest.mark.parametrize("content", [{"case": "a"}, {"case": "a", "labels": [3]}, {"labels": LABELS, "volumes_ml": {}}])
def test_a_result_with_other_content_is_an_error_that_names_it(tmp_path, content):
    files = PredictionFiles(tmp_path / "a")
    write_json_atomic(files.result, content)
    with pytest.raises(JobError, match=r"result\.json' has unexpected content .*; segment the case again"):
        rank_cases([files])
