"""The results that a scene holds, whoever loaded them: known by their attributes, also where result.json is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from coranet.contract import Label

from ..core.results import (
    PART_ATTRIBUTE,
    PREDICTION_ATTRIBUTE,
    VOLUME_REFERENCE,
    LoadedPrediction,
    job_name,
    segment_id,
)

_VALUES_END = 65536


def results_in_scene(scene: Any) -> list[LoadedPrediction]:
    """All results, in the order in which they came; a part that was deleted is None.

    Args:
        scene: vtkMRMLScene.

    Returns:
        With an empty `result`: what was computed is in the nodes.
    """
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for node in _nodes_with_part(scene):
        key = (str(node.GetAttribute(PREDICTION_ATTRIBUTE)), str(node.GetNodeReferenceID(VOLUME_REFERENCE)))
        parts.setdefault(key, {})[node.GetAttribute(PART_ATTRIBUTE)] = node
    return [_loaded(found) for found in parts.values() if "result" in found]


def result_texts(results: Iterable[LoadedPrediction]) -> dict[str, str]:
    """What people call results: the volume, and the job that made it; no two results are called the same.

    Args:
        results: as of `results_in_scene`.

    Returns:
        By id of the segmentation; volumes of one name are numbered, and so are results of one job name.
    """
    results = list(results)
    volumes = {id(result.volume): result.volume.GetName() for result in results if result.volume is not None}
    names = dict(zip(volumes, _numbered(list(volumes.values())), strict=True))
    texts = []
    for result in results:
        name, job = names.get(id(result.volume), result.segmentation.GetName()), job_name(result.segmentation)
        texts.append(f"{name} ({job})" if job else str(name))
    return dict(zip((str(result.segmentation.GetID()) for result in results), _numbered(texts), strict=True))


def _numbered(texts: Sequence[str]) -> list[str]:
    """Texts of which those that are equal are numbered: a, b, b gives a, b [1], b [2]."""
    counts = Counter(texts)
    seen = [Counter(texts[: index + 1])[text] for index, text in enumerate(texts)]
    return [f"{text} [{number}]" if counts[text] > 1 else text for text, number in zip(texts, seen, strict=True)]


def _nodes_with_part(scene: Any) -> Iterator[Any]:
    for node_class in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
        for index in range(scene.GetNumberOfNodesByClass(node_class)):
            node = scene.GetNthNodeByClass(index, node_class)
            if node.GetAttribute(PART_ATTRIBUTE):
                yield node


def _loaded(parts: dict[str, Any]) -> LoadedPrediction:
    segmentation = parts["result"]
    volume = segmentation.GetNodeReference(VOLUME_REFERENCE)
    return LoadedPrediction(
        # A node that was deleted is still referred to.
        volume=volume if volume is not None and volume.GetScene() is not None else None,
        segmentation=segmentation,
        overlays=parts.get("overlays"),
        uncertainty=parts.get("uncertainty"),
        labels=tuple(_labels(segmentation)),
        result={},
    )


def _labels(segmentation_node: Any) -> Iterator[Label]:
    """The classes; segments that a person added are none."""
    segmentation = segmentation_node.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        value = _class_value(segmentation.GetNthSegmentID(index))
        if value is not None:
            segment = segmentation.GetNthSegment(index)
            yield Label(value, str(segment.GetName()), tuple(segment.GetColor()))


def _class_value(identifier: str) -> Optional[int]:
    tail = identifier.rpartition("-")[2]
    value = int(tail) if tail.isdigit() else 0
    is_class = 0 < value < _VALUES_END and identifier == segment_id(Label(value, ""))
    return value if is_class else None
