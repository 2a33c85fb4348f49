"""Which cases are measured on, and that those of the development part teach nothing."""

from __future__ import annotations

import pytest
from experiment_jobs import question_of, scans_in

from coranet.contract import Case, Datalist, Label, Role, read_datalist
from coranet.contract.errors import ConfigError, DataError
from coranet_experiments.parts import DEVELOPMENT, TEST, cases_of_part, is_even_numbered
from coranet_experiments.plan import plan_runs


@pytest.fixture(scope="module")
def datalist(tmp_path_factory):
    return scans_in(tmp_path_factory.mktemp("parts"), labeled=2, unlabeled=4, test=1)


def test_the_development_part_is_every_second_unlabeled_case_with_its_label(datalist):
    cases = cases_of_part(read_datalist(datalist), DEVELOPMENT, datalist.parent / "truth")
    assert [(case.id, case.role) for case in cases] == [("image004", Role.TEST), ("image006", Role.TEST)]
    assert cases[0].label == str(datalist.parent / "truth" / "label004.nrrd")


def test_the_test_part_needs_no_truth(datalist):
    assert [case.id for case in cases_of_part(read_datalist(datalist), TEST, None)] == ["image007"]


def test_a_part_that_cannot_be_measured(datalist):
    cases = read_datalist(datalist)
    with pytest.raises(ConfigError, match="no part 'tset'"):
        cases_of_part(cases, "tset", None)
    with pytest.raises(ConfigError, match="--truth"):
        cases_of_part(cases, DEVELOPMENT, None)
    only_labeled = Datalist(cases.with_role(Role.TRAINING), cases.labels)
    for part in (TEST, DEVELOPMENT):
        with pytest.raises(DataError, match=f"no '{part}' case"):
            cases_of_part(only_labeled, part, datalist.parent / "truth")


@pytest.mark.parametrize(("name", "even"), [("image012", True), ("a2_7", False), ("7-patient 10", True)])
def test_the_last_number_of_a_name_counts(name, even):
    assert is_even_numbered(Case(name, Role.UNLABELED, f"/8/{name}.nii.gz")) is even


def test_a_name_without_number_is_told():
    nameless = Datalist((Case("a", Role.UNLABELED, "/8/a.nrrd"),), (Label(1, "organ"),))
    with pytest.raises(DataError, match="no number in its name"):
        cases_of_part(nameless, DEVELOPMENT, "/truth")


def test_labels_of_the_development_part_teach_no_method(datalist, tmp_path):
    truth = str(datalist.parent / "truth")
    question = question_of(datalist, tmp_path, "coranet,fully_supervised", truth=truth, part=DEVELOPMENT)
    own, bound = plan_runs(question)
    measured = {case.id for case in own.test_cases.cases}
    assert own.test_cases == bound.test_cases and measured == {"image004", "image006"}
    for run in (own, bound):
        assert not measured & {case.id for case in run.train_cases.with_role(Role.TRAINING, Role.VALIDATION)}
    assert measured < {case.id for case in own.train_cases.with_role(Role.UNLABELED)}
    assert [case.id for case in bound.train_cases.with_role(Role.TRAINING)][-2:] == ["image003", "image005"]
    assert not bound.train_cases.with_role(Role.UNLABELED)
