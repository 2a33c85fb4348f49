"""What is asked of a model is what it can do, or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from coranet.contract import ErrorModelCard, Label, ModelCard
from coranet.contract.config import InferenceConfig, SegmentConfig
from coranet.contract.doubt import Promise
from coranet.contract.errors import ConfigError, ModelError
from coranet.inference.doubt import Dial, KeptComponents
from coranet.model_settings import dial_of, error_model_in_use, kept_components, views_of

PACKAGE = SimpleNamespace(
    folder="m",
    card={"caution": 0.7},
    labels=(Label(2, "a"), Label(5, "b")),
    architecture=SimpleNamespace(slice_axis=0),
    preprocessing=SimpleNamespace(spacing_mm=(1.0, 2.0, 3.0)),
)
KNOWS_80 = ErrorModelCard(1.0, 9, (Promise(0.8, 9, 0.5), Promise(0.9, 9)))


def a_card(**known) -> ModelCard:
    return ModelCard(Path("m"), PACKAGE.labels, (1.0, 1.0, 1.0), **known)


def config_of(**settings) -> SegmentConfig:
    return SegmentConfig("m", inference=InferenceConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "card", "expected"),
    [
        ({}, None, Dial(0.7)),
        ({"caution": -1.0}, None, Dial(-1.0)),
        ({"caution": -1.0}, KNOWS_80, Dial(-1.0)),
        ({}, KNOWS_80, Dial(None, 0.5)),
        ({}, ErrorModelCard(1.0, 9, ()), Dial()),
    ],
)
def test_the_dial_is_as_asked_else_by_the_error_model_else_as_the_heads_were_trained(settings, card, expected):
    assert dial_of(config_of(**settings), PACKAGE, card) == expected


@pytest.mark.parametrize(
    ("settings", "card", "error", "message"),
    [
        ({"error_coverage": 0.9}, None, ModelError, "no error model in use that knows where 90 % of the errors are"),
        ({"error_coverage": 0.9}, KNOWS_80, ModelError, "leave inference.error_coverage out"),
        ({"error_coverage": 0.9, "caution": 1.0}, KNOWS_80, ConfigError, "leave one of them out"),
    ],
)
def test_a_share_of_the_errors_that_nobody_knows_is_refused(settings, card, error, message):
    with pytest.raises(error, match=message):
        dial_of(config_of(**settings), PACKAGE, card)


def test_only_axes_that_were_mirrored_in_training_are_and_none_across_single_slices():
    card = a_card(mirrored_axes=("L", "S"))
    assert views_of(config_of(), PACKAGE, card).mirrored_axes == ()
    assert views_of(config_of(mirroring="on"), PACKAGE, card).mirrored_axes == (2,)
    with pytest.raises(ModelError, match="trained without mirrored patches"):
        views_of(config_of(mirroring="on"), PACKAGE, a_card())


@pytest.mark.parametrize(
    ("setting", "slice_axis", "learned", "axis", "degrees"),
    [
        ("auto", 0, {"S": 90.0}, 0, 30.0),
        ("auto", 0, {"S": 12.0}, 0, 12.0),
        ("auto", 2, {"L": 90.0}, 2, 30.0),
        ("auto", 0, {}, 0, 0.0),
        ("auto", None, {"S": 20.0, "L": 20.0}, 0, 20.0),
        ("on", None, {"S": 20.0, "L": 20.0}, 0, 20.0),
        ("off", 0, {"S": 90.0}, 0, 0.0),
    ],
)
def test_scans_are_rotated_as_the_training_rotated_them_and_by_default_within_slices(
    setting, slice_axis, learned, axis, degrees
):
    package = SimpleNamespace(**{**vars(PACKAGE), "architecture": SimpleNamespace(slice_axis=slice_axis)})
    card = a_card(rotation_degrees=learned)
    views = views_of(config_of(rotated_views=setting), package, card)
    assert (views.rotation_axis, views.degrees, views.spacing_dhw) == (axis, degrees, (3.0, 2.0, 1.0))
    assert views.most_voxels == (4_000_000 if (setting, slice_axis) == ("auto", None) else None)
    compared = replace(config_of(), compare_uncertainties=True)
    assert views_of(compared, package, card).degrees == 0


def test_a_model_that_knows_no_rotated_scans_is_not_asked_about_them():
    with pytest.raises(ModelError, match="trained without rotated patches"):
        views_of(config_of(rotated_views="on"), PACKAGE, a_card())


def test_components_are_those_of_the_training_unless_somebody_says_so():
    card = a_card(single_component=("b",), hangs_together=True)
    assert kept_components(config_of(), PACKAGE, card) == KeptComponents((2, 5), (5,), True)
    assert kept_components(config_of(largest_component="on"), PACKAGE, card) == KeptComponents((2, 5), (2, 5))
    assert kept_components(config_of(largest_component="off"), PACKAGE, card) == KeptComponents((2, 5))


def test_the_heads_alone_need_no_error_model(tmp_path):
    nowhere = SimpleNamespace(folder=tmp_path)
    assert error_model_in_use(config_of(doubt="heads"), nowhere) is None
    assert error_model_in_use(SegmentConfig("m", compare_uncertainties=True), nowhere) is None
