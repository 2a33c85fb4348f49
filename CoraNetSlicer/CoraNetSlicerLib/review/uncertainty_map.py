"""The uncertainty map over the volume: visibility, opacity, colours and legend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..core.context import SceneContext
from ..core.results import LoadedPrediction
from ..core.translation import _
from .color_maps import ColorMap, color_map_of, color_maps, set_color_map
from .legend import hide_legend, is_legend_shown, show_legend
from .overlay_rows import OverlayRow, map_row, reason_no_map
from .overlays import UNCERTAINTY_FOREGROUND_OPACITY, hide_uncertainty, show_uncertainty, uncertainty_opacity


class UncertaintyMap:
    """The map of one result in the slice views."""

    def __init__(self, context: SceneContext, application: Any, on_change: Callable[[], None]) -> None:
        """Have no result yet.

        Args:
            context: the scene.
            application: as panel.application.Application.
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
    def row(self) -> OverlayRow:
        """Its row in the table of overlays."""
        return map_row(self._loaded, self._shown_opacity(), self._hidden_opacity)

    def set_visible(self, visible: bool) -> None:
        """Draw the map in slices, or do not; its legend comes only with it, and goes with it."""
        if self.reason:
            return
        if visible:
            show_uncertainty(self._loaded, self.views, self._hidden_opacity)
        else:
            self._hidden_opacity = self._shown_opacity() or self._hidden_opacity
            hide_uncertainty(self._loaded, self.views)
            hide_legend(self._loaded.uncertainty)
        self._on_change()

    def set_opacity(self, opacity: float) -> None:
        """Draw the map lighter or heavier; opacity in [0, 1]."""
        self._hidden_opacity = opacity
        if self._shown_opacity() is not None:
            show_uncertainty(self._loaded, self.views, opacity)
        self._on_change()

    @property
    def color_maps(self) -> list[ColorMap]:
        """The colours that the map can have."""
        return [] if self.reason else color_maps(self._context)

    @property
    def color_map(self) -> str:
        """Key of the colours that the map has."""
        return "" if self.reason else color_map_of(self._loaded.uncertainty)

    def set_color_map(self, key: str) -> None:
        """Draw the map in other colours."""
        if not self.reason and key != self.color_map:
            set_color_map(self._loaded.uncertainty, key)
            self._on_change()

    @property
    def has_legend(self) -> bool:
        """Whether the legend is shown."""
        return not self.reason and is_legend_shown(self._loaded.uncertainty)

    def set_legend(self, visible: bool) -> None:
        """Show the legend, and the map with it, or hide it."""
        if self.reason:
            return
        if visible:
            show_legend(self._loaded.uncertainty, _("Uncertainty"))
            self.set_visible(True)
        else:
            hide_legend(self._loaded.uncertainty)
        self._on_change()

    def take_over(self, before: Optional[LoadedPrediction]) -> None:
        """Draw the map as that of another result was drawn, which goes."""
        opacity = None if before is None else uncertainty_opacity(before, self.views)
        if opacity is None or before.uncertainty is self._loaded.uncertainty:
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
