"""Which case teaches what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prepared import a_prepared_case

from coranet.contract import Role
from coranet.contract.errors import DataError
from coranet.training.cases import training_cases

NAMES = ["inner", "outer"]


def a_partial_case(name: str, voxels: int = 5):
    """Known in its first voxels; in none, where all that is known was too small for the network to see."""
    case = a_prepared_case(name=name)
    known = np.zeros(case.labels.shape, np.uint8)
    known.ravel()[:voxels] = 1
    return replace(case, known=known, known_voxels=np.argwhere(known))


WHOLE, UNLABELED = a_prepared_case(name="whole"), a_prepared_case(name="unlabeled", labeled=False)
PARTIAL, NOWHERE = a_partial_case("partial"), a_partial_case("nowhere", 0)
VALIDATION = replace(WHOLE, case=replace(WHOLE.case, id="validation", role=Role.VALIDATION))


def ids(cases) -> list[str]:
    return [case.case.id for case in cases]


def test_reviewed_cases_teach_among_the_unlabeled_ones(a_reporter):
    cases = training_cases([WHOLE, PARTIAL, UNLABELED, VALIDATION], NAMES, True, a_reporter)
    assert ids(cases.labeled) == ["whole"]
    assert ids(cases.unlabeled) == ["unlabeled", "partial"]
    assert ids(cases.validation) == ["validation"]
    assert cases.class_names == ("inner", "outer") and a_reporter.events == []


@pytest.mark.parametrize(
    ("cases", "uses_unlabeled", "labeled"),
    [([PARTIAL, UNLABELED], True, ["partial"]), ([WHOLE, PARTIAL], False, ["whole", "partial"])],
    ids=["no case is labeled as a whole", "a method without unlabeled patches"],
)
def test_they_are_labeled_ones_where_nothing_else_would_teach_them(a_reporter, cases, uses_unlabeled, labeled):
    found = training_cases(cases, NAMES, uses_unlabeled, a_reporter)
    assert ids(found.labeled) == labeled
    assert "partial" in ids(found.unlabeled)


def test_of_which_nothing_is_known_is_unlabeled_and_it_is_said(a_reporter):
    cases = training_cases([WHOLE, NOWHERE], NAMES, False, a_reporter)
    assert ids(cases.labeled) == ["whole"] and ids(cases.unlabeled) == ["nowhere"]
    assert [event.code for event in a_reporter.events] == ["nothing_known"]
    with pytest.raises(DataError, match="decide larger regions"):
        training_cases([NOWHERE, UNLABELED], NAMES, True, a_reporter)
