from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from error_cases import error_case

from coranet.error_model.evidence import Evidence
from coranet.error_model.quality import (
    TRAITS,
    CaseFigures,
    ClassVoxels,
    QualityModel,
    traits_of,
)

TRUE_ML = (40.0, 55.0, 60.0, 72.0, 80.0, 90.0, 105.0, 110.0)


def figures(ml: float, expected_dice: float = 0.9, **more: object) -> CaseFigures:
    """One class; a tenth of it is in doubt."""
    return CaseFigures((expected_dice,), (ml,), (0.1 * ml,), (1.0,) * len(TRAITS), **more)


def a_quality_model(count: int = 8) -> QualityModel:
    """Cases from 0.80 to 0.94, of which the error model expects 0.05 less, and volumes that are 5 % too large."""
    return QualityModel(
        ("left atrium",),
        tuple(
            figures(1.05 * ml, 0.75 + 0.02 * number, dice=(0.80 + 0.02 * number,), true_ml=(ml,))
            for number, ml in enumerate(TRUE_ML[:count])
        ),
    )


def test_expected_voxels_by_hand():
    segmentation = np.array([0, 0, 1, 1, 2, 2]).reshape(1, 1, 6)
    second = torch.tensor([1, 1, 0, 2, 1, 0]).reshape(1, 1, 6)
    wrong = np.array([0.5, 0.0, 0.25, 0.25, 0.5, 0.0]).reshape(1, 1, 6)
    evidence = Evidence(torch.zeros(9, 1, 1, 6), torch.from_numpy(segmentation), second)
    voxels = ClassVoxels.of(wrong, segmentation, evidence, 3)
    assert voxels.named.tolist() == [2, 2, 2]
    assert voxels.too_many.tolist() == [0.5, 0.5, 0.5]
    assert voxels.missed.tolist() == [0.25, 1.0, 0.25]
    assert voxels.expected.tolist() == [2.5, 1.75]
    assert voxels.dice.tolist() == pytest.approx([2 * 1.5 / 4.5, 2 * 1.5 / 3.75])


def test_a_voxel_that_was_removed_is_wrongly_of_the_class_that_the_network_names():
    evidence = Evidence(torch.zeros(9, 1, 1, 1), torch.ones(1, 1, 1).int(), torch.zeros(1, 1, 1).int())
    voxels = ClassVoxels.of(np.full((1, 1, 1), 0.5), np.zeros((1, 1, 1), dtype=np.int64), evidence, 2)
    assert voxels.missed.tolist() == [0, 0.5]


def test_where_nothing_is_wrong_the_dice_is_one():
    case = error_case(0)
    assert ClassVoxels.of(np.zeros(case.truth.shape), case.segmentation, case.evidence, 3).dice.tolist() == [1, 1]


def test_an_absent_class_that_nobody_expects_has_a_dice_of_one():
    assert ClassVoxels(np.array([5.0, 0.0]), np.zeros(2), np.zeros(2)).dice.tolist() == [1]


def test_the_estimate_is_calibrated_by_the_known_cases():
    model = a_quality_model()
    assert model.estimate(figures(70, 0.81)).mean_dice == pytest.approx(0.86)
    few = replace(model, cases=model.cases[:3])
    assert few.estimate(figures(60, 0.60)).mean_dice == pytest.approx(0.65)
    assert replace(model, cases=()).estimate(figures(60, 0.60)).mean_dice == 0.60


def test_the_estimate_rises_with_what_is_expected():
    model = a_quality_model()
    upside_down = tuple(replace(case, dice=(1.6 - case.dice[0],)) for case in model.cases)
    for tried in (model, replace(model, cases=upside_down)):
        estimates = [tried.estimate(figures(70, value)).mean_dice for value in (0.5, 0.7, 0.9)]
        assert estimates == sorted(estimates)


@pytest.mark.parametrize(("expected", "verdict"), [(0.85, "good"), (0.76, "look"), (0.4, "poor")])
def test_verdicts(expected, verdict):
    quality = a_quality_model().estimate(figures(70, expected))
    assert quality.verdict == verdict
    assert bool(quality.reasons) == (verdict != "good")
    assert not quality.unlike


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("ml", [8986.0, 0.0])
def test_a_volume_that_no_training_case_has_is_said(count, ml):
    quality = a_quality_model(count).estimate(figures(ml, 0.9))
    assert quality.verdict != "good"
    assert quality.unlike == (f"'left atrium' has {ml:.3g} mL; the training cases had 40 to {TRUE_ML[count - 1]:.3g}.",)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_volume_like_those_of_the_training_is_plausible(count):
    for ml in (35.0, 55.0, 100.0):
        assert not a_quality_model(count).estimate(figures(ml, 0.9)).unlike


def test_another_contrast_is_said():
    other = replace(figures(70), traits=(4.0, *(1.0,) * (len(TRAITS) - 1)))
    assert a_quality_model().estimate(other).unlike == (f"{TRAITS[0]} is not as in the training cases.",)


def test_traits_are_those_of_the_image():
    case = error_case(0)
    brighter = Evidence(case.evidence.channels.clone(), case.evidence.classes, case.evidence.runner_up)
    brighter.channels[-1] += 2
    before, after = traits_of(case.evidence, case.segmentation), traits_of(brighter, case.segmentation)
    np.testing.assert_allclose(np.subtract(after, before), [2, 0, 2, 0, 0], atol=0.02)


def test_where_nothing_is_found_there_are_no_traits():
    case = error_case(0)
    assert traits_of(case.evidence, np.zeros_like(case.segmentation)) == ()


def test_bounds_hold_the_true_volumes_of_the_known_cases():
    model = a_quality_model()
    (bounds,) = model.bounds(figures(63.0), 0.8)
    # Each known volume is 0.05 / 1.05 too large: in units of what is in doubt, 0.476.
    assert bounds.promised
    assert bounds.upper_ml - bounds.ml == pytest.approx(6.3 * 0.05 / 1.05 / 0.1)
    assert bounds.ml - bounds.lower_ml == pytest.approx(bounds.upper_ml - bounds.ml)


@pytest.mark.parametrize(("cases", "share", "promised"), [(4, 0.8, True), (3, 0.8, False), (8, 0.9, False)])
def test_bounds_are_promised_from_as_many_cases_as_a_threshold(cases, share, promised):
    assert a_quality_model(cases).bounds(figures(63.0), share)[0].promised is promised


def test_a_case_that_is_known_in_part_calibrates_nothing():
    model = a_quality_model()
    partial = replace(model, cases=(*model.cases, figures(500.0, 0.1)))
    assert partial.estimate(figures(70, 0.81)) == model.estimate(figures(70, 0.81))
    assert partial.bounds(figures(63.0), 0.8) == model.bounds(figures(63.0), 0.8)
