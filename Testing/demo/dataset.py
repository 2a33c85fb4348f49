"""A dataset.json as a person would have it in Slicer: volume nodes, and segmentation nodes drawn on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer

from coranet.contract import Label
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.images import read_image
from CoraNetSlicerLib.core.results import label_color

Pair = tuple[Any, Any]


@dataclass
class SceneData:
    """Nodes by role; pairs are (volume node, segmentation node), the segmentation None where the test has no label."""

    labels: list[Label]
    training: list[Pair] = field(default_factory=list)
    validation: list[Pair] = field(default_factory=list)
    test: list[Pair] = field(default_factory=list)
    unlabeled: list[Any] = field(default_factory=list)


def load_dataset(context: SceneContext, path: Path) -> SceneData:
    """Load all images and labels of a Decathlon-like dataset.json into the scene.

    Raises:
        DataError: the file or one of its images cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labels = [Label(int(value), name) for value, name in content["labels"].items() if int(value) != 0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"'{path}' must be a dataset.json with 'labels' and 'training' ({error!r}).") from error
    data = SceneData(labels)
    for role in ("training", "validation", "test"):
        for image, label in _rows(content, role, path.parent):
            volume = _load_volume(context, image, role)
            getattr(data, role).append((volume, _load_segmentation(context, label, volume, labels) if label else None))
    data.unlabeled = [
        _load_volume(context, image, "unlabeled") for image, _ in _rows(content, "unlabeled", path.parent)
    ]
    return data


def _rows(content: dict[str, Any], role: str, folder: Path) -> Iterator[tuple[Path, Path | None]]:
    for row in content.get(role, ()):
        # The Decathlon's own files list test images without a label as plain text.
        row = {"image": row} if isinstance(row, str) else row
        yield folder / row["image"], folder / row["label"] if row.get("label") else None


def _load_volume(context: SceneContext, path: Path, role: str) -> Any:
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    node.SetName(context.scene.GenerateUniqueName(f"{role} {path.name.split('.')[0]}"))
    context.scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def _load_segmentation(context: SceneContext, path: Path, volume: Any, labels: list[Label]) -> Any:
    labelmap = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    image = context.segmentations_logic.CreateOrientedImageDataFromVolumeNode(labelmap)
    node = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{volume.GetName()} truth")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for label in labels:
        segment = slicer.vtkSegment()
        segment.SetName(label.name)
        segment.SetColor(*label_color(label))
        segment.SetLabelValue(label.value)
        segment.AddRepresentation("Binary labelmap", image)
        node.GetSegmentation().AddSegment(segment)
    node.GetDisplayNode().SetVisibility(False)
    hierarchy = context.subject_hierarchy
    hierarchy.CreateItem(hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume), node)
    return node
