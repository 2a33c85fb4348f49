"""The uncertainty map over the volume: visibility, opacity, colors and legend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

import slicer

from ..core.context import SceneContext
from ..core.protocols import Views
from ..core.results import LoadedPrediction, uncertainty_color_node
from ..core.translation import _
from .overlays import one_modification, reason_no_map

UNCERTAINTY_FOREGROUND_OPACITY = 0.6
_REPLACED_ATTRIBUTE = "CoraNetSlicer.ReplacedForeground"
_LEGEND_CLASS = "vtkMRMLColorLegendDisplayNode"
# Evenly rising lightness, so that more doubt looks like more.
_COLOR_TABLES = ("Inferno", "Magma", "Plasma", "Viridis")
_GREY = "vtkMRMLColorTableNodeGrey"


class UncertaintyMap:
    """The map of one result in the slice views."""

    def __init__(self, context: SceneContext, application: Views, on_change: Callable[[], None]) -> None:
        """Have no result yet.

        Args:
            context: the scene.
            application: knows the slice views.
            on_change: called after each change of what is shown.
        """
        self._context = context
        self._application = application
        self._on_change = on_change
        self._loaded: Optional[LoadedPrediction] = None
        self._hidden_opacity = UNCERTAINTY_FOREGROUND_OPACITY

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Take a result, or none."""
        self._loaded = loaded

    @property
    def reason(self) -> str:
        """Why the map and its legend cannot be shown; "" if they can."""
        return reason_no_map(self._loaded)

    @property
    def _drawable(self) -> Optional[LoadedPrediction]:
        """The result, if it has a map."""
        return None if self.reason else self._loaded

    @property
    def is_visible(self) -> bool:
        """Whether a slice view draws it."""
        return self._shown_opacity() is not None

    @property
    def opacity(self) -> float:
        """How it is drawn, or will be: in [0, 1]; 0 where there is no map."""
        shown = self._shown_opacity()
        return 0.0 if self.reason else self._hidden_opacity if shown is None else shown

    def set_visible(self, visible: bool) -> None:
        """Draw the map in slices, or do not; its legend comes only with it, and goes with it."""
        loaded = self._drawable
        if loaded is None:
            return
        if visible:
            show_uncertainty(loaded, self.views, self._hidden_opacity)
        else:
            self._hidden_opacity = self._shown_opacity() or self._hidden_opacity
            hide_uncertainty(loaded, self.views)
            hide_legend(loaded.uncertainty)
        self._on_change()

    def set_opacity(self, opacity: float) -> None:
        """Draw the map lighter or heavier; opacity in [0, 1]."""
        self._hidden_opacity = opacity
        if self._loaded is not None and self.is_visible:
            show_uncertainty(self._loaded, self.views, opacity)
        self._on_change()

    @property
    def color_maps(self) -> list[ColorMap]:
        """The colors that it can have."""
        return [] if self.reason else color_maps(self._context)

    @property
    def color_map(self) -> str:
        """Key of the colors that it has."""
        loaded = self._drawable
        return "" if loaded is None else str(loaded.uncertainty.GetDisplayNode().GetColorNodeID() or "")

    def set_color_map(self, key: str) -> None:
        """Draw the map in other colors."""
        loaded = self._drawable
        if loaded is not None and key != self.color_map:
            loaded.uncertainty.GetDisplayNode().SetAndObserveColorNodeID(key)
            self._on_change()

    @property
    def has_legend(self) -> bool:
        """Whether the legend is shown."""
        loaded = self._drawable
        return loaded is not None and is_legend_shown(loaded.uncertainty)

    def set_legend(self, visible: bool) -> None:
        """Show the legend, and the map with it, or hide it."""
        loaded = self._drawable
        if loaded is None:
            return
        if visible:
            # In this order: a legend does not hear that its volume is drawn.
            self.set_visible(True)
            show_legend(loaded.uncertainty, _("Uncertainty"))
        else:
            hide_legend(loaded.uncertainty)
        self._on_change()

    def take_over(self, before: Optional[LoadedPrediction]) -> None:
        """Draw the map as that of another result was drawn, which goes."""
        opacity = None if before is None else uncertainty_opacity(before, self.views)
        if before is None or opacity is None or self._loaded is None or before.uncertainty is self._loaded.uncertainty:
            return
        had_legend = is_legend_shown(before.uncertainty)
        hide_uncertainty(before, self.views)
        hide_legend(before.uncertainty)
        self._hidden_opacity = opacity
        self.set_visible(True)
        if had_legend:
            self.set_legend(True)

    @property
    def views(self) -> list[Any]:
        """The vtkMRMLSliceCompositeNode of each slice view."""
        return list(self._application.slice_composite_nodes())

    def _shown_opacity(self) -> Optional[float]:
        return None if self._loaded is None else uncertainty_opacity(self._loaded, self.views)


def show_legend(volume_node: Any, title: str) -> None:
    """Show the colours of a volume and what they mean, where the volume is drawn now.

    Args:
        volume_node: vtkMRMLScalarVolumeNode in a scene, with a display node.
        title: stands above the colours.
    """
    legend = _legend_of(volume_node)
    if legend is None:
        legend = slicer.vtkMRMLColorLegendDisplayNode()
        legend.SetName(f"{volume_node.GetName()} legend")
        volume_node.GetScene().AddNode(legend)
        legend.SetAndObservePrimaryDisplayNode(volume_node.GetDisplayNode())
        volume_node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(title)
    # Slicer's five would be 0.2 and 0.8 at a quarter and at three quarters.
    legend.SetNumberOfLabels(3)
    # The map is not drawn in 3D, and its legend would stand there alone.
    legend.SetVisibility3D(False)
    legend.SetVisibility(True)
    # Views look whether the volume is drawn only when the legend has changed.
    legend.Modified()


def hide_legend(volume_node: Any) -> None:
    """Hide the legend of a volume, if it has one."""
    legend = _legend_of(volume_node)
    if legend is not None:
        legend.SetVisibility(False)


def is_legend_shown(volume_node: Any) -> bool:
    """Whether a volume has a legend that is switched on."""
    legend = _legend_of(volume_node)
    return legend is not None and bool(legend.GetVisibility())


def _legend_of(volume_node: Any) -> Any:
    nodes = (volume_node.GetNthDisplayNode(index) for index in range(volume_node.GetNumberOfDisplayNodes()))
    return next((node for node in nodes if node is not None and node.IsA(_LEGEND_CLASS)), None)


@dataclass(frozen=True)
class ColorMap:
    """Colours for a map.

    Attributes:
        key: id of the colour node.
        name: what a person calls it.
    """

    key: str
    name: str


def color_maps(context: SceneContext) -> list[ColorMap]:
    """The colours that there are; the first is what a map has unless a person changes it."""
    first = uncertainty_color_node(context)
    files = [context.scene.GetNodeByID(f"vtkMRMLColorTableNodeFile{name}.txt") for name in _COLOR_TABLES]
    nodes = [first, *(node for node in (*files, context.scene.GetNodeByID(_GREY)) if node is not None)]
    unique = {node.GetID(): node for node in nodes}
    return [ColorMap(key, str(node.GetName())) for key, node in unique.items()]


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
    shown = (
        composite for composite in composite_nodes if composite.GetForegroundVolumeID() == loaded.uncertainty.GetID()
    )
    return next((composite.GetForegroundOpacity() for composite in shown), None)
