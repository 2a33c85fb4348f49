"""Which nodes of the scene can be cases, and when that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import slicer
from vtkmodules.util.misc import calldata_type
from vtkmodules.util.vtkConstants import VTK_OBJECT
from vtkmodules.vtkCommonCore import vtkIdList

from coranet.contract.errors import DataError

from .case_images import require_usable_volume
from .context import SceneContext
from .results import CASE_ATTRIBUTE, HIDDEN_ATTRIBUTE

_OURS = "CoraNetSlicer."
# Marks of what a person has loaded or drawn: a volume that was segmented, a segmentation that gives way to a result.
_OF_A_PERSON = {CASE_ATTRIBUTE, HIDDEN_ATTRIBUTE}


def image_volumes(scene: Any) -> list[Any]:
    """The volumes that can be cases: no label maps, no results of ours, nothing hidden, nothing without voxels."""
    return [node for node in _nodes(scene, "vtkMRMLScalarVolumeNode") if _is_offered(node) and _is_usable(node)]


def segmentations(scene: Any) -> list[Any]:
    """The segmentations that can be labels: no results of ours, nothing hidden."""
    return [node for node in _nodes(scene, "vtkMRMLSegmentationNode") if _is_offered(node)]


def nodes_of_items(context: SceneContext, items: Iterable[int]) -> list[Any]:
    """The nodes of items of the subject hierarchy, and of all items below them."""
    hierarchy = context.subject_hierarchy
    found = []
    for item in items:
        below = vtkIdList()
        hierarchy.GetItemChildren(item, below, True)
        family = [item, *(below.GetId(index) for index in range(below.GetNumberOfIds()))]
        found += [hierarchy.GetItemDataNode(member) for member in family]
    return [node for node in found if node is not None]


def is_in_scene(scene: Any, node: Any) -> bool:
    """Whether a node is still in the scene."""
    return node.GetID() is not None and scene.GetNodeByID(node.GetID()) is node


class NodeWatch:
    """Tells when the scene or the nodes that are followed change, until `close`."""

    def __init__(self, scene: Any, on_nodes: Callable[[], None], on_scene: Callable[[], None]) -> None:
        """Begin to listen.

        Args:
            scene: vtkMRMLScene.
            on_nodes: a node that is followed changed, or a volume or segmentation came or went.
            on_scene: another scene was loaded, or it was closed.
        """
        self._scene = scene
        self._on_nodes, self._on_scene = on_nodes, on_scene
        self._followed: dict[str, tuple[Any, list[int]]] = {}
        events = {
            scene.NodeAddedEvent: self._node_came_or_went,
            scene.NodeRemovedEvent: self._node_came_or_went,
            scene.EndImportEvent: self._scene_changed,
            scene.EndCloseEvent: self._scene_changed,
            scene.EndRestoreEvent: self._scene_changed,
        }
        self._tags = [scene.AddObserver(event, receiver) for event, receiver in events.items()]

    def follow(self, nodes: Iterable[Any]) -> None:
        """Listen to these nodes, and no longer to others."""
        wanted = {node.GetID(): node for node in nodes}
        for identifier in [key for key, (node, _tags) in self._followed.items() if node is not wanted.get(key)]:
            node, tags = self._followed.pop(identifier)
            for tag in tags:
                node.RemoveObserver(tag)
        for identifier, node in wanted.items():
            if identifier not in self._followed:
                self._followed[identifier] = (node, [node.AddObserver(e, self._changed) for e in _events_of(node)])

    def close(self) -> None:
        """Listen no longer; closing twice is no error."""
        self.follow([])
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags.clear()

    @calldata_type(VTK_OBJECT)
    def _node_came_or_went(self, scene: Any, event: str, node: Any) -> None:
        # While a scene is loaded or closed there would be hundreds; the end of that is told by another event.
        if scene.IsClosing() or scene.IsImporting():
            return
        if node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
            self._on_nodes()

    def _scene_changed(self, scene: Any, event: str) -> None:
        self._on_scene()

    def _changed(self, node: Any, event: str) -> None:
        self._on_nodes()


def _events_of(node: Any) -> list[Any]:
    events = ["ModifiedEvent", slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
    if node.IsA("vtkMRMLSegmentationNode"):
        kind = slicer.vtkSegmentation
        return [
            *events,
            kind.SegmentAdded,
            kind.SegmentRemoved,
            kind.SegmentModified,
            kind.SourceRepresentationModified,
        ]
    return [*events, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent]


def _nodes(scene: Any, node_class: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))]


def _is_offered(node: Any) -> bool:
    marks = [name for name in node.GetAttributeNames() if name.startswith(_OURS) and name not in _OF_A_PERSON]
    return not marks and not node.GetHideFromEditors()


def _is_usable(volume: Any) -> bool:
    try:
        require_usable_volume(volume)
    except DataError:
        return False
    return True
