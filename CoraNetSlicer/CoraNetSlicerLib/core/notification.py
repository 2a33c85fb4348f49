"""Hearing of changes: a signal without Qt, and observers of the scene that end together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import slicer

_LOG = logging.getLogger(__name__)
_VOXELS_CHANGED = (
    slicer.vtkSegmentation.SourceRepresentationModified,
    slicer.vtkSegmentation.SegmentAdded,
    slicer.vtkSegmentation.SegmentRemoved,
)
_LOOK_CHANGED = (
    slicer.vtkSegmentation.SegmentModified,
    slicer.vtkSegmentation.ContainedRepresentationNamesModified,
)
_IMAGE_CHANGED = (
    "ModifiedEvent",
    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
    # A segmentation node sends on what its segments do.
    *_VOXELS_CHANGED,
    slicer.vtkSegmentation.SegmentModified,
)
_NODES_CHANGED = (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent)


class Signal:
    """Calls functions, in the order in which they were connected."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., Any]] = []
        self._followed: list[Signal] = []

    def connect(self, receiver: Callable[..., Any]) -> None:
        """Have `receiver` called from now on; connecting it twice is connecting it once."""
        if receiver not in self._receivers:
            self._receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., Any]) -> None:
        """Do not call it any more; no error if it was not connected."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def follow(self, *others: Signal) -> None:
        """Send whenever one of the others does, until `unfollow`."""
        for other in others:
            other.connect(self.send)
        self._followed += others

    def unfollow(self) -> None:
        """Follow no other signal any more."""
        for other in self._followed:
            other.disconnect(self.send)
        self._followed.clear()

    def send(self, *arguments: Any) -> None:
        """Call all receivers; one that fails is logged and does not silence the others."""
        for receiver in list(self._receivers):
            try:
                receiver(*arguments)
            except Exception:  # noqa: BLE001 - see above
                _LOG.exception("a receiver of a signal failed")


class Observation:
    """Observers that end together. Receivers are called often: they note that something changed, and look later."""

    def __init__(self) -> None:
        self._observers: list[tuple[Any, int]] = []

    def of_nodes(self, scene: Any, receiver: Callable[[], None]) -> None:
        """Hear of nodes that come or go."""
        self._observe(scene, _NODES_CHANGED, receiver)

    def of_node(self, node: Any, receiver: Callable[[], None]) -> None:
        """Hear of anything that a node itself holds, such as a display node's opacity."""
        self._observe(node, ("ModifiedEvent",), receiver)

    def of_content(self, node: Any, receiver: Callable[[], None]) -> None:
        """Hear of anything of a volume or segmentation node: its properties, voxels, segments and transform."""
        self._observe(node, _IMAGE_CHANGED, receiver)

    def of_voxels(self, segmentation_node: Any, receiver: Callable[[], None]) -> None:
        """Hear of segments that were painted, added or removed."""
        self._observe(segmentation_node.GetSegmentation(), _VOXELS_CHANGED, receiver)

    def of_segments(self, segmentation_node: Any, receiver: Callable[[], None]) -> None:
        """Hear of colours, names and surfaces of segments."""
        self._observe(segmentation_node.GetSegmentation(), _LOOK_CHANGED, receiver)

    def end(self) -> None:
        """Hear of nothing any more."""
        for source, tag in self._observers:
            source.RemoveObserver(tag)
        self._observers.clear()

    def _observe(self, source: Any, events: Iterable[Any], receiver: Callable[[], None]) -> None:
        for event in events:
            self._observers.append((source, source.AddObserver(event, lambda *_: receiver())))
