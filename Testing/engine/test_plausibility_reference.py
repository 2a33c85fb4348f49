"""In what a case is unlike those of a training."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student_t

from coranet.contract.errors import ModelError
from coranet.plausibility.reference import Reference
from coranet.plausibility.traits import CaseTraits

USUAL = CaseTraits((0.1,), (60.0, 3.0), 0.95)


def a_case(number: int) -> CaseTraits:
    """Volumes and confidence that vary from case to case by some tenths."""
    random = np.random.default_rng(number)
    ml = (60 * math.exp(random.normal(0, 0.2)), 3 * math.exp(random.normal(0, 0.3)))
    return CaseTraits((0.1 + random.normal(0, 0.03),), ml, 1 / (1 + math.exp(-3 - random.normal(0, 0.2))))


def a_reference(count: int = 12) -> Reference:
    return Reference(("organ", "lesion"), tuple(a_case(number) for number in range(count)))


def test_a_case_like_the_others_is_plausible():
    reference = a_reference()
    assert reference.implausible(USUAL).sentences == ()
    for number, case in enumerate(reference.cases):
        others = replace(reference, cases=tuple(case for index, case in enumerate(reference.cases) if index != number))
        assert others.implausible(case).sentences == ()


def test_the_reach_is_that_of_students_t_with_four_usual_cases_beside():
    reference = Reference(("organ",), (CaseTraits((), (50.0,)), CaseTraits((), (50.0,))))
    reach = student_t.ppf(0.999, 5) * math.sqrt(4 * 0.35**2 / 5 * 1.5)
    for times, is_plausible in ((0.99, True), (1.01, False)):
        for sign in (-1, 1):
            implausible = reference.implausible(CaseTraits((), (50 * math.exp(sign * times * reach),)))
            assert (implausible.sentences == ()) is is_plausible


def test_a_volume_is_said_with_those_of_the_training():
    reference = a_reference()
    implausible = reference.implausible(replace(USUAL, volume_ml=(8986.0, 3.0)))
    low, high = (f"{pick(case.volume_ml[0] for case in reference.cases):.3g}" for pick in (min, max))
    assert implausible.of_result == (f"'organ' has 8.99e+03 mL; in 12 training cases it had {low} to {high} mL.",)
    assert implausible.of_scan == ()


def test_a_structure_that_some_cases_lack_may_be_missing():
    missing = replace(USUAL, volume_ml=(60.0, 0.0))
    assert a_reference().implausible(missing).of_result
    reference = a_reference()
    lacking = replace(reference, cases=(*reference.cases, missing))
    assert lacking.implausible(missing).sentences == ()


def test_a_network_that_is_far_less_sure_is_said_and_one_that_is_surer_is_not():
    implausible = a_reference().implausible(replace(USUAL, confidence=0.6))
    assert len(implausible.of_result) == 1 and implausible.of_result[0].startswith(
        "The network is far less sure of it (0.60) than"
    )
    assert not a_reference().implausible(replace(USUAL, confidence=0.999)).sentences
    assert not a_reference().implausible(replace(USUAL, confidence=None)).sentences


def test_one_case_of_the_training_that_went_wrong_hides_no_other():
    reference = a_reference(32)
    with_one = replace(reference, cases=(*reference.cases, replace(USUAL, confidence=0.5)))
    assert with_one.implausible(replace(USUAL, confidence=0.7)).of_result


@pytest.mark.parametrize(("detail", "how"), [(0.55, "noisier"), (-0.6, "smoother")])
def test_a_scan_of_other_detail_is_said(detail, how):
    implausible = a_reference().implausible(replace(USUAL, detail=(detail,)))
    assert implausible.of_scan == (f"The scan is far {how} than those of the training.",)
    assert implausible.of_result == ()


def test_of_several_channels_the_one_is_named():
    two = Reference(("organ",), tuple(CaseTraits((0.1, 0.2), (50.0,)) for _ in range(5)))
    implausible = two.implausible(CaseTraits((0.1, 2.0), (50.0,)))
    assert implausible.of_scan == ("Channel 2 of the scan is far noisier than those of the training.",)


def test_one_case_says_nothing():
    alone = a_reference(1)
    assert alone.implausible(CaseTraits((9.0,), (1e6, 1e6), 0.01)).sentences == ()
    assert not alone.is_less_sure(0.01)


def test_the_least_sure_fifth_is_worth_a_look():
    reference = Reference(("organ",), tuple(CaseTraits((), (1.0,), 0.9 + number / 100) for number in range(6)))
    assert [reference.is_less_sure(value) for value in (0.905, 0.91, 0.95)] == [True, False, False]
    assert not reference.is_less_sure(None)
    # Labeled cases were taught.
    taught = replace(reference, cases=tuple(replace(case, confidence=None) for case in reference.cases))
    assert not taught.is_less_sure(0.1)


def test_it_survives_the_card_of_a_model():
    reference = a_reference()
    read = Reference.from_card(json.loads(json.dumps({"reference": reference.to_dict()})))
    assert read is not None and read.names == reference.names
    for stored, case in zip(read.cases, reference.cases, strict=True):
        assert stored.volume_ml == pytest.approx(case.volume_ml, rel=1e-4)
        assert (stored.detail, stored.confidence) == (
            pytest.approx(case.detail, rel=1e-4),
            pytest.approx(case.confidence, rel=1e-4),
        )
    assert Reference.from_card({}) is None


@pytest.mark.parametrize(
    "content",
    [{"names": 3}, {"names": ["organ"], "cases": [{"detail": [], "volume_ml": []}]}, {"cases": []}, ["organ"]],
)
def test_a_damaged_reference_is_an_error(content):
    with pytest.raises(ModelError, match="copy its folder again"):
        Reference.from_card({"reference": content})
