"""Tones of a structure's bounds that stay legible on every grey, whatever colours a person can tell apart.

The rule: the conservative contour is dark, the radical one light, with a contrast of 9 : 1 between them. So on any grey
one of the two has at least 3 : 1, which WCAG 2.2 requires of graphics (success criterion 1.4.11), by lightness alone.
Both have the hue of their structure.
"""

from __future__ import annotations

import colorsys

Color = tuple[float, float, float]
# (0.70 + 0.05) / (0.033 + 0.05) is 9.04.
DARK_LUMINANCE, LIGHT_LUMINANCE = 0.033, 0.70
# Below, a colour has no hue to keep.
_LEAST_SATURATION = 0.05
_HALVINGS = 24


def conservative_color(color: Color) -> Color:
    """The dark tone of a structure's colour, parts in [0, 1]; inside, where blood and contrast agent are bright."""
    return with_luminance(color, DARK_LUMINANCE)


def radical_color(color: Color) -> Color:
    """The light tone of a structure's colour, parts in [0, 1]."""
    return with_luminance(color, LIGHT_LUMINANCE)


def relative_luminance(color: Color) -> float:
    """Relative luminance of an sRGB colour as WCAG 2.2 defines it, from 0 (black) to 1 (white)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: Color, second: Color) -> float:
    """Contrast ratio of two sRGB colours as WCAG 2.2 defines it, from 1 to 21."""
    darker, lighter = sorted((relative_luminance(first), relative_luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def with_luminance(color: Color, luminance: float) -> Color:
    """The colour of the same hue, as vivid as it can be, that has a relative luminance.

    Args:
        color: sRGB, each part in [0, 1]; a grey stays one.
        luminance: in [0, 1].
    """
    hue, _lightness, saturation = colorsys.rgb_to_hls(*color)
    saturation = 1.0 if saturation > _LEAST_SATURATION else 0.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if relative_luminance(colorsys.hls_to_rgb(hue, middle, saturation)) < luminance:
            low = middle
        else:
            high = middle
    return colorsys.hls_to_rgb(hue, high, saturation)
