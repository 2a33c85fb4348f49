"""Looks: what is drawn of a result in slices and in 3D, and which look is on."""

from __future__ import annotations

import colorsys

import pytest
from synthetic_predictions import CASE_ID, PANCREAS, TUMOR, write_segmented_job

from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT
from CoraNetSlicerLib.review.overlays import (
    CONSERVATIVE,
    FAINT,
    LOOKS,
    RADICAL,
    RESULT,
    UNCERTAIN,
    Appearance,
    apply_look,
    set_faint,
    shown_look,
)
from CoraNetSlicerLib.review.result_loading import load_prediction

OF_CONSERVATIVE = [f"conservative-{value}" for value in (PANCREAS, TUMOR)]
OF_RADICAL = [f"radical-{value}" for value in (PANCREAS, TUMOR)]
OF_RESULT = [f"segmentation-{value}" for value in (PANCREAS, TUMOR)]


@pytest.fixture
def shown(context, tmp_path):
    job = write_segmented_job(tmp_path / "job")
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    return load_prediction(context, job.prediction(CASE_ID), volume)


@pytest.mark.parametrize("identifier", OF_RESULT)
def test_the_result_has_a_contour_of_three_pixels_and_hardly_any_fill(shown, identifier):
    display = shown.segmentation.GetDisplayNode()
    assert display.GetSegmentVisibility2DOutline(identifier) and display.GetSegmentOpacity2DOutline(identifier) == 1.0
    assert display.GetSliceIntersectionThickness() == 3
    assert display.GetSegmentVisibility2DFill(identifier)
    assert display.GetOpacity2DFill() * display.GetSegmentOpacity2DFill(identifier) <= 0.12


@pytest.mark.parametrize("identifier", OF_CONSERVATIVE + OF_RADICAL)
def test_bounds_are_contours_of_one_pixel(shown, identifier):
    display = shown.overlays.GetDisplayNode()
    assert not display.GetSegmentVisibility2DFill(identifier)
    assert display.GetSegmentVisibility2DOutline(identifier) and display.GetSegmentOpacity2DOutline(identifier) == 1.0
    assert display.GetSliceIntersectionThickness() == 1


def test_the_uncertain_region_is_a_fill_of_a_quarter_in_yellow(shown):
    display = shown.overlays.GetDisplayNode()
    assert display.GetSegmentVisibility2DFill(UNCERTAIN_SEGMENT)
    assert not display.GetSegmentVisibility2DOutline(UNCERTAIN_SEGMENT)
    assert display.GetSegmentOpacity2DFill(UNCERTAIN_SEGMENT) == 0.25
    hue, _, saturation = colorsys.rgb_to_hls(*shown.overlays.GetSegmentation().GetSegment(UNCERTAIN_SEGMENT).GetColor())
    assert 45 <= hue * 360 <= 60 and saturation > 0.9


def test_in_3d_there_is_the_result_alone_and_opaque(shown):
    result, overlays = shown.segmentation.GetDisplayNode(), shown.overlays.GetDisplayNode()
    assert all(
        result.GetSegmentVisibility3D(identifier) and result.GetSegmentOpacity3D(identifier) == 1.0
        for identifier in OF_RESULT
    )
    others = (*OF_CONSERVATIVE, *OF_RADICAL, UNCERTAIN_SEGMENT)
    assert not any(overlays.GetSegmentVisibility3D(other) for other in others)


@pytest.mark.parametrize("name", LOOKS)
def test_each_look_says_that_it_is_on(shown, name):
    for before in LOOKS.values():
        apply_look(shown, before)
        apply_look(shown, LOOKS[name])
        assert shown_look(shown, has_map=LOOKS[name].has_map) == name


@pytest.mark.parametrize("kind", [RESULT, CONSERVATIVE, RADICAL, UNCERTAIN])
def test_a_look_that_was_changed_by_hand_is_none(shown, kind):
    Appearance(shown, kind).set_visible_2d(False)
    assert shown_look(shown, has_map=False) == ""
    Appearance(shown, kind).set_visible_2d(True)
    assert shown_look(shown, has_map=False) == "contours"
    assert shown_look(shown, has_map=True) == ""


def test_another_opacity_of_a_fill_is_another_look(shown):
    Appearance(shown, RESULT).set_opacity(0.3)
    assert shown_look(shown, has_map=False) == ""


def test_while_a_place_is_marked_the_rest_is_faint_and_the_look_is_the_same(shown):
    set_faint(shown, True)
    assert Appearance(shown, UNCERTAIN).fill == pytest.approx(FAINT)
    assert shown_look(shown, has_map=False) == "contours"
    set_faint(shown, False)
    assert Appearance(shown, UNCERTAIN).fill == pytest.approx(0.25)


@pytest.mark.parametrize("is_faint", [True, False])
def test_an_opacity_that_a_person_has_set_stays(shown, is_faint):
    Appearance(shown, UNCERTAIN).set_opacity(0.6)
    set_faint(shown, is_faint)
    assert Appearance(shown, UNCERTAIN).fill == pytest.approx(0.6)


def test_a_result_without_its_overlays_has_a_look_too(shown, context):
    context.scene.RemoveNode(shown.overlays)
    apply_look(shown, LOOKS["filled"])
    assert shown_look(shown, has_map=False) == "filled"
