"""The uncertainty map over the volume: visibility, opacity, colors and legend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import slicer

from ..core.context import SceneContext
from ..core.protocols import Views
from ..core.results import LoadedPrediction, uncertainty_color_node
from ..core.translation import _
from .overlays import one_modification, reason_no_map

_OPACITY = 0.6
_REPLACED_ATTRIBUTE = "CoraNetSlicer.ReplacedForeground"
_LEGEND_CLASS = "vtkMRMLColorLegendDisplayNode"
# Width and height, shares of a view. Slicer makes the numbers as large as the width allows.
_LEGEND_SIZE = (0.05, 0.4)
# Evenly rising lightness, so that more doubt looks like more.
_COLOR_TABLES = ("Inferno", "Magma", "Plasma", "Viridis")
_GREY = "vtkMRMLColorTableNodeGrey"


class UncertaintyMap:
    """The map of one result in the slice views, which keep how it is drawn."""

    def __init__(self, context: SceneContext, application: Views, on_change: Callable[[], None]) -> None:
        """`on_change` is called after each change of what is shown."""
        self._context = context
        self._application = application
        self._on_change = on_change
        self._loaded: Optional[LoadedPrediction] = None
        # How it will be drawn when it is shown.
        self._hidden_opacity = _OPACITY

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Take a result, or none."""
        self._loaded = loaded

    @property
    def reason(self) -> str:
        """Why the map and its legend cannot be shown; "" if they can."""
        return reason_no_map(self._loaded)

    @property
    def _node(self) -> Any:
        """The volume node of the map; None if there is none."""
        return self._loaded.uncertainty if self._loaded is not None and not self.reason else None

    @property
    def is_visible(self) -> bool:
        """Whether a slice view draws it."""
        return bool(self._views_of(self._node))

    @property
    def opacity(self) -> float:
        """How it is drawn, or will be: in [0, 1]; 0 where there is no map."""
        shown = self._views_of(self._node)
        return 0.0 if self.reason else float(shown[0].GetForegroundOpacity()) if shown else self._hidden_opacity

    def set_visible(self, visible: bool) -> None:
        """Draw the map in slices, or do not; its legend comes only with it, and goes with it."""
        if self._node is None:
            return
        if visible:
            self._draw(self._hidden_opacity)
        else:
            self._hidden_opacity = self.opacity or self._hidden_opacity
            self._remove(self._node)
        self._on_change()

    def set_opacity(self, opacity: float) -> None:
        """Draw the map lighter or heavier; opacity in [0, 1]."""
        self._hidden_opacity = opacity
        if self.is_visible:
            self._draw(opacity)
        self._on_change()

    @property
    def color_maps(self) -> dict[str, str]:
        """The colors that it can have: id of the colour node -> its name; the first is the usual one."""
        if self._node is None:
            return {}
        scene = self._context.scene
        others = (*(f"vtkMRMLColorTableNodeFile{name}.txt" for name in _COLOR_TABLES), _GREY)
        nodes = [uncertainty_color_node(self._context), *map(scene.GetNodeByID, others)]
        return {str(node.GetID()): str(node.GetName()) for node in nodes if node is not None}

    @property
    def color_map(self) -> str:
        """Id of the colour node that it has."""
        return "" if self._node is None else str(self._node.GetDisplayNode().GetColorNodeID() or "")

    def set_color_map(self, key: str) -> None:
        """Draw the map in other colors, by the id of their node."""
        if self._node is not None and key != self.color_map:
            self._node.GetDisplayNode().SetAndObserveColorNodeID(key)
            self._on_change()

    @property
    def has_legend(self) -> bool:
        """Whether the legend is shown."""
        return _is_legend_shown(self._node)

    def set_legend(self, visible: bool) -> None:
        """Show the legend, and the map with it, or hide it."""
        if self._node is None:
            return
        if visible:
            # In this order: a legend is not notified that its volume is drawn.
            self.set_visible(True)
            _show_legend(self._node, _("Uncertainty"))
        else:
            _hide_legend(self._node)
        self._on_change()

    def take_over(self, before: Optional[LoadedPrediction]) -> None:
        """Draw the map as that of another result was drawn, which goes."""
        node = before.uncertainty if before is not None else None
        shown = self._views_of(node)
        if not shown or self._loaded is None or node is self._loaded.uncertainty:
            return
        had_legend, self._hidden_opacity = _is_legend_shown(node), float(shown[0].GetForegroundOpacity())
        self._remove(node)
        (self.set_legend if had_legend else self.set_visible)(True)

    @property
    def views(self) -> list[Any]:
        """The vtkMRMLSliceCompositeNode of each slice view."""
        return list(self._application.slice_composite_nodes())

    def _views_of(self, node: Any) -> list[Any]:
        """The slice views that draw a map; None is drawn by none."""
        return [view for view in self.views if node is not None and view.GetForegroundVolumeID() == node.GetID()]

    def _draw(self, opacity: float) -> None:
        """Put the map over the volume in all slice views."""
        volume = self._loaded.volume if self._loaded is not None else None
        for view in self.views:
            with one_modification(view):
                if volume is not None:
                    view.SetBackgroundVolumeID(volume.GetID())
                replaced = view.GetForegroundVolumeID()
                if replaced != self._node.GetID():
                    view.SetAttribute(_REPLACED_ATTRIBUTE, f"{view.GetForegroundOpacity()} {replaced or ''}")
                view.SetForegroundVolumeID(self._node.GetID())
                view.SetForegroundOpacity(opacity)

    def _remove(self, node: Any) -> None:
        """Take a map out of the slice views, and its legend; the foreground that it took the place of comes back."""
        for view in self._views_of(node):
            opacity, _, before = (view.GetAttribute(_REPLACED_ATTRIBUTE) or "0.0 ").partition(" ")
            with one_modification(view):
                there = before and view.GetScene().GetNodeByID(before) is not None
                view.SetForegroundVolumeID(before if there else None)
                view.SetForegroundOpacity(float(opacity) if there else 0.0)
        _hide_legend(node)


def _show_legend(volume_node: Any, title: str) -> None:
    """Show the colours of a volume and what they mean, where the volume is drawn now."""
    legend = _legend_of(volume_node)
    if legend is None:
        legend = slicer.vtkMRMLColorLegendDisplayNode()
        legend.SetName(f"{volume_node.GetName()} legend")
        volume_node.GetScene().AddNode(legend)
        legend.SetAndObservePrimaryDisplayNode(volume_node.GetDisplayNode())
        volume_node.AddAndObserveDisplayNodeID(legend.GetID())
        legend.SetSize(*_LEGEND_SIZE)
        legend.GetLabelTextProperty().SetFontFamilyToArial()
    legend.SetTitleText(title)
    # Slicer's five would be 0.2 and 0.8 at a quarter and at three quarters.
    legend.SetNumberOfLabels(3)
    # The map is not drawn in 3D, and its legend would stand there alone.
    legend.SetVisibility3D(False)
    legend.SetVisibility(True)
    # Views look whether the volume is drawn only when the legend has changed.
    legend.Modified()


def _hide_legend(volume_node: Any) -> None:
    legend = _legend_of(volume_node)
    if legend is not None:
        legend.SetVisibility(False)


def _is_legend_shown(volume_node: Any) -> bool:
    legend = _legend_of(volume_node) if volume_node is not None else None
    return legend is not None and bool(legend.GetVisibility())


def _legend_of(volume_node: Any) -> Any:
    nodes = (volume_node.GetNthDisplayNode(index) for index in range(volume_node.GetNumberOfDisplayNodes()))
    return next((node for node in nodes if node is not None and node.IsA(_LEGEND_CLASS)), None)
