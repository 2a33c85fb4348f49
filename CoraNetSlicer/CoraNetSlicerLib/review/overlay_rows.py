"""Each overlay as it is drawn now, for a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..core.results import LoadedPrediction
from ..core.translation import _
from .contour_colors import Color
from .overlays import (
    CONSERVATIVE,
    RADICAL,
    RESULT,
    SEGMENT_OVERLAYS,
    UNCERTAIN,
    Appearance,
    reason_gone,
    reason_no_result,
)
from .uncertainty_map import UncertaintyMap

UNCERTAINTY = "uncertainty"
KINDS = (*SEGMENT_OVERLAYS, UNCERTAINTY)


@dataclass(frozen=True)
class OverlayColor:
    """A colour that can be chosen.

    Attributes:
        key: of the segment.
        name: of the class, or of the region.
        color: red, green, blue in [0, 1].
    """

    key: str
    name: str
    color: Color


@dataclass(frozen=True)
class OverlayRow:
    """One overlay as it is drawn now.

    Attributes:
        kind: one of KINDS.
        text: what a person calls it.
        tool_tip: what it is.
        reason: why nothing of it can be changed; "" if it can.
        visible_2d: drawn in slices.
        visible_3d: drawn in 3D; None where it cannot be.
        opacity: in slices, in [0, 1].
        colors: of its segments; none for the uncertainty map.
    """

    kind: str
    text: str
    tool_tip: str
    reason: str
    visible_2d: bool
    visible_3d: Optional[bool]
    opacity: float
    colors: tuple[OverlayColor, ...] = ()


def segment_row(loaded: Optional[LoadedPrediction], kind: str) -> OverlayRow:
    """The row of an overlay that is made of segments.

    Args:
        loaded: the result; None if there is none.
        kind: one of overlays.SEGMENT_OVERLAYS.
    """
    text, tool_tip = _texts()[kind]
    if loaded is None:
        return OverlayRow(kind, text, tool_tip, reason_no_result(), False, False, 0.0)
    appearance = Appearance(loaded, kind)
    return OverlayRow(
        kind,
        text,
        tool_tip,
        "" if appearance.segment_ids else reason_gone(),
        appearance.is_visible_2d,
        appearance.is_visible_3d,
        appearance.opacity,
        tuple(_colors(loaded, appearance, text)),
    )


def map_row(shown: UncertaintyMap) -> OverlayRow:
    """The row of the uncertainty map."""
    text, tool_tip = _texts()[UNCERTAINTY]
    return OverlayRow(UNCERTAINTY, text, tool_tip, shown.reason, shown.is_visible, None, shown.opacity)


def _colors(loaded: LoadedPrediction, appearance: Appearance, text: str) -> list[OverlayColor]:
    names = {appearance.id_of(label): label.name for label in loaded.labels}
    return [OverlayColor(key, names.get(key, text), color) for key, color in appearance.colors.items()]


def _texts() -> dict[str, tuple[str, str]]:
    return {
        RESULT: (_("Result"), _("What the model found.")),
        CONSERVATIVE: (
            _("Conservative"),
            _("Surely part of the structure: the lower bound of its volume."),
        ),
        RADICAL: (_("Radical"), _("Possibly part of the structure: the upper bound of its volume.")),
        UNCERTAIN: (_("Uncertain"), _("Where the model is uncertain. Caution makes this region wider or narrower.")),
        UNCERTAINTY: (_("Uncertainty"), _("How uncertain the model is of each voxel, from 0 to 1.")),
    }
