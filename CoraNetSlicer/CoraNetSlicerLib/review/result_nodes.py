"""The nodes of one segmented case: found or made, and filled a segment at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import slicer
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.closed_surface import OVERLAY_SMOOTHING, RESULT_SMOOTHING
from coranet.contract import Label

from ..core.context import SceneContext
from ..core.images import lie_as
from ..core.results import (
    FILLING_ATTRIBUTE,
    PART_ATTRIBUTE,
    PREDICTION_ATTRIBUTE,
    REVIEWED_ATTRIBUTE,
    UNCERTAIN_COLOR,
    UNCERTAIN_SEGMENT,
    VOLUME_REFERENCE,
    label_color,
    nodes_of_class,
    segment_id,
    uncertainty_color_node,
)

# Uncertainty below this share of its range is not drawn, so that the map does not veil the image.
UNCERTAINTY_LOWER_THRESHOLD = 0.05

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


class ResultNodes:
    """Finds or makes the nodes of one case. `fill` runs in steps; the nodes are attributes once their step is done."""

    def __init__(self, context: SceneContext, volume_node: Any, case_key: str) -> None:
        """Know whose nodes they are.

        Args:
            context: the scene.
            volume_node: the volume that was segmented.
            case_key: as `results.case_key` gives it.
        """
        # By part: whether it is to be drawn once it is whole.
        self._shown: dict[str, bool] = {}
        self.segmentation: Any = None
        self.overlays: Any = None
        self.uncertainty: Any = None
        self._context = context
        self._volume = volume_node
        self._case_key = case_key

    def fill(self, images: Mapping[str, Any], labels: tuple[Label, ...], surfaces: Mapping[str, Any]) -> Iterator[str]:
        """Bring the results into the nodes, in place of what they held.

        Args:
            images: by name as in PredictionFiles, volume nodes outside of the scene.
            labels: the classes.
            surfaces: vtkPolyData by segment id, in the world; of all segments of a node, or of none.

        Yields:
            What was done, in a word or two.
        """
        self.segmentation = self._node("vtkMRMLSegmentationNode", "result", "CoraNet")
        self.segmentation.SetAttribute(FILLING_ATTRIBUTE, "1")
        yield "result node"
        yield from self._fill_segmentation(images, labels, surfaces)
        self.overlays = self._node("vtkMRMLSegmentationNode", "overlays", "CoraNet overlays")
        yield "overlays node"
        yield from self._fill_overlays(images, labels, surfaces)
        self.uncertainty = self._node("vtkMRMLScalarVolumeNode", "uncertainty", "CoraNet uncertainty")
        yield "uncertainty node"
        self._fill_uncertainty(images["uncertainty"])
        self.segmentation.RemoveAttribute(FILLING_ATTRIBUTE)
        yield "uncertainty map"

    def _fill_segmentation(
        self, images: Mapping[str, Any], labels: tuple[Label, ...], surfaces: Mapping[str, Any]
    ) -> Iterator[str]:
        segmentation = self.segmentation.GetSegmentation()
        segmentation.SetConversionParameter("Smoothing factor", str(RESULT_SMOOTHING))
        shared = _oriented_image(images["segmentation"])
        for label in labels:
            segment = _segment(label.name, label_color(label), label.value, shared)
            if label.terminology:
                segment.SetTag(segment.GetTerminologyEntryTagName(), label.terminology)
            _add(segmentation, segment, segment_id(label), surfaces)
            yield "result segment"

    def _fill_overlays(
        self, images: Mapping[str, Any], labels: tuple[Label, ...], surfaces: Mapping[str, Any]
    ) -> Iterator[str]:
        segmentation = self.overlays.GetSegmentation()
        segmentation.SetConversionParameter("Smoothing factor", str(OVERLAY_SMOOTHING))
        # One labelmap, that is one layer, a head: classes of one head exclude each other, the heads overlap.
        for head in ("conservative", "radical"):
            shared = _oriented_image(images[head])
            for label in labels:
                segment = _segment(f"{label.name} ({head})", label_color(label), label.value, shared)
                _add(segmentation, segment, segment_id(label, head), surfaces)
                yield f"{head} segment"
        mask = _oriented_image(images["uncertain"])
        _add(segmentation, _segment("Uncertain", UNCERTAIN_COLOR, 1, mask), UNCERTAIN_SEGMENT, surfaces)
        yield "uncertain segment"

    def _fill_uncertainty(self, image: Any) -> None:
        node, display = self.uncertainty, self.uncertainty.GetDisplayNode()
        # Before the voxels: they would be counted for an automatic window and threshold.
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.AutoThresholdOff()
        display.SetThreshold(UNCERTAINTY_LOWER_THRESHOLD, 1.0)
        display.ApplyThresholdOn()
        display.SetAndObserveColorNodeID(uncertainty_color_node(self._context).GetID())
        lie_as(node, image)
        node.SetAndObserveImageData(image.GetImageData())

    def _node(self, node_class: str, part: str, suffix: str) -> Any:
        """The case's node of a part, emptied; a node that is there keeps its ID, so views and references stay valid."""
        node = next((old for old in nodes_of_class(self._context.scene, node_class) if self._is_mine(old, part)), None)
        if node is None:
            name = self._context.scene.GenerateUniqueName(f"{self._volume.GetName()} {suffix}")
            node = self._context.scene.AddNewNodeByClass(node_class, name)
            node.SetAttribute(PART_ATTRIBUTE, part)
            node.SetAttribute(PREDICTION_ATTRIBUTE, self._case_key)
            node.SetNodeReferenceID(VOLUME_REFERENCE, self._volume.GetID())
            node.CreateDefaultDisplayNodes()
            self._shown[part] = True
        if node_class == "vtkMRMLSegmentationNode":
            self._hide(node, part)
            node.GetSegmentation().RemoveAllSegments()
            node.RemoveAttribute(REVIEWED_ATTRIBUTE)
            node.SetReferenceImageGeometryParameterFromVolumeNode(self._volume)
        node.SetAndObserveTransformNodeID(self._volume.GetTransformNodeID())
        self._place_under_volume(node)
        return node

    def _hide(self, node: Any, part: str) -> None:
        """Draw nothing of a node before it is whole: it would lie in Slicer's own look over whatever is shown."""
        display = node.GetDisplayNode()
        if display is not None:
            self._shown.setdefault(part, bool(display.GetVisibility()))
            display.SetVisibility(False)

    def reveal(self) -> None:
        """Draw the nodes, which are whole now, unless they were hidden before."""
        for part, shown in self._shown.items():
            node = self.segmentation if part == "result" else self.overlays if part == "overlays" else None
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(shown)

    def _is_mine(self, node: Any, part: str) -> bool:
        return (
            node.GetAttribute(PART_ATTRIBUTE) == part
            and node.GetAttribute(PREDICTION_ATTRIBUTE) == self._case_key
            and node.GetNodeReferenceID(VOLUME_REFERENCE) == self._volume.GetID()
        )

    def _place_under_volume(self, node: Any) -> None:
        hierarchy = self._context.subject_hierarchy
        volume_item = hierarchy.GetItemByDataNode(self._volume)
        if not volume_item:
            volume_item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), self._volume)
        hierarchy.SetItemParent(hierarchy.CreateItem(volume_item, node), volume_item)


def _segment(name: str, color: tuple[float, float, float], value: int, labelmap: Any) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*color)
    segment.SetLabelValue(value)
    segment.AddRepresentation(_BINARY_LABELMAP, labelmap)
    return segment


def _add(segmentation: Any, segment: Any, identifier: str, surfaces: Mapping[str, Any]) -> None:
    # Before the segment is added: it would be converted to have what the segments before it have.
    if identifier in surfaces:
        segment.AddRepresentation(_CLOSED_SURFACE, surfaces[identifier])
    segmentation.AddSegment(segment, identifier)


def _oriented_image(node: Any) -> Any:
    """The voxels of a volume node as a labelmap; not copied."""
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(node.GetImageData())
    image.SetImageToWorldMatrix(matrix)
    return image
