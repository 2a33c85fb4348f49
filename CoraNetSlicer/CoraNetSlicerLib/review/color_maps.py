"""The colours that the uncertainty map can be drawn in: evenly rising lightness, so that more doubt looks like more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.context import SceneContext
from ..core.results import uncertainty_color_node

_NAMES = ("Inferno", "Magma", "Plasma", "Viridis")
_GREY = "vtkMRMLColorTableNodeGrey"


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
    files = [context.scene.GetNodeByID(f"vtkMRMLColorTableNodeFile{name}.txt") for name in _NAMES]
    nodes = [first, *(node for node in (*files, context.scene.GetNodeByID(_GREY)) if node is not None)]
    unique = {node.GetID(): node for node in nodes}
    return [ColorMap(key, str(node.GetName())) for key, node in unique.items()]


def color_map_of(volume_node: Any) -> str:
    """Key of the colours of a volume."""
    return str(volume_node.GetDisplayNode().GetColorNodeID() or "")


def set_color_map(volume_node: Any, key: str) -> None:
    """Draw a volume in other colours."""
    volume_node.GetDisplayNode().SetAndObserveColorNodeID(key)
