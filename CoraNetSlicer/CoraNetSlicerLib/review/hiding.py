"""Hides all that lies over the anatomy for a moment, and shows it again as it was."""

from __future__ import annotations

from typing import Any

from ..core.context import SceneContext
from ..core.protocols import Views
from ..core.results import is_result, nodes_of_class

_LEGEND_CLASS = "vtkMRMLColorLegendDisplayNode"


class Hiding:
    """What was hidden, until it is shown again.

    Attributes:
        is_on: whether something is hidden; then display nodes do not say how things look.
    """

    def __init__(self, context: SceneContext, application: Views) -> None:
        """Hide nothing yet.

        Args:
            context: the scene.
            application: knows the slice views.
        """
        self.is_on = False
        self._context = context
        self._application = application
        self._displays: list[Any] = []
        self._foregrounds: list[tuple[Any, float]] = []

    def hide(self) -> None:
        """Hide segmentations, our models and markups, and what lies over the volume in slice views."""
        if self.is_on:
            return
        self.is_on = True
        self._displays = [display for display in self._shown() if display.GetVisibility()]
        for display in self._displays:
            display.SetVisibility(False)
        views = self._application.slice_composite_nodes()
        self._foregrounds = [(view, view.GetForegroundOpacity()) for view in views if view.GetForegroundVolumeID()]
        for view, _opacity in self._foregrounds:
            view.SetForegroundOpacity(0.0)

    def show(self) -> None:
        """Show what was hidden, but for what has left the scene."""
        for display in self._displays:
            if display.GetScene() is not None:
                display.SetVisibility(True)
        for view, opacity in self._foregrounds:
            view.SetForegroundOpacity(opacity)
        self._displays, self._foregrounds = [], []
        self.is_on = False

    def _shown(self) -> list[Any]:
        scene = self._context.scene
        nodes = nodes_of_class(scene, "vtkMRMLSegmentationNode")
        nodes += [node for node in nodes_of_class(scene, "vtkMRMLModelNode") if is_result(node)]
        nodes += [node for node in nodes_of_class(scene, "vtkMRMLMarkupsNode") if node.GetHideFromEditors()]
        displays = [node.GetDisplayNode() for node in nodes if node.GetDisplayNode() is not None]
        return [*displays, *nodes_of_class(scene, _LEGEND_CLASS)]
