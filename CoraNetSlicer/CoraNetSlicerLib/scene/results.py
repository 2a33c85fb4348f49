"""Predictions of a job -> segmentation, overlay and uncertainty nodes under their volume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction

from coranet.errors import DataError
from coranet.job import Case, Job, Label

from .context import SceneContext
from .images import read_image, read_on_grid_of, require_unit_range, require_values, voxel_values

CASE_ATTRIBUTE = "CoraNetSlicer.Case"
PREDICTION_ATTRIBUTE = "CoraNetSlicer.Prediction"
PART_ATTRIBUTE = "CoraNetSlicer.PredictionPart"
VOLUME_REFERENCE = "CoraNetSlicer.Volume"
UNCERTAINTY_COLORS = "CoraNet uncertainty colors"
UNCERTAIN_SEGMENT = "uncertain"
UNCERTAIN_COLOR = (1.0, 0.85, 0.1)
# Uncertainty below this share of its range is not drawn, so that the map does not veil the image.
UNCERTAINTY_LOWER_THRESHOLD = 0.05

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
# For classes without a colour: distinguishable with every kind of colour vision, and none like the uncertain yellow.
_FALLBACK_COLORS = ((0.3, 0.65, 0.9), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.8, 0.47, 0.65), (0.0, 0.4, 0.65))


@dataclass(frozen=True)
class LoadedPrediction:
    """The nodes of one segmented case.

    The overlays are a node of their own: the result stays what a person corrects and exports, its statistics hold
    each voxel once, and the overlays go on and off together with a line width of their own.

    Attributes:
        volume: the input volume node.
        segmentation: vtkMRMLSegmentationNode with one segment for each class, ids `segment_id(label)`.
        overlays: vtkMRMLSegmentationNode of conservative, radical and uncertain segments; three layers.
        uncertainty: vtkMRMLScalarVolumeNode, float32 in [0, 1].
        labels: the classes.
        result: content of result.json.
        warnings: what the user should know, in sentences; empty if all is well.
    """

    volume: Any
    segmentation: Any
    overlays: Any
    uncertainty: Any
    labels: tuple[Label, ...]
    result: dict[str, Any]
    warnings: tuple[str, ...] = ()


def segment_id(label: Label, head: str = "segmentation") -> str:
    """Id of a class's segment: of the result, or of the "conservative" or "radical" overlay."""
    return f"{head}-{label.value}"


def label_color(label: Label) -> tuple[float, float, float]:
    """The class's own colour, or a fixed one by its value."""
    return label.color or _FALLBACK_COLORS[(label.value - 1) % len(_FALLBACK_COLORS)]


def load_prediction(context: SceneContext, prediction: Any, volume_node: Any) -> LoadedPrediction:
    """Bring the results of one case into the scene; results of the same case that are there already are replaced.

    Args:
        context: the scene.
        prediction: coranet.job PredictionFiles of the case.
        volume_node: the volume that was segmented.

    Raises:
        DataError: a file is missing or unreadable, lies on another grid than the volume, or holds unknown values.
        JobError: result.json is missing or damaged.
    """
    result = prediction.read_result()
    labels = _read_labels(result, prediction.result)
    images = {name: read_on_grid_of(volume_node, getattr(prediction, name)) for name in _IMAGE_NAMES}
    known = {0, *(label.value for label in labels)}
    for name in ("segmentation", "conservative", "radical"):
        require_values(images[name], known, getattr(prediction, name))
    require_values(images["uncertain"], {0, 1}, prediction.uncertain)
    require_unit_range(images["uncertainty"], prediction.uncertainty)
    nodes = _ResultNodes(context, volume_node, _case_key(prediction.folder))
    return LoadedPrediction(
        volume=volume_node,
        segmentation=nodes.fill_segmentation(images, labels),
        overlays=nodes.fill_overlays(images, labels),
        uncertainty=nodes.fill_uncertainty(images["uncertainty"]),
        labels=labels,
        result=result,
        warnings=tuple(_warnings(images["segmentation"], labels, volume_node.GetName())),
    )


def find_or_load_volume(context: SceneContext, job: Job, case: Case) -> Any:
    """The volume node of a case: the one in the scene that was exported for it, else its image file is loaded.

    Raises:
        DataError: the file is missing or is not an image that Slicer can read.
    """
    key = f"{job.folder.name}/{case.id}"
    for node in _nodes_of_class(context.scene, "vtkMRMLScalarVolumeNode"):
        if key in _case_keys(node):
            return node
    # Read before it enters the scene, so that a file that cannot be read leaves no empty node behind.
    node = read_image(Path(case.image), slicer.vtkMRMLScalarVolumeNode())
    node.SetName(context.scene.GenerateUniqueName(case.id))
    mark_as_case(node, key)
    context.scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def mark_as_case(volume_node: Any, key: str) -> None:
    """Note on a volume that it is the case `key`, "<job folder>/<case id>"; it may be a case of several jobs."""
    keys = _case_keys(volume_node)
    if key not in keys:
        volume_node.SetAttribute(CASE_ATTRIBUTE, _BETWEEN_KEYS.join([*keys, key]))


def _case_keys(volume_node: Any) -> list[str]:
    attribute = volume_node.GetAttribute(CASE_ATTRIBUTE)
    return attribute.split(_BETWEEN_KEYS) if attribute else []


# No white space: XML readers change it. No file system but POSIX allows it in a name.
_BETWEEN_KEYS = "|"

_IMAGE_NAMES = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")


class _ResultNodes:
    """Finds or makes the result nodes of one case and fills them."""

    def __init__(self, context: SceneContext, volume_node: Any, case_key: str) -> None:
        self._context = context
        self._volume = volume_node
        self._case_key = case_key

    def fill_segmentation(self, images: Mapping[str, Any], labels: Iterable[Label]) -> Any:
        node = self._node("vtkMRMLSegmentationNode", "result", "CoraNet")
        shared = _oriented_image(self._context, images["segmentation"])
        for label in labels:
            segment = _segment(label.name, label_color(label), label.value, shared)
            if label.terminology:
                segment.SetTag(segment.GetTerminologyEntryTagName(), label.terminology)
            node.GetSegmentation().AddSegment(segment, segment_id(label))
        return node

    def fill_overlays(self, images: Mapping[str, Any], labels: Iterable[Label]) -> Any:
        node = self._node("vtkMRMLSegmentationNode", "overlays", "CoraNet overlays")
        # One labelmap, that is one layer, a head: classes of one head exclude each other, the heads overlap.
        for head in ("conservative", "radical"):
            shared = _oriented_image(self._context, images[head])
            for label in labels:
                segment = _segment(f"{label.name} ({head})", label_color(label), label.value, shared)
                node.GetSegmentation().AddSegment(segment, segment_id(label, head))
        mask = _oriented_image(self._context, images["uncertain"])
        node.GetSegmentation().AddSegment(_segment("Uncertain", UNCERTAIN_COLOR, 1, mask), UNCERTAIN_SEGMENT)
        return node

    def fill_uncertainty(self, image: Any) -> Any:
        node = self._node("vtkMRMLScalarVolumeNode", "uncertainty", "CoraNet uncertainty")
        matrix = vtkMatrix4x4()
        image.GetIJKToRASMatrix(matrix)
        node.SetAndObserveImageData(image.GetImageData())
        node.SetIJKToRASMatrix(matrix)
        display = node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.AutoThresholdOff()
        display.SetThreshold(UNCERTAINTY_LOWER_THRESHOLD, 1.0)
        display.ApplyThresholdOn()
        display.SetAndObserveColorNodeID(uncertainty_color_node(self._context).GetID())
        return node

    def _node(self, node_class: str, part: str, suffix: str) -> Any:
        """The case's node of a part, emptied; a node that is there keeps its ID, so views and references stay valid."""
        node = next((old for old in _nodes_of_class(self._context.scene, node_class) if self._is_mine(old, part)), None)
        if node is None:
            name = self._context.scene.GenerateUniqueName(f"{self._volume.GetName()} {suffix}")
            node = self._context.scene.AddNewNodeByClass(node_class, name)
            node.SetAttribute(PART_ATTRIBUTE, part)
            node.SetAttribute(PREDICTION_ATTRIBUTE, self._case_key)
            node.SetNodeReferenceID(VOLUME_REFERENCE, self._volume.GetID())
            node.CreateDefaultDisplayNodes()
        if node_class == "vtkMRMLSegmentationNode":
            node.GetSegmentation().RemoveAllSegments()
            node.SetReferenceImageGeometryParameterFromVolumeNode(self._volume)
        node.SetAndObserveTransformNodeID(self._volume.GetTransformNodeID())
        self._place_under_volume(node)
        return node

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


def uncertainty_color_node(context: SceneContext) -> Any:
    """Slicer's Inferno; where the application's colour files are absent, a table of evenly rising lightness."""
    for identifier in ("vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLColorTableNodeFileViridis.txt"):
        if context.scene.GetNodeByID(identifier):
            return context.scene.GetNodeByID(identifier)
    made = context.scene.GetFirstNodeByName(UNCERTAINTY_COLORS)
    if made is not None:
        return made
    ramp = vtkColorTransferFunction()
    ramp.SetColorSpaceToLab()
    anchors = ((0.0, 0.0, 0.02), (0.34, 0.06, 0.43), (0.74, 0.22, 0.33), (0.98, 0.56, 0.04), (0.99, 1.0, 0.65))
    for index, color in enumerate(anchors):
        ramp.AddRGBPoint(index / (len(anchors) - 1), *color)
    node = slicer.vtkMRMLColorTableNode()
    node.SetName(UNCERTAINTY_COLORS)
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index in range(256):
        node.SetColor(index, f"{index / 255:.2f}", *ramp.GetColor(index / 255), 1.0)
    return context.scene.AddNode(node)


def _segment(name: str, color: tuple[float, float, float], value: int, labelmap: Any) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*color)
    segment.SetLabelValue(value)
    segment.AddRepresentation(_BINARY_LABELMAP, labelmap)
    return segment


def _oriented_image(context: SceneContext, node: Any) -> Any:
    return context.segmentations_logic.CreateOrientedImageDataFromVolumeNode(node)


def _nodes_of_class(scene: Any, node_class: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))]


def _case_key(prediction_folder: Path) -> str:
    return f"{prediction_folder.parent.parent.name}/{prediction_folder.name}"


def _read_labels(result: Mapping[str, Any], source: Path) -> tuple[Label, ...]:
    try:
        return tuple(Label(**row) for row in result["labels"])
    except (KeyError, TypeError) as error:
        raise DataError(f"'{source}' does not describe its labels ({error}); segment the volume again.") from error


def _warnings(segmentation: Any, labels: Iterable[Label], volume_name: str) -> Iterable[str]:
    found = set(np.unique(voxel_values(segmentation)).tolist())
    missing = [label.name for label in labels if label.value not in found]
    if found <= {0}:
        yield f"The model found nothing in '{volume_name}'; check that the volume is like those it was trained on."
    else:
        for name in missing:
            yield f"The model found no '{name}' in '{volume_name}'."
