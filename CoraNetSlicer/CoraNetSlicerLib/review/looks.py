"""Looks of a result: which overlays are drawn where, by name; which of them is on is read from the display nodes.

Tones of a structure's bounds stay legible on every grey, whatever colours a person can tell apart: the conservative
contour is dark, the radical one light, with a contrast of 9 : 1 between them. So on any grey one of the two has at
least 3 : 1, which WCAG 2.2 requires of graphics (success criterion 1.4.11), by lightness alone. Both have the hue of
their structure.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from coranet.contract import Label

from ..core.results import LoadedPrediction, label_color
from .overlays import (
    CONSERVATIVE,
    RADICAL,
    RESULT,
    SEGMENT_OVERLAYS,
    STYLES,
    UNCERTAIN,
    Appearance,
    Color,
    one_modification,
    prepare_display,
    set_surface_colored,
)

CONTOURS, FILLED, UNCERTAINTY_LOOK, ANATOMY = "contours", "filled", "uncertainty", "anatomy"
# Of the uncertain region while one place in it is marked.
FAINT = 0.1
# Slicer keeps opacities as they are set; what is read back differs by rounding alone.
_SAME = 0.005
# (0.70 + 0.05) / (0.033 + 0.05) is 9.04.
DARK_LUMINANCE, LIGHT_LUMINANCE = 0.033, 0.70
# Below, a colour has no hue to keep.
_LEAST_SATURATION = 0.05
_HALVINGS = 24


@dataclass(frozen=True)
class Look:
    """What is drawn of a result.

    Attributes:
        fills: by kind of SEGMENT_OVERLAYS, the opacity of the fill in slices; no fill where there is none.
        contours: kinds that have a contour in slices.
        in_3d: kinds that are drawn in 3D.
        has_map: whether the uncertainty map lies over the volume.
        colors_surface: whether the result's surface shows the uncertainty.
    """

    fills: Mapping[str, float] = field(default_factory=dict)
    contours: tuple[str, ...] = ()
    in_3d: tuple[str, ...] = ()
    has_map: bool = False
    colors_surface: bool = False


LOOKS = {
    CONTOURS: Look(
        {kind: style.fill for kind, style in STYLES.items() if style.fill},
        tuple(kind for kind, style in STYLES.items() if style.has_contour),
        (RESULT,),
        colors_surface=True,
    ),
    FILLED: Look({RESULT: 0.5}, (), (RESULT,)),
    UNCERTAINTY_LOOK: Look({}, (RESULT,), (RESULT,), has_map=True, colors_surface=True),
    ANATOMY: Look(),
}


def apply_first_look(loaded: LoadedPrediction) -> None:
    """Give a result that was just loaded its colours and its first look; surfaces that are not there are not made."""
    for label in loaded.labels:
        set_class_color(loaded, label, label_color(label))
    apply_look(loaded, LOOKS[CONTOURS])


def apply_look(loaded: LoadedPrediction, look: Look) -> None:
    """Draw the segments of a look that are there, and no others; the uncertainty map is drawn by its own class."""
    nodes = [node for node in (loaded.segmentation, loaded.overlays) if node is not None and node.GetDisplayNode()]
    with ExitStack() as stack:
        for node in nodes:
            # Views that draw at once would draw what is half done.
            stack.enter_context(one_modification(node.GetDisplayNode()))
            prepare_display(node, is_result=node is loaded.segmentation)
        set_surface_colored(loaded.segmentation, look.colors_surface)
        for kind in SEGMENT_OVERLAYS:
            appearance = Appearance(loaded, kind)
            if appearance.segment_ids:
                appearance.draw(look.fills.get(kind, 0.0), kind in look.contours, kind in look.in_3d)


def shown_look(loaded: LoadedPrediction, has_map: bool) -> str:
    """The name of the look that slices have, with the uncertainty map or without; "" if it was changed by hand."""
    return next((name for name, look in LOOKS.items() if look.has_map == has_map and _is_shown(loaded, look)), "")


def _is_shown(loaded: LoadedPrediction, look: Look) -> bool:
    appearances = (Appearance(loaded, kind) for kind in SEGMENT_OVERLAYS)
    return all(
        appearance.has_contour == (appearance.kind in look.contours)
        and _is_fill(appearance, look.fills.get(appearance.kind, 0.0))
        for appearance in appearances
        if appearance.segment_ids
    )


def _is_fill(appearance: Appearance, opacity: float) -> bool:
    opacities = [opacity, FAINT] if appearance.kind == UNCERTAIN and opacity else [opacity]
    return any(abs(appearance.fill - expected) < _SAME for expected in opacities)


def is_in_3d(loaded: LoadedPrediction) -> bool:
    """Whether anything of a result is to be drawn in 3D."""
    return any(Appearance(loaded, kind).ids_in_3d for kind in SEGMENT_OVERLAYS)


def set_faint(loaded: LoadedPrediction, is_faint: bool) -> None:
    """Draw the uncertain region faintly, because one place of it is marked, or as the look has it.

    What a person has set stays as it is.
    """
    appearance = Appearance(loaded, UNCERTAIN)
    before, after = appearance.style.fill, FAINT
    if not is_faint:
        before, after = after, before
    if appearance.segment_ids and abs(appearance.fill - before) < _SAME:
        appearance.set_opacity(after)


def set_class_color(loaded: LoadedPrediction, label: Label, color: Color) -> None:
    """Give a class its colour: the result as it is, the conservative bound darker, the radical one lighter."""
    tones = {RESULT: color, CONSERVATIVE: conservative_color(color), RADICAL: radical_color(color)}
    for kind, tone in tones.items():
        appearance = Appearance(loaded, kind)
        if appearance.id_of(label) in appearance.segment_ids:
            appearance.set_color(appearance.id_of(label), tone)


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


def with_luminance(color: Color, luminance: float) -> Color:
    """The colour of the same hue, as vivid as it can be, that has a relative luminance in [0, 1]; a grey stays one."""
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
