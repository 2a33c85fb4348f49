"""The state of the panel in the scene: one parameter node, saved and restored with the scene."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_MODULE = "CoraNetSlicer"


class Parameters:
    """Texts, values and node references of the panel. What is written is in the scene at once.

    The parameter node is made when something is written for the first time.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        node = self._node()
        value = node.GetParameter(name) if node is not None else ""
        return str(value) if value else default

    def set_text(self, name: str, value: str) -> None:
        """Write a text."""
        self._made_node().SetParameter(name, value)

    def value(self, name: str, default: Any = None) -> Any:
        """A value of plain JSON types; `default` if there is none, or if it was spoiled by hand."""
        try:
            return json.loads(self.text(name)) if self.text(name) else default
        except ValueError:
            return default

    def set_value(self, name: str, value: Any) -> None:
        """Write a value of plain JSON types."""
        self.set_text(name, json.dumps(value, ensure_ascii=False))

    def nodes(self, role: str) -> list[Any]:
        """The nodes that are referenced in a role, in order; those that were deleted are left out."""
        node = self._node()
        if node is None:
            return []
        nodes = [node.GetNthNodeReference(role, index) for index in range(node.GetNumberOfNodeReferences(role))]
        return [referenced for referenced in nodes if referenced is not None]

    def set_nodes(self, role: str, nodes: Iterable[Any]) -> None:
        """Reference nodes in a role, instead of those before."""
        node = self._made_node()
        node.RemoveNodeReferenceIDs(role)
        for referenced in nodes:
            node.AddNodeReferenceID(role, referenced.GetID())

    def _node(self) -> Any:
        return self._scene.GetSingletonNode(_MODULE, "vtkMRMLScriptedModuleNode")

    def _made_node(self) -> Any:
        node = self._node()
        if node is None:
            node = self._scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(_MODULE)
            node.SetModuleName(_MODULE)
            node.SetName(_MODULE)
            node = self._scene.AddNode(node)
        return node
