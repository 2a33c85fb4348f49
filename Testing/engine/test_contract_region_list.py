"""regions.json: what is known of the uncertain regions comes back as it was written."""

from __future__ import annotations

import json

import pytest

from coranet.contract import Region, RegionList
from coranet.contract.errors import DataError, JobError


def a_region(number: int = 1, conservative: int = 0, radical: int = 7) -> Region:
    return Region(
        number, conservative, radical, 40, 0.1, ((3, 9), (0, 4), (2, 2)), (7.0, 6.25, 2.0), (5, 1, 2),
        (-26.5, 13.5, 11.0), 0.61, 0.9, 0.25, {"conservative": {7: -0.04}, "radical": {7: 0.06}}, 0.061,
    )  # fmt: skip


@pytest.fixture
def a_list() -> RegionList:
    return RegionList("Fall ä", 0.7, 0.02, 0.31, 0.01, 1700000000.25, (a_region(1), a_region(2, 1, 7)), 0.05)


def test_it_comes_back_as_it_was(a_list, awkward_path):
    a_list.write(awkward_path / "regions.json")
    assert RegionList.read(awkward_path / "regions.json") == a_list


def test_a_list_without_regions_comes_back_too(tmp_path):
    empty = RegionList("a", 0.0, 0.1, 0.0, 0.0, 1.0)
    empty.write(tmp_path / "regions.json")
    assert RegionList.read(tmp_path / "regions.json") == empty


@pytest.mark.parametrize(("pair", "expected"), [((0, 7), (7,)), ((7, 0), (7,)), ((7, 1), (1, 7)), ((0, 0), ())])
def test_the_labels_in_question_are_those_of_the_foreground(pair, expected):
    assert a_region(1, *pair).label_values == expected


def test_a_region_is_found_by_its_number(a_list):
    assert a_list.region(2) is a_list.regions[1]


@pytest.mark.parametrize("number", [0, 3, -1, 1.0, None])
def test_a_number_that_is_not_there_is_an_error(a_list, number):
    with pytest.raises(DataError, match=f"'Fall ä' has the regions 1 to 2, not {number}; choose one of them"):
        a_list.region(number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema version 2, expected 1"),
        ({"regions": [{"number": 1}]}, "conservative.* is missing"),
        ({"regions": 3}, "a list, got 3"),
    ],
)
def test_a_file_of_another_kind_is_an_error_that_names_it(a_list, tmp_path, change, message):
    path = tmp_path / "regions.json"
    a_list.write(path)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(JobError, match=rf"regions\.json' cannot be read \(.*{message}.*run 'coranet regions'"):
        RegionList.read(path)


def test_numbers_that_do_not_run_from_one_are_an_error(a_list, tmp_path):
    path = tmp_path / "regions.json"
    RegionList("a", 0.0, 0.1, 0.0, 0.0, 1.0, (a_region(2),)).write(path)
    with pytest.raises(JobError, match=r"the numbers of its regions are not 1, 2, \.\.\."):
        RegionList.read(path)


@pytest.mark.parametrize("text", ["[]", "null", "3"])
def test_a_file_that_holds_no_object_is_an_error(tmp_path, text):
    (tmp_path / "regions.json").write_text(text, encoding="utf-8")
    with pytest.raises(JobError, match="cannot be read"):
        RegionList.read(tmp_path / "regions.json")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(JobError, match="is missing"):
        RegionList.read(tmp_path / "regions.json")
