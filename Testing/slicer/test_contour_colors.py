"""Contours are legible on every grey, and structures can be told apart, with and without red and green cones."""

from __future__ import annotations

import colorsys
import itertools

import numpy as np
import pytest

from coranet.contract import Label
from CoraNetSlicerLib.core.results import STRUCTURE_COLORS, UNCERTAIN_COLOR, label_color
from CoraNetSlicerLib.review.overlays import (
    conservative_color,
    radical_color,
    relative_luminance,
    with_luminance,
)
from CoraNetSlicerLib.review.region_view import OUTLINE_COLOR


def contrast(first, second) -> float:
    """Contrast ratio of two sRGB colours as WCAG 2.2 defines it, from 1 to 21."""
    darker, lighter = sorted((relative_luminance(first), relative_luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


GREYS = [(level / 255,) * 3 for level in range(256)]
# Machado, Oliveira and Fernandes (2009), severity 1.0; of linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
# CIE XYZ of linear sRGB, and the white of D65.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
# Of the CIELAB difference, in which 2.3 is just noticed.
FROM_GREY, APART, FROM_LINE = 20.0, 25.0, 15.0


def seen(color, eyes: str) -> np.ndarray:
    """CIELAB of what somebody sees of an sRGB colour."""
    parts = np.asarray(color, float)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ EYES[eyes].T, 0.0, 1.0) @ XYZ.T / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def distance(first, second, eyes: str) -> float:
    return float(np.linalg.norm(seen(first, eyes) - seen(second, eyes), axis=-1).min())


def over(color, grey, opacity: float):
    return tuple(opacity * part + (1 - opacity) * below for part, below in zip(color, grey, strict=True))


@pytest.mark.parametrize(
    "own, is_kept",
    [
        ((0.95, 0.84, 0.57), False),  # Slicer's second segment
        ((1.0, 0.85, 0.1), False),
        ((0.5, 0.68, 0.5), True),
        ((0.85, 0.4, 0.3), True),
        ((0.62, 0.6, 0.58), True),
        (None, False),
    ],
)
def test_a_structure_keeps_its_color_unless_it_is_the_yellow_of_the_uncertain_region(own, is_kept):
    assert label_color(Label(2, "Liver", own)) == (own if is_kept else STRUCTURE_COLORS[1])


def test_luminance_and_contrast_are_those_of_wcag():
    assert contrast((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) == pytest.approx(21.0)
    assert relative_luminance((1.0, 0.0, 0.0)) == pytest.approx(0.2126)
    assert contrast((0.4666, 0.4666, 0.4666), (1.0, 1.0, 1.0)) == pytest.approx(4.48, abs=0.01), "#777777 on white"


@pytest.mark.parametrize("color", [*STRUCTURE_COLORS, (0.5, 0.68, 0.5), (0.95, 0.84, 0.57), (0.5,) * 3, (0.0,) * 3])
def test_one_of_the_two_bounds_stands_out_from_any_grey_by_lightness_alone(color):
    for grey in GREYS[::15]:
        assert max(contrast(conservative_color(color), grey), contrast(radical_color(color), grey)) >= 3.0, grey


@pytest.mark.parametrize("color", STRUCTURE_COLORS)
def test_tones_keep_the_hue(color):
    hue = colorsys.rgb_to_hls(*color)[0]
    for tone in (conservative_color(color), radical_color(color)):
        assert all(0.0 <= part <= 1.0 for part in tone)
        assert colorsys.rgb_to_hls(*tone)[0] == pytest.approx(hue, abs=1e-6)


@pytest.mark.parametrize("luminance", [0.0, 0.033, 0.5, 1.0])
@pytest.mark.parametrize("color", [(0.2, 0.4, 0.9), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)])
def test_a_color_gets_the_luminance_that_is_asked_for(color, luminance):
    assert relative_luminance(with_luminance(color, luminance)) == pytest.approx(luminance, abs=1e-4)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("color", STRUCTURE_COLORS)
def test_a_structure_without_a_color_gets_one_that_stands_out_from_every_grey(color, eyes):
    assert distance(color, GREYS, eyes) >= FROM_GREY


@pytest.mark.parametrize("eyes", EYES)
def test_structures_uncertain_region_and_marked_place_can_be_told_apart(eyes):
    for first, second in itertools.combinations((*STRUCTURE_COLORS, UNCERTAIN_COLOR), 2):
        assert distance(first, second, eyes) >= APART, (first, second)
    for color in (*STRUCTURE_COLORS, UNCERTAIN_COLOR):
        assert distance(color, OUTLINE_COLOR, eyes) >= FROM_LINE, color


@pytest.mark.parametrize("eyes", EYES)
def test_a_quarter_of_yellow_is_seen_on_bright_mr_and_on_dark_ct(eyes):
    for grey in GREYS[::51]:
        assert distance(over(UNCERTAIN_COLOR, grey, 0.25), grey, eyes) >= 10.0, grey
