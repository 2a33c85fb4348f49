"""The rows of the overlays' table: how each overlay of a result is drawn now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..core.results import LoadedPrediction
from ..core.translation import _
from .appearance import CONSERVATIVE, RADICAL, RESULT, SEGMENT_OVERLAYS, UNCERTAIN, Appearance, Color

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
        kind: one of appearance.SEGMENT_OVERLAYS.
    """
    text, tool_tip = _texts()[kind]
    if loaded is None:
        return OverlayRow(kind, text, tool_tip, reason_no_result(), False, False, 0.0)
    appearance = Appearance(loaded, kind)
    return OverlayRow(
        kind,
        text,
        tool_tip,
        "" if appearance.segment_ids else _reason_gone(),
        appearance.is_visible_2d,
        appearance.is_visible_3d,
        appearance.opacity,
        tuple(_colors(loaded, appearance, text)),
    )


def map_row(loaded: Optional[LoadedPrediction], shown_opacity: Optional[float], hidden_opacity: float) -> OverlayRow:
    """The row of the uncertainty map.

    Args:
        loaded: the result; None if there is none.
        shown_opacity: where the map is drawn; None if it is not.
        hidden_opacity: that it will have when it is drawn.
    """
    text, tool_tip = _texts()[UNCERTAINTY]
    reason = reason_no_map(loaded)
    opacity = hidden_opacity if shown_opacity is None else shown_opacity
    return OverlayRow(UNCERTAINTY, text, tool_tip, reason, shown_opacity is not None, None, 0.0 if reason else opacity)


def reason_no_result() -> str:
    """Why nothing can be done without a result."""
    return _("Segment a volume first.")


def reason_no_map(loaded: Optional[LoadedPrediction]) -> str:
    """Why the uncertainty map cannot be shown; "" if it can."""
    if loaded is None:
        return reason_no_result()
    node = loaded.uncertainty
    # While a result is being loaded, its map has no voxels yet.
    is_there = node is not None and node.GetDisplayNode() is not None and node.GetImageData() is not None
    return "" if is_there else _reason_gone()


def _colors(loaded: LoadedPrediction, appearance: Appearance, text: str) -> list[OverlayColor]:
    names = {appearance.id_of(label): label.name for label in loaded.labels}
    return [OverlayColor(key, names.get(key, text), color) for key, color in appearance.colors.items()]


def _reason_gone() -> str:
    return _("This is not in the scene any more; load the result again.")


def _texts() -> dict[str, tuple[str, str]]:
    return {
        RESULT: (_("Result"), _("What the model found.")),
        CONSERVATIVE: (_("Conservative"), _("What surely belongs to the structure: the lower end of the bracket.")),
        RADICAL: (_("Radical"), _("What may belong to the structure: the upper end of the bracket.")),
        UNCERTAIN: (_("Uncertain"), _("Where the model doubts itself; how wide, the caution below says.")),
        UNCERTAINTY: (_("Uncertainty"), _("How much the model doubts each voxel, from 0 to 1.")),
    }
