"""Will this result be good: without an error model, with one, and for models of earlier versions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scans import grid_of

from coranet.contract import CaseDoubt, CaseQuality, Label
from coranet.contract.events import Warned
from coranet.error_model import Quality
from coranet.inference.quality import ExpectedQuality, case_doubt, expected_quality, quality_by_reference
from coranet.plausibility.reference import Reference
from coranet.plausibility.traits import CaseTraits

REFERENCE = Reference(
    ("organ",), tuple(CaseTraits((0.1,), (ml,), 0.9 + ml / 1000) for ml in (40.0, 50.0, 55.0, 60.0, 70.0))
)
USUAL = CaseTraits((0.1,), (55.0,), 0.96)


@pytest.mark.parametrize(
    ("traits", "verdict", "code"),
    [
        (USUAL, "good", None),
        (replace(USUAL, confidence=0.935), "look", None),
        (replace(USUAL, confidence=0.5), "poor", "unlike_training"),
        (replace(USUAL, volume_ml=(8986.0,)), "poor", "unlike_training"),
        (replace(USUAL, detail=(2.0,)), "look", "unlike_training"),
    ],
)
def test_verdict_and_warning_without_an_error_model(traits, verdict, code):
    expected = quality_by_reference(traits, REFERENCE)
    assert expected.quality.verdict == verdict
    assert (expected.quality.dice, expected.quality.confidence) == (None, traits.confidence)
    assert bool(expected.quality.reasons) == (verdict != "good")
    warning = expected.warning("a")
    assert (warning and warning.code) == code


def test_a_model_that_has_learned_too_little_calls_no_result_good():
    unsure = Reference(("organ",), tuple(replace(case, confidence=0.43) for case in REFERENCE.cases))
    expected = quality_by_reference(replace(USUAL, confidence=0.43), unsure)
    reasons = ("The network itself expects a Dice of no more than 0.43.",)
    assert expected.quality == CaseQuality(None, "poor", reasons, 0.43)
    warning = expected.warning("a")
    assert warning == Warned("poor_result", f"the result of 'a' is probably poor: {reasons[0]}")
    of_errors = Quality((0.9,), 0.9, "good")
    with_errors = expected_quality(a_result(2750, of_errors, 0.43), GRID, LABELS, unsure).quality
    assert with_errors == CaseQuality(0.9, "poor", reasons, 0.43)


@pytest.mark.parametrize(
    ("quality", "unlike", "code"),
    [
        (CaseQuality(0.9, "good"), (), None),
        (CaseQuality(0.8, "look", ("less sure than most.",)), (), None),
        (CaseQuality(0.4, "poor", ("bad.",)), (), "poor_result"),
        (CaseQuality(0.9, "look", ("nine litres.",)), ("nine litres.",), "unlike_training"),
    ],
)
def test_poor_and_unlike_are_told_once(quality, unlike, code):
    warning = ExpectedQuality(quality, unlike).warning("a")
    assert (warning and warning.code) == code
    assert warning is None or (isinstance(warning, Warned) and quality.reasons[0] in warning.message)


def a_result(voxels: int, of_errors: Quality | None = None, confidence: float = 0.96) -> SimpleNamespace:
    """A result of so many voxels of label 3, and what an error model would say."""
    segmentation = np.zeros((10, 20, 30), np.uint8)
    segmentation.ravel()[:voxels] = 3
    doubt = SimpleNamespace(quality=lambda unlike=None: of_errors and replace(of_errors, unlike=tuple(unlike or ())))
    measurement = SimpleNamespace(traits=lambda volumes: CaseTraits((0.1,), tuple(volumes), confidence))
    return SimpleNamespace(
        prediction=SimpleNamespace(segmentation=segmentation),
        doubt=doubt if of_errors else None,
        measurement=measurement,
    )


GRID, LABELS = grid_of((30, 20, 10), (2.0, 2.5, 4.0)), (Label(3, "organ"),)


def test_volumes_are_those_of_the_result():
    assert expected_quality(a_result(2750), GRID, LABELS, REFERENCE).quality.verdict == "good"
    (sentence,) = expected_quality(a_result(0), GRID, LABELS, REFERENCE).unlike
    assert sentence == "'organ' has 0 mL; in 5 training cases it had 40 to 70 mL."


def test_the_error_model_estimates_and_the_reference_says_what_is_unlike():
    of_errors = Quality((0.8,), 0.8, "look", ("expected.",))
    expected = expected_quality(a_result(0, of_errors), GRID, LABELS, REFERENCE)
    assert expected.quality == CaseQuality(0.8, "poor", ("expected.",), 0.96)
    plausible = expected_quality(a_result(2750, of_errors), GRID, LABELS, REFERENCE)
    assert plausible == ExpectedQuality(CaseQuality(0.8, "look", ("expected.",), 0.96))
    assert expected.unlike[0].startswith("'organ' has 0 mL")


def test_what_nobody_asks_for_is_not_measured():
    assert case_doubt(a_result(2750), GRID, LABELS, None, REFERENCE)[0].quality.verdict == "good"
    assert case_doubt(a_result(2750), GRID, LABELS, None, REFERENCE, with_quality=False) == (CaseDoubt(), None)
    unmeasured = SimpleNamespace(**{**vars(a_result(2750)), "measurement": None})
    assert expected_quality(unmeasured, GRID, LABELS, REFERENCE) is None


def test_a_model_of_an_earlier_version_says_what_it_said():
    assert expected_quality(a_result(0), GRID, LABELS, None) is None
    of_errors = Quality((0.8,), 0.8, "good")
    assert expected_quality(a_result(0, of_errors), GRID, LABELS, None).quality == CaseQuality(0.8, "good")
