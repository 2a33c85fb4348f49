"""Which results and segmentations are shown, and what is hidden for a moment and shown again as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ..core.context import SceneContext
from ..core.protocols import Views
from ..core.results import HIDDEN_ATTRIBUTE, PART_ATTRIBUTE, LoadedPrediction, copies, is_result, nodes_of_class


def show_alone(loaded: Optional[LoadedPrediction], results: Iterable[LoadedPrediction]) -> None:
    """Show one of several results (None: none of them), and hide the others; how they are drawn stays as it is."""
    shown = loaded.segmentation if loaded is not None else None
    for other in results:
        for node in (other.segmentation, other.overlays):
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(other.segmentation is shown)


def other_segmentations(context: SceneContext) -> list[Any]:
    """The segmentations of a scene that are no results: they would lie over one, often in the same color."""
    of_a_person = copies(context.scene)
    return [
        node
        for node in nodes_of_class(context.scene, "vtkMRMLSegmentationNode")
        if (not node.GetAttribute(PART_ATTRIBUTE) or node in of_a_person) and not node.GetHideFromEditors()
    ]


def hide_other_segmentations(context: SceneContext) -> None:
    """Hide the segmentations that are no results, until `show_other_segmentations`."""
    for node in other_segmentations(context):
        display = node.GetDisplayNode()
        if display is not None and display.GetVisibility():
            display.SetVisibility(False)
            node.SetAttribute(HIDDEN_ATTRIBUTE, "1")


def show_other_segmentations(context: SceneContext) -> None:
    """Show what `hide_other_segmentations` has hidden; what a person has hidden stays so."""
    for node in other_segmentations(context):
        if node.GetAttribute(HIDDEN_ATTRIBUTE):
            node.RemoveAttribute(HIDDEN_ATTRIBUTE)
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(True)


class Hiding:
    """What was hidden, until it is shown again.

    Attributes:
        is_on: whether something is hidden; then display nodes do not say how things look.
    """

    def __init__(self, context: SceneContext, application: Views) -> None:
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
        return [*displays, *nodes_of_class(scene, "vtkMRMLColorLegendDisplayNode")]
