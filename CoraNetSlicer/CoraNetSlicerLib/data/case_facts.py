"""What the checks of cases need to know of nodes: found in a sample of voxels, remembered until they change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract.errors import DataError

from ..core.case_images import require_usable_volume
from ..core.segment_classes import BINARY_LABELMAP, first_labelmap, is_empty_segment, segments_of

# Enough for percentiles, little enough for an event loop: under a millisecond where the voxels are in memory.
_SAMPLED_VOXELS = 4000
# Enough to tell a volume by a tenth, as long as so many of them lie in it.
_SAMPLED_FOR_VOLUME, _ENOUGH_HITS = 100_000, 100
# As for files, in coranet.contract: a scan has more grey values, and a label map is mostly background.
_MOST_LABELS, _LEAST_BACKGROUND = 40, 0.2
_Facts = TypeVar("_Facts")


@dataclass(frozen=True)
class VolumeFacts:
    """What is known of a volume.

    Attributes:
        problem: why it cannot be used, in a sentence; "": it can, and only then the others have a meaning.
        size_ijk: voxels.
        spacing_mm: along i, j, k.
        low: 2nd percentile of a sample of its voxels, NaN left out.
        median: 50th percentile.
        high: 98th percentile.
        lowest: of the sample.
        digest: equal for equal images; different images may rarely share one.
        file: path of the file it was loaded from or saved to; "" without one.
        is_label_map: whether the sample has few values, whole numbers, of which most are 0.
    """

    problem: str = ""
    size_ijk: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    low: float = 0.0
    median: float = 0.0
    high: float = 0.0
    lowest: float = 0.0
    digest: str = ""
    file: str = ""
    is_label_map: bool = False


@dataclass(frozen=True)
class SegmentationFacts:
    """What is known of a segmentation.

    Attributes:
        empty: names of the segments without a voxel.
        spacing_mm: of its voxels along i, j, k; () if it has none.
        volumes_ml: by name, about, of the segments that have voxels.
    """

    empty: tuple[str, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    volumes_ml: Mapping[str, float] = field(default_factory=dict)


class NodeFacts:
    """Finds facts of nodes, and remembers them for as long as a node does not change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Any]] = {}
        self._same: dict[tuple[str, str, str], bool] = {}

    def of_volume(self, node: Any) -> VolumeFacts:
        """Facts of a volume node."""
        image = node.GetImageData()
        stamp = (node.GetMTime(), image.GetMTime() if image is not None else 0)
        return self._remembered(node, stamp, _volume_facts)

    def of_segmentation(self, node: Any) -> SegmentationFacts:
        """Facts of a segmentation node."""
        segments = segments_of(node)
        labelmaps = [segment.GetRepresentation(BINARY_LABELMAP) for segment in segments]
        stamp = (
            node.GetSegmentation().GetMTime(),
            tuple(segment.GetMTime() for segment in segments),
            tuple(labelmap.GetMTime() for labelmap in labelmaps if labelmap is not None),
            _transform_time(node),
        )
        return self._remembered(node, stamp, _segmentation_facts)

    def are_same_image(self, first: Any, second: Any) -> bool:
        """Whether two volumes hold the same voxels; only where a sample says so, all of them are compared, once."""
        digest = self.of_volume(first).digest
        if not digest or digest != self.of_volume(second).digest:
            return False
        key = (first.GetID(), second.GetID(), digest)
        if key not in self._same:
            self._same[key] = bool(np.array_equal(_voxels(first), _voxels(second)))
        return self._same[key]

    def forget(self) -> None:
        """Forget all nodes: those of a scene that was closed."""
        self._known.clear()
        self._same.clear()

    def _remembered(self, node: Any, stamp: Any, find: Callable[[Any], _Facts]) -> _Facts:
        known = self._known.get(node.GetID())
        if known is None or known[0] != (id(node), stamp):
            known = ((id(node), stamp), find(node))
            self._known[node.GetID()] = known
        found: _Facts = known[1]
        return found


def looks_like_labels(voxels: np.ndarray) -> bool:
    """Whether a sample of the voxels of a volume has few values, whole numbers, and most are background."""
    values, counts = np.unique(voxels, return_counts=True)
    if not 1 < len(values) <= _MOST_LABELS or values[0] != 0 or not (values == np.rint(values)).all():
        return False
    return bool(counts[0] >= _LEAST_BACKGROUND * voxels.size)


def _volume_facts(node: Any) -> VolumeFacts:
    try:
        require_usable_volume(node)
    except DataError as error:
        return VolumeFacts(problem=str(error))
    voxels = _voxels(node)
    size = tuple(int(part) for part in node.GetImageData().GetDimensions())
    sample = np.ascontiguousarray(voxels[:: _step(voxels.size)])
    finite = sample[np.isfinite(sample)]
    low, median, high, lowest = np.percentile(finite, [2, 50, 98, 0]).tolist() if finite.size else [0.0] * 4
    content = hashlib.sha256(repr((size, str(voxels.dtype))).encode() + sample.tobytes())
    return VolumeFacts(
        size_ijk=size,
        spacing_mm=tuple(node.GetSpacing()),
        low=low,
        median=median,
        high=high,
        lowest=lowest,
        digest=content.hexdigest(),
        file=_file_of(node),
        is_label_map=looks_like_labels(sample),
    )


def _segmentation_facts(node: Any) -> SegmentationFacts:
    empty = tuple(str(segment.GetName()) for segment in segments_of(node) if is_empty_segment(segment))
    labelmap = first_labelmap(node)
    spacing = tuple(labelmap.GetSpacing()) if labelmap is not None else ()
    volumes = {str(segment.GetName()): _about_ml(segment) for segment in segments_of(node)}
    return SegmentationFacts(empty, spacing, {name: ml for name, ml in volumes.items() if ml})


def _about_ml(segment: Any) -> float:
    """The volume of a segment, of large ones from a sample; 0 where it has no voxels."""
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None and labelmap.GetNumberOfPoints() else None
    if scalars is None:
        return 0.0
    voxels, value = vtk_to_numpy(scalars), segment.GetLabelValue()
    step = (voxels.size // _SAMPLED_FOR_VOLUME) | 1
    count = int(np.count_nonzero(voxels[::step] == value)) * step
    if count < _ENOUGH_HITS * step and step > 1:
        count = int(np.count_nonzero(voxels == value))
    return float(count * np.prod(labelmap.GetSpacing())) / 1000.0


def _voxels(node: Any) -> np.ndarray:
    voxels: np.ndarray = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    return voxels


def _step(voxels: int) -> int:
    # Odd, so that it does not run down one column of an image whose rows are a power of two long.
    return (voxels // _SAMPLED_VOXELS) | 1


def _transform_time(node: Any) -> int:
    transform = node.GetParentTransformNode()
    return int(transform.GetMTime()) if transform is not None else 0


def _file_of(node: Any) -> str:
    storage = node.GetStorageNode()
    return str(storage.GetFileName() or "") if storage is not None else ""
