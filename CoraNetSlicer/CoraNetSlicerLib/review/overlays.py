"""How results look. In slices: the result filled, its bracket as outlines, doubt in yellow; in 3D: surfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

import slicer

from coranet.closed_surface import OVERLAY_SMOOTHING, RESULT_SMOOTHING
from coranet.contract import Label

from ..core.context import SceneContext
from ..core.pairing import drawn_on
from ..core.results import LoadedPrediction, is_result, label_color, nodes_of_class
from .appearance import (
    CONSERVATIVE,
    RADICAL,
    RESULT,
    SEGMENT_OVERLAYS,
    UNCERTAIN,
    Appearance,
    Color,
    conservative_color,
    one_modification,
    radical_color,
)
from .caution import note_caution
from .segment_surfaces import is_surface_made, make_surface

OUTLINE_THICKNESS_PIXELS = 2
UNCERTAINTY_FOREGROUND_OPACITY = 0.6
_REPLACED_ATTRIBUTE = "CoraNetSlicer.ReplacedForeground"

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


@dataclass(frozen=True)
class Look:
    """Which overlays are drawn where.

    Attributes:
        in_slices, in_3d: kinds of appearance.SEGMENT_OVERLAYS.
    """

    in_slices: tuple[str, ...]
    in_3d: tuple[str, ...]


_SHELLS = (RESULT, RADICAL, UNCERTAIN)
LOOKS = {
    "review": Look(SEGMENT_OVERLAYS, (RESULT,)),
    "3D": Look((RESULT, UNCERTAIN), _SHELLS),
    "plain": Look((RESULT,), (RESULT,)),
}
FIRST_LOOK = Look(SEGMENT_OVERLAYS, _SHELLS)


def show_prediction(context: SceneContext, loaded: LoadedPrediction, surfaces: bool = True) -> None:
    """Give a loaded prediction its look in the slice views and, with surfaces, in the 3D views.

    Args:
        context: the scene.
        loaded: what `load_prediction` made.
        surfaces: make closed surfaces now; takes seconds for large volumes.
    """
    note_caution(loaded)
    for label in loaded.labels:
        set_class_color(loaded, label, label_color(label))
    apply_look(loaded, FIRST_LOOK)
    if surfaces:
        make_surfaces(loaded.segmentation, loaded.overlays)


def apply_look(loaded: LoadedPrediction, look: Look) -> None:
    """Draw what a look says, in the styles of the overlays, and nothing else of this result.

    Args:
        loaded: the result; what it lacks is left out.
        look: what to draw; surfaces that are not there are not made.
    """
    for node in (loaded.segmentation, loaded.overlays):
        if node is not None and node.GetDisplayNode() is not None:
            with one_modification(node.GetDisplayNode()) as display:
                _show_labelmap_in_2d_and_surface_in_3d(display)
    for kind in SEGMENT_OVERLAYS:
        appearance = Appearance(loaded, kind)
        if appearance.segment_ids:
            appearance.reset(visible_2d=kind in look.in_slices, visible_3d=kind in look.in_3d)


def set_result_visible(loaded: LoadedPrediction, visible: bool) -> None:
    """Show or hide a result as a whole; how its overlays are drawn stays as it is."""
    for node in (loaded.segmentation, loaded.overlays):
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)


def hide_segmentations_of_others(context: SceneContext, loaded: LoadedPrediction) -> list[str]:
    """Hide segmentations that were drawn on other volumes: they would lie over a result, often in the same colour.

    Args:
        context: the scene.
        loaded: the result that is to be seen.

    Returns:
        Names of those that were seen.
    """
    hidden = []
    for node in nodes_of_class(context.scene, "vtkMRMLSegmentationNode"):
        origin, display = drawn_on(node), node.GetDisplayNode()
        is_other = origin is not None and origin is not loaded.volume and not is_result(node)
        if is_other and display is not None and display.GetVisibility() and not node.GetHideFromEditors():
            display.SetVisibility(False)
            hidden.append(str(node.GetName()))
    return hidden


def set_class_color(loaded: LoadedPrediction, label: Label, color: Color) -> None:
    """Give a class its colour: the result as it is, the conservative paler, the radical more vivid.

    Args:
        loaded: the result.
        label: the class.
        color: red, green, blue in [0, 1].
    """
    tones = {RESULT: color, CONSERVATIVE: conservative_color(color), RADICAL: radical_color(color)}
    for kind, tone in tones.items():
        appearance = Appearance(loaded, kind)
        if appearance.id_of(label) in appearance.segment_ids:
            appearance.set_color(appearance.id_of(label), tone)


def make_surfaces(segmentation: Any, overlays: Any) -> None:
    """Make the closed surfaces of a result and its overlays that are not there, as after loading a scene.

    Args:
        segmentation: vtkMRMLSegmentationNode of the result.
        overlays: vtkMRMLSegmentationNode of the overlays.
    """
    for node, smoothing in ((segmentation, RESULT_SMOOTHING), (overlays, OVERLAY_SMOOTHING)):
        found = node.GetSegmentation()
        for identifier in found.GetSegmentIDs():
            if not is_surface_made(node, identifier):
                make_surface(node, identifier, smoothing)


def show_uncertainty(
    loaded: LoadedPrediction, composite_nodes: Iterable[Any], opacity: float = UNCERTAINTY_FOREGROUND_OPACITY
) -> None:
    """Put the uncertainty map over the volume in slice views.

    Args:
        loaded: the result.
        composite_nodes: vtkMRMLSliceCompositeNode of each slice view.
        opacity: of the map, in [0, 1].
    """
    for composite in composite_nodes:
        with one_modification(composite):
            if loaded.volume is not None:
                composite.SetBackgroundVolumeID(loaded.volume.GetID())
            replaced = composite.GetForegroundVolumeID()
            if replaced != loaded.uncertainty.GetID():
                composite.SetAttribute(_REPLACED_ATTRIBUTE, f"{composite.GetForegroundOpacity()} {replaced or ''}")
            composite.SetForegroundVolumeID(loaded.uncertainty.GetID())
            composite.SetForegroundOpacity(opacity)


def hide_uncertainty(loaded: LoadedPrediction, composite_nodes: Iterable[Any]) -> None:
    """Take the uncertainty map out of slice views; the foreground that it took the place of comes back.

    Args:
        loaded: the result.
        composite_nodes: vtkMRMLSliceCompositeNode of each slice view; those without the map stay as they are.
    """
    for composite in composite_nodes:
        if composite.GetForegroundVolumeID() != loaded.uncertainty.GetID():
            continue
        opacity, _, before = (composite.GetAttribute(_REPLACED_ATTRIBUTE) or "0.0 ").partition(" ")
        with one_modification(composite):
            there = before and composite.GetScene().GetNodeByID(before) is not None
            composite.SetForegroundVolumeID(before if there else None)
            composite.SetForegroundOpacity(float(opacity) if there else 0.0)


def uncertainty_opacity(loaded: LoadedPrediction, composite_nodes: Iterable[Any]) -> Optional[float]:
    """Opacity of the uncertainty map in the first slice view that draws it; None if none does."""
    if loaded.uncertainty is None:
        return None
    shown = (one for one in composite_nodes if one.GetForegroundVolumeID() == loaded.uncertainty.GetID())
    return next((one.GetForegroundOpacity() for one in shown), None)


def _show_labelmap_in_2d_and_surface_in_3d(display: Any) -> None:
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(True)
    display.SetOpacity(1.0)
    display.SetOpacity2DFill(1.0)
    display.SetOpacity2DOutline(1.0)
    display.SetOpacity3D(1.0)
    display.SetSliceIntersectionThickness(OUTLINE_THICKNESS_PIXELS)
    # Not the surface's cut: smoothing would draw the bracket where no voxel says so.
    display.SetPreferredDisplayRepresentationName2D(_BINARY_LABELMAP)
    display.SetPreferredDisplayRepresentationName3D(_CLOSED_SURFACE)
