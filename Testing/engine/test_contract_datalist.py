"""The datalist of a job is written by one process and read by another: nothing may be lost or guessed."""

from __future__ import annotations

import json

import pytest

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract.errors import DataError

LABELS = (Label(7, "Leber", (0.5, 0.25, 1.0), "Segmentation~liver"), Label(300, "Tumor"))
CASES = (
    Case("a", Role.TRAINING, "images/a.nrrd", "labels/a.nrrd"),
    Case("b", Role.UNLABELED, "/somewhere/ü b.nii.gz"),
    Case("c", Role.VALIDATION, "c.nrrd", "c-label.nrrd"),
    Case("d", Role.TEST, "d.nrrd", "d-label.nrrd"),
    Case("e", Role.INPUT, "dicom folder"),
)


def a_plain_datalist() -> dict:
    return json.loads(json.dumps(Datalist(CASES, LABELS).to_dict()))


def test_a_datalist_comes_back_as_it_was():
    assert Datalist.from_dict(a_plain_datalist()) == Datalist(CASES, LABELS)


def test_cases_are_found_by_role_in_the_order_of_the_list():
    datalist = Datalist(CASES, LABELS)
    assert [case.id for case in datalist.with_role(Role.TEST, Role.TRAINING)] == ["a", "d"]
    assert [case.id for case in datalist.with_role(Role.INPUT)] == ["e"]


def test_labels_are_sorted_by_value():
    assert [label.value for label in Datalist((), LABELS[::-1]).labels] == [7, 300]


@pytest.mark.parametrize("role", [Role.TRAINING, Role.VALIDATION, Role.TEST])
def test_a_role_that_needs_a_label_is_refused_without(role):
    with pytest.raises(DataError, match=f"'a' has the role '{role.value}' but no label"):
        Case("a", role, "a.nrrd")


@pytest.mark.parametrize("value", [0, -3, 1.5, "1", 65536])
def test_a_label_value_is_a_whole_number_that_fits_into_the_results(value):
    with pytest.raises(DataError, match="whole numbers from 1 to 65535, got .* for 'Leber'"):
        Label(value, "Leber")


@pytest.mark.parametrize(
    ("cases", "labels", "message"),
    [
        ((CASES[0], CASES[0]), LABELS, "case names must be unique, got 'a' twice"),
        (CASES, (Label(1, "a"), Label(1, "b")), "label values must be unique, got '1' twice"),
        (CASES, (Label(1, "a"), Label(2, "a")), "label names must be unique, got 'a' twice"),
    ],
)
def test_nothing_may_be_there_twice(cases, labels, message):
    with pytest.raises(DataError, match=message):
        Datalist(cases, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain.update(schema_version=2), "schema version 2, expected 1"),
        (lambda plain: plain.pop("labels"), "must have the keys"),
        (lambda plain: plain["labels"].append(5), "label that cannot be read"),
        (lambda plain: plain["cases"].append("a.nrrd"), "case that cannot be read"),
        (lambda plain: plain["cases"][0].pop("image"), "case that cannot be read"),
        (lambda plain: plain["cases"][0].update(role="hero"), "'hero'"),
    ],
)
def test_a_file_of_another_version_is_an_error_that_names_it(change, message):
    plain = a_plain_datalist()
    change(plain)
    with pytest.raises(DataError) as raised:
        Datalist.from_dict(plain, source="job/datalist.json")
    assert message in str(raised.value)
    assert "'job/datalist.json'" in str(raised.value)


def test_a_list_is_no_datalist():
    with pytest.raises(DataError, match=r"'x\.json' must have the keys"):
        Datalist.from_dict([], source="x.json")


def test_a_label_may_be_known_in_part(tmp_path):
    case = Case("p", Role.TRAINING, "p.nrrd", "p-label.nrrd", "p-known.nrrd")
    datalist = Datalist((*CASES, case), LABELS)
    assert Datalist.from_dict(json.loads(json.dumps(datalist.to_dict()))) == datalist
    assert case.is_partial and not any(other.is_partial for other in CASES)
    assert [case.id for case in datalist.without_all_labels()] == ["b", "p"]
    absolute = datalist.with_absolute_paths(tmp_path).cases[-1]
    assert absolute.known == str(tmp_path / "p-known.nrrd")


def test_a_list_from_before_there_were_masks_is_read():
    plain = a_plain_datalist()
    for case in plain["cases"]:
        del case["known"]
    assert Datalist.from_dict(plain) == Datalist(CASES, LABELS)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.TRAINING])
def test_only_training_can_use_a_label_that_is_known_in_part(role):
    with pytest.raises(DataError, match=f"known in part and the role '{role.value}'"):
        Case("a", role, "a.nrrd", "label.nrrd", "known.nrrd")


TWO = Case("p", Role.UNLABELED, "p_0000.nrrd", more_images=("p_0001.nrrd",))


def test_a_case_may_have_several_images(tmp_path):
    datalist = Datalist((TWO,), LABELS, ("T1", "FLAIR"))
    plain = json.loads(json.dumps(datalist.to_dict()))
    assert Datalist.from_dict(plain) == datalist
    assert TWO.images == TWO.files == ("p_0000.nrrd", "p_0001.nrrd")
    absolute = datalist.with_absolute_paths(tmp_path).cases[0]
    assert absolute.images == (str(tmp_path / "p_0000.nrrd"), str(tmp_path / "p_0001.nrrd"))
    assert Case("a", Role.TRAINING, "a", "l", "k", ("b",)).files == ("a", "b", "l", "k")


def test_lists_of_one_channel_are_written_as_before_there_were_several():
    plain = a_plain_datalist()
    assert set(plain) == {"schema_version", "labels", "cases"}
    assert not any("more_images" in case for case in plain["cases"])


@pytest.mark.parametrize(
    ("cases", "channels", "sentence"),
    [
        ((TWO, CASES[1]), (), "case 'b' has no channel 2, it has 1 of the 2 images"),
        ((TWO, CASES[1]), ("T1", "FLAIR"), "case 'b' has no FLAIR"),
        ((TWO,), ("T1",), "case 'p' has 2 images, expected 1"),
        ((), ("T1", "T1"), "channel names must be unique"),
    ],
)
def test_each_case_has_an_image_for_each_channel(cases, channels, sentence):
    with pytest.raises(DataError, match=sentence):
        Datalist(cases, LABELS, channels)
