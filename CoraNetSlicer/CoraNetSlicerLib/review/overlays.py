"""How results look, read from the display nodes and written to them: one overlay, and looks of all of them by name.

In slices: a contour of the result, thinner ones of its bounds, and little fill, so that the anatomy stays in sight; in
3D: surfaces. The display nodes are the state: what is changed in the Segmentations module is seen here too.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from coranet.closed_surface import OVERLAY_SMOOTHING, RESULT_SMOOTHING
from coranet.contract import Label

from ..core.results import UNCERTAIN_SEGMENT, LoadedPrediction, label_color, segment_id
from ..core.segment_classes import BINARY_LABELMAP, CLOSED_SURFACE
from ..core.translation import _
from .segment_surfaces import SurfacesOf, has_surface, is_surface_made, lost_surface, make_surface

Color = tuple[float, float, float]
RESULT = "result"
CONSERVATIVE = "conservative"
RADICAL = "radical"
UNCERTAIN = "uncertain"
SEGMENT_OVERLAYS = (RESULT, CONSERVATIVE, RADICAL, UNCERTAIN)
RESULT_CONTOUR_PIXELS, BOUNDS_CONTOUR_PIXELS = 3, 1
# On the segmentation of a result whose surface shows the uncertainty; saved with the scene.
_COLORED_ATTRIBUTE = "CoraNetSlicer.UncertaintyOnSurface"
CONTOURS, FILLED, UNCERTAINTY_LOOK, ANATOMY = "contours", "filled", "uncertainty", "anatomy"
# Of the uncertain region while one place in it is marked.
FAINT = 0.1
# Slicer keeps opacities as they are set; what is read back differs by rounding alone.
_SAME = 0.005
# Of the tones of a structure's bounds, which have its hue. Their contrast is 9 : 1, (0.70 + 0.05) / (0.033 + 0.05). So
# on any grey one of the two has at least 3 : 1, which WCAG 2.2 requires of graphics (success criterion 1.4.11), by
# lightness alone, whatever colours a person can tell apart.
DARK_LUMINANCE, LIGHT_LUMINANCE = 0.033, 0.70
# Below, a colour has no hue to keep.
_LEAST_SATURATION = 0.05
_HALVINGS = 24


@dataclass(frozen=True)
class Style:
    """How an overlay is drawn unless a person changes it.

    Attributes:
        node: the attribute of LoadedPrediction that holds its segments.
        fill: opacity of its fill in slices, in [0, 1]; 0: it has none.
        has_contour: whether it has a contour in slices.
        opacity_3d: in [0, 1].
        smoothing: of its surfaces, in [0, 1].
    """

    node: str
    fill: float
    has_contour: bool
    opacity_3d: float
    smoothing: float

    @property
    def opacity_2d(self) -> float:
        """Opacity in slices that a person can change: of the fill where there is one, else of the contour."""
        return self.fill or 1.0


STYLES = {
    RESULT: Style("segmentation", 0.12, True, 1.0, RESULT_SMOOTHING),
    CONSERVATIVE: Style("overlays", 0.0, True, 1.0, OVERLAY_SMOOTHING),
    RADICAL: Style("overlays", 0.0, True, 0.25, OVERLAY_SMOOTHING),
    UNCERTAIN: Style("overlays", 0.25, False, 0.45, OVERLAY_SMOOTHING),
}


class Appearance:
    """One overlay of one result; `node` is the vtkMRMLSegmentationNode that holds its segments, None if it is gone."""

    def __init__(self, loaded: LoadedPrediction, kind: str) -> None:
        """`kind`: one of SEGMENT_OVERLAYS."""
        self.kind = kind
        self.style = STYLES[kind]
        self.node = getattr(loaded, self.style.node)
        self._loaded = loaded

    @property
    def segment_ids(self) -> list[str]:
        """Ids of the segments that are there: one for each class, or one for the uncertain region."""
        if self.node is None or self._display is None:
            return []
        ids = [UNCERTAIN_SEGMENT] if self.kind == UNCERTAIN else [self.id_of(label) for label in self._loaded.labels]
        segmentation = self.node.GetSegmentation()
        return [identifier for identifier in ids if segmentation.GetSegment(identifier) is not None]

    @property
    def surfaces(self) -> SurfacesOf:
        """What it is made of in 3D."""
        return SurfacesOf(self.node, self.segment_ids, self.style.smoothing)

    def id_of(self, label: Label) -> str:
        """Id of the segment in which it shows a class."""
        return segment_id(label, "segmentation" if self.kind == RESULT else self.kind)

    @property
    def colors(self) -> dict[str, Color]:
        """Segment id -> colour."""
        ids = self.segment_ids
        return {identifier: self.node.GetSegmentation().GetSegment(identifier).GetColor() for identifier in ids}

    def set_color(self, identifier: str, color: Color) -> None:
        """Give a segment a colour, each part in [0, 1]."""
        self.node.GetSegmentation().GetSegment(identifier).SetColor(*color)

    @property
    def is_visible_2d(self) -> bool:
        """Whether something of it is drawn in slices."""
        display = self._display
        ids = self.segment_ids
        return bool(ids and display.GetVisibility() and display.GetVisibility2D()) and any(
            display.GetSegmentVisibility(identifier)
            and (display.GetSegmentVisibility2DFill(identifier) or display.GetSegmentVisibility2DOutline(identifier))
            for identifier in ids
        )

    @property
    def has_contour(self) -> bool:
        """Whether a contour of it is drawn in slices."""
        return self.is_visible_2d and any(map(self._display.GetSegmentVisibility2DOutline, self.segment_ids))

    @property
    def fill(self) -> float:
        """Opacity of its fill in slices, in [0, 1]; 0 where none is drawn."""
        is_drawn = self.is_visible_2d and any(map(self._display.GetSegmentVisibility2DFill, self.segment_ids))
        return self.opacity if is_drawn else 0.0

    def set_visible_2d(self, visible: bool) -> None:
        """Draw it in slices or not, whatever hid it; what else the node hides stays hidden."""
        with one_modification(self._display) as display:
            if visible:
                self._unveil(in_slices=True)
            for identifier in self.segment_ids:
                display.SetSegmentVisibility2DFill(identifier, visible and bool(self.style.fill))
                display.SetSegmentVisibility2DOutline(identifier, visible and self.style.has_contour)

    @property
    def is_visible_3d(self) -> bool:
        """Whether something of it is to be drawn in 3D and has a surface."""
        ids = self.ids_in_3d
        return bool(ids and self._display.GetVisibility()) and any(
            has_surface(self.node, identifier) for identifier in ids
        )

    @property
    def ids_in_3d(self) -> list[str]:
        """Ids of the segments to be drawn in 3D, also while they have no surface, or all is hidden for a moment."""
        display, ids = self._display, self.segment_ids
        if not ids or not display.GetVisibility3D():
            return []
        return [
            identifier
            for identifier in ids
            if display.GetSegmentVisibility(identifier) and display.GetSegmentVisibility3D(identifier)
        ]

    def set_visible_3d(self, visible: bool) -> None:
        """Draw its surfaces, if they are made, or do not."""
        with one_modification(self._display) as display:
            if visible:
                self._unveil(in_slices=False)
            for identifier in self.segment_ids:
                display.SetSegmentVisibility3D(identifier, visible)

    @property
    def misses_surface(self) -> bool:
        """Whether it is to be drawn in 3D, and was, until its voxels became others."""
        ids = self.ids_in_3d
        return bool(ids and self._display.GetVisibility()) and any(
            lost_surface(self.node, identifier) for identifier in ids
        )

    @property
    def opacity(self) -> float:
        """Opacity in slices, in [0, 1]: of the fill where the style has one, else of the contour."""
        display, ids = self._display, self.segment_ids
        if not ids:
            return self.style.opacity_2d
        of_node, of_segment = display.GetOpacity2DOutline(), display.GetSegmentOpacity2DOutline(ids[0])
        if self.style.fill:
            of_node, of_segment = display.GetOpacity2DFill(), display.GetSegmentOpacity2DFill(ids[0])
        return float(display.GetOpacity() * of_node * of_segment)

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity in slices; that of the surfaces follows in the proportion of the style."""
        in_3d = min(1.0, opacity * self.style.opacity_3d / self.style.opacity_2d)
        with one_modification(self._display) as display:
            of_node = display.GetOpacity()
            of_node *= display.GetOpacity2DFill() if self.style.fill else display.GetOpacity2DOutline()
            in_2d = min(1.0, opacity / of_node) if of_node else opacity
            for identifier in self.segment_ids:
                if self.style.fill:
                    display.SetSegmentOpacity2DFill(identifier, in_2d)
                else:
                    display.SetSegmentOpacity2DOutline(identifier, in_2d)
                display.SetSegmentOpacity3D(identifier, in_3d)

    def draw(self, fill: float, has_contour: bool, visible_3d: bool) -> None:
        """Draw it, whatever hid it; surfaces are not made.

        Args:
            fill: opacity of the fill in slices, in [0, 1]; 0: no fill.
            has_contour: whether its contour is drawn in slices, as opaque as can be.
            visible_3d: whether its surfaces are drawn.
        """
        with one_modification(self._display) as display:
            self.set_visible_2d(bool(fill) or has_contour)
            self.set_visible_3d(visible_3d)
            self.set_opacity(fill or self.style.opacity_2d)
            for identifier in self.segment_ids:
                display.SetSegmentVisibility(identifier, True)
                display.SetSegmentVisibility2DFill(identifier, bool(fill))
                display.SetSegmentVisibility2DOutline(identifier, has_contour)
                display.SetSegmentOpacity2DOutline(identifier, 1.0)

    @property
    def _display(self) -> Any:
        return self.node.GetDisplayNode() if self.node is not None else None

    def _unveil(self, in_slices: bool) -> None:
        """Switch on what the node as a whole hides, and hide instead each segment that was hidden by it."""
        display = self._display
        if not display.GetVisibility() or not (display.GetVisibility2D() if in_slices else display.GetVisibility3D()):
            _hide_segments(display, in_slices)
        if not display.GetVisibility():
            _hide_segments(display, not in_slices)
        display.SetVisibility(True)
        if in_slices:
            display.SetVisibility2D(True)
        else:
            display.SetVisibility3D(True)
        if not any(display.GetSegmentVisibility(identifier) for identifier in self.segment_ids):
            for identifier in self.segment_ids:
                display.SetSegmentVisibility(identifier, True)


@contextmanager
def one_modification(node: Any) -> Iterator[Any]:
    """Views redraw once, after the block."""
    was_modifying = node.StartModify()
    try:
        yield node
    finally:
        node.EndModify(was_modifying)


def _hide_segments(display: Any, in_slices: bool) -> None:
    if in_slices:
        display.SetAllSegmentsVisibility2DFill(False)
        display.SetAllSegmentsVisibility2DOutline(False)
    else:
        display.SetAllSegmentsVisibility3D(False)


def is_surface_colored(segmentation_node: Any) -> bool:
    """Whether the surface of a result is to show the uncertainty, if the look includes it."""
    return bool(segmentation_node.GetAttribute(_COLORED_ATTRIBUTE))


def set_surface_colored(segmentation_node: Any, is_colored: bool) -> None:
    """Have the surface of a result show the uncertainty, or be in one colour; see result_surface."""
    if is_colored:
        segmentation_node.SetAttribute(_COLORED_ATTRIBUTE, "1")
    else:
        segmentation_node.RemoveAttribute(_COLORED_ATTRIBUTE)


def make_surfaces(segmentation: Any, overlays: Any) -> None:
    """Make the closed surfaces of a result and its overlays that are not there, as after loading a scene."""
    for node, smoothing in ((segmentation, RESULT_SMOOTHING), (overlays, OVERLAY_SMOOTHING)):
        for identifier in node.GetSegmentation().GetSegmentIDs():
            if not is_surface_made(node, identifier):
                make_surface(node, identifier, smoothing)


def prepare_display(node: Any, is_result: bool) -> None:
    """Have a segmentation drawn: its voxels in slices, its surfaces in 3D, each segment as opaque as it says itself."""
    with one_modification(node.GetDisplayNode()) as display:
        display.SetVisibility(True)
        display.SetVisibility2D(True)
        display.SetVisibility3D(True)
        display.SetOpacity(1.0)
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        display.SetOpacity3D(1.0)
        # Not the surface's cut: smoothing would draw the bounds where no voxel says so.
        display.SetPreferredDisplayRepresentationName2D(BINARY_LABELMAP)
        display.SetPreferredDisplayRepresentationName3D(CLOSED_SURFACE)
        display.SetSliceIntersectionThickness(RESULT_CONTOUR_PIXELS if is_result else BOUNDS_CONTOUR_PIXELS)


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
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if relative_luminance(colorsys.hls_to_rgb(hue, middle, saturation)) < luminance:
            low = middle
        else:
            high = middle
    return colorsys.hls_to_rgb(hue, high, saturation)


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
    return "" if is_there else reason_gone()


def reason_gone() -> str:
    """Why nothing can be done with a part of a result that was deleted."""
    return _("This is no longer in the scene; delete the result and load it again.")
