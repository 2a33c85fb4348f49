from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract.errors import DataError
from coranet.data.datalist import (
    with_labeled_cases,
    with_true_labels,
    with_validation_cases,
)


def a_list(labeled: int, **others: int) -> Datalist:
    cases = [Case(f"l{number}", Role.TRAINING, f"l{number}.nrrd", "x.nrrd") for number in range(labeled)]
    cases += [Case(f"u{number}", Role.UNLABELED, f"u{number}.nrrd") for number in range(others.get("unlabeled", 3))]
    cases += [Case(f"v{number}", Role.VALIDATION, "v.nrrd", "x.nrrd") for number in range(others.get("validation", 0))]
    return Datalist(tuple(cases), (Label(1, "organ"),))


@pytest.mark.parametrize(
    ("labeled", "requested", "expected"),
    [
        (1, None, 0),
        (3, None, 0),
        (4, None, 0),
        (10, None, 0),
        (19, None, 0),
        (20, None, 2),
        (58, None, 6),
        (10, 0, 0),
        (10, 5, 5),
        (2, 1, 1),
        (0, 3, 0),
    ],
)
def test_a_tenth_of_the_labeled_cases_is_set_aside_or_as_many_as_wanted(labeled, requested, expected):
    chosen = with_validation_cases(a_list(labeled), requested, seed=0)
    assert len(chosen.with_role(Role.VALIDATION)) == expected
    assert len(chosen.with_role(Role.TRAINING)) == labeled - expected
    assert [case.id for case in chosen.cases] == [case.id for case in a_list(labeled).cases]
    assert all(case.label for case in chosen.with_role(Role.VALIDATION))


def test_the_same_seed_sets_the_same_cases_aside():
    first, again, other = (with_validation_cases(a_list(20), None, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_named_validation_cases_are_enough():
    assert with_validation_cases(a_list(10, validation=1), 5, seed=0) == a_list(10, validation=1)


@pytest.mark.parametrize("requested", [3, 9])
def test_no_case_left_to_learn_from_is_an_error(requested):
    with pytest.raises(DataError, match=f"{requested} validation cases leave none of the 3 labeled cases"):
        with_validation_cases(a_list(3), requested, seed=0)


# -- fewer labels, and all of them --


def ours(labeled: int = 6) -> Datalist:
    cases = [Case(f"l{number}", Role.TRAINING, f"l{number}.nrrd", "truth.nrrd") for number in range(labeled)]
    cases += [Case("image7", Role.UNLABELED, "image7.nrrd"), Case("v", Role.VALIDATION, "v.nrrd", "truth.nrrd")]
    return Datalist(tuple(cases), (Label(1, "organ"),))


def test_fewer_labeled_cases_are_nested_and_the_others_are_gone():
    kept = [{case.id for case in with_labeled_cases(ours(), count, 3).cases} for count in range(1, 7)]
    assert [len(ids) for ids in kept] == [3, 4, 5, 6, 7, 8]
    assert all(fewer < more and {"image7", "v"} <= fewer for fewer, more in zip(kept, kept[1:], strict=False))
    assert with_labeled_cases(ours(), 6, 3) == ours()


def test_the_seed_chooses_the_labeled_cases():
    assert len({with_labeled_cases(ours(), 2, seed) for seed in range(20)}) > 5
    assert with_labeled_cases(ours(), 2, 1) == with_labeled_cases(ours(), 2, 1)


@pytest.mark.parametrize("count", [0, 7, -1])
def test_as_many_labeled_cases_as_there_are_not(count):
    with pytest.raises(DataError, match=f"1 to 6 can be kept, not {count}"):
        with_labeled_cases(ours(), count, 0)


@pytest.mark.parametrize("name", ["label7.nrrd", "image7.nii.gz", "label7.mha"])
def test_unlabeled_cases_get_their_true_labels(awkward_path, name):
    (awkward_path / name).write_bytes(b"")
    complete = with_true_labels(ours(), awkward_path)
    case = next(case for case in complete.cases if case.id == "image7")
    assert (case.role, case.label) == (Role.TRAINING, str(awkward_path / name))
    assert [case for case in complete.cases if case.id != "image7"] == [c for c in ours().cases if c.id != "image7"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["label8.nrrd"], "0 label maps for 'image7.nrrd', expected one with the name label7 or image7"),
        (["label7.nrrd", "label7.mha"], "2 label maps for 'image7.nrrd'"),
        ([], "holds no image"),
    ],
)
def test_true_labels_that_are_not_there(awkward_path, names, message):
    for name in names:
        (awkward_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=message):
        with_true_labels(ours(), awkward_path)


def partly(datalist: Datalist, count: int) -> Datalist:
    """The same; of the first labeled cases, labels are known in part."""
    partial = [replace(case, known=f"{case.id}-known.nrrd") for case in datalist.with_role(Role.TRAINING)[:count]]
    return replace(datalist, cases=(*partial, *datalist.cases[count:]))


@pytest.mark.parametrize(
    ("labeled", "partial", "requested", "expected"),
    [(25, 6, None, 0), (25, 5, None, 2), (10, 5, 5, 5), (5, 5, None, 0), (3, 2, 1, 1), (1, 1, 0, 0)],
)
def test_a_label_that_is_known_in_part_is_never_set_aside(labeled, partial, requested, expected):
    for seed in range(5):
        chosen = with_validation_cases(partly(a_list(labeled), partial), requested, seed).with_role(Role.VALIDATION)
        assert len(chosen) == expected
        assert not any(case.is_partial for case in chosen)


def test_more_validation_cases_than_whole_labels_are_an_error():
    with pytest.raises(
        DataError, match="2 validation cases are requested, but only 1 cases have a label that is known"
    ):
        with_validation_cases(partly(a_list(4), 3), 2, seed=0)


def test_the_training_that_knows_every_label_knows_the_partial_ones(tmp_path):
    (tmp_path / "l0.nrrd").touch()
    datalist = with_true_labels(partly(a_list(2, unlabeled=0), 1), tmp_path)
    assert [(case.known, Path(case.label).name) for case in datalist.cases] == [(None, "l0.nrrd"), (None, "x.nrrd")]
