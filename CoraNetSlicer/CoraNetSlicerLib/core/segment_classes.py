"""From segments to classes: which segment of which case is which label value, and the label map."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import reference, vtkStringArray
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

from coranet.contract import Label
from coranet.contract.errors import DataError
from coranet.contract.segment_names import match_name

from .case_images import LabelFile, label_type
from .context import SceneContext
from .images import ijk_to_ras, oriented_image, size_kji, voxels_of

# Names of the representations of a segment.
BINARY_LABELMAP, CLOSED_SURFACE = "Binary labelmap", "Closed surface"
# Instead of a label map: of a model that was imported, of contours for radiotherapy, of shares of voxels.
_OTHER_REPRESENTATIONS = (CLOSED_SURFACE, "Planar contour", "Ribbon model", "Fractional labelmap")
# Of a large layer, odd steps so that no column is followed.
_SAMPLED_VOXELS = 4000
# Slicer gives this type to every new segment, so it describes none.
_ANY_TISSUE = "SCT^85756007^Tissue"


def classes_of(sources: Sequence[Any], segment_names: Optional[Sequence[str]] = None) -> tuple[Label, ...]:
    """The classes that a set of segmentations teaches. A segment is known by its name, whatever its ID or value.

    Names are the same by `coranet.contract.segment_names`: "Liver" of one case is "liver " of another.

    Args:
        sources: vtkMRMLSegmentationNode or LabelFile of each labeled case.
        segment_names: the segments to learn; None: all, and then each case must have the same ones. An empty
            segment is allowed and means that the case has none of it.

    Returns:
        Labels with the values that they have in the first label file; those in no file have the lowest free values in
        order of first appearance (or of `segment_names`). Colours and terminology are as in the first case that has
        them.

    Raises:
        DataError: a case lacks a segment, has two of one name, or contradicts another case's terminology.
    """
    first = sources[0]
    names = list(segment_names) if segment_names is not None else segment_names_of(first)
    if not names:
        raise DataError(f"'{source_name(first)}' has no segment; paint at least one, or use its volume as unlabeled.")
    for source in sources:
        _require_unique_names(source, names)
        _require_same_names(source, names, first, chosen=segment_names is not None)
    nodes = [source for source in sources if not isinstance(source, LabelFile)]
    values = _values(names, [source for source in sources if isinstance(source, LabelFile)])
    return tuple(_label(values[name], name, nodes) for name in names)


def source_name(source: Any) -> str:
    """The name of a segmentation node or of a label file, for messages."""
    return str(source.name if isinstance(source, LabelFile) else source.GetName())


def segment_names_of(source: Any) -> list[str]:
    """Names of the segments of a segmentation node or of a label file, in order."""
    if isinstance(source, LabelFile):
        return [source.names[value] for value in sorted(source.names)]
    return [_name(segment) for segment in segments_of(source)]


def segments_of(node: Any) -> list[Any]:
    """The segments of a segmentation node, in order."""
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(index) for index in range(segmentation.GetNumberOfSegments())]


def first_labelmap(node: Any) -> Optional[Any]:
    """The first label map with voxels of a segmentation; None: it has none."""
    labelmaps = (segment.GetRepresentation(BINARY_LABELMAP) for segment in segments_of(node))
    return next((labelmap for labelmap in labelmaps if labelmap is not None and labelmap.GetNumberOfPoints()), None)


def is_empty_segment(segment: Any) -> bool:
    """Whether a segment has neither voxels nor a surface or contours."""
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    if labelmap is None:
        others = (segment.GetRepresentation(name) for name in _OTHER_REPRESENTATIONS)
        return all(other is None or other.GetNumberOfPoints() == 0 for other in others)
    scalars = labelmap.GetPointData().GetScalars() if labelmap.GetNumberOfPoints() else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        return True
    voxels, value = vtk_to_numpy(scalars), segment.GetLabelValue()
    # Most segments are found in the sample; only small ones need a look at everything.
    return not ((voxels[:: (voxels.size // _SAMPLED_VOXELS) | 1] == value).any() or (voxels == value).any())


def paint_labels(
    context: SceneContext, segmentation_node: Any, volume_node: Any, labels: Sequence[Label]
) -> Generator[None, None, np.ndarray]:
    """The segments as label values on the volume's own grid; transforms above the two nodes are taken into account.

    Stops after each class.

    Returns:
        uint8 (uint16 for values above 255) of shape (k, j, i); 0 where no segment is. All of it is 0 where all segments
        are empty: that teaches that there is none.

    Raises:
        DataError: two segments overlap, or they have voxels and none inside the volume.
    """
    result = np.zeros(size_kji(volume_node), dtype=label_type(labels))
    for label in labels:
        mask = _segment_mask(context, segmentation_node, volume_node, label.name)
        painted = result[mask]
        overlapping = painted[painted > 0]
        if overlapping.size:
            other = next(earlier.name for earlier in labels if earlier.value == overlapping[0])
            raise DataError(
                f"the segments '{other}' and '{label.name}' of '{segmentation_node.GetName()}' overlap in "
                f"{np.count_nonzero(overlapping == overlapping[0])} voxels; give each voxel to one of them."
            )
        result[mask] = label.value
        yield
    if not result.any() and not _is_meant_empty(segmentation_node, [label.name for label in labels]):
        raise DataError(
            f"no segment of '{segmentation_node.GetName()}' has a voxel inside '{volume_node.GetName()}'; paint at "
            "least one, or use the volume as unlabeled."
        )
    return result


def _is_meant_empty(node: Any, names: Sequence[str]) -> bool:
    """Whether nothing was painted anywhere, as where there is no structure; outside of the volume it is a mistake."""
    return all(is_empty_segment(segment) for segment in segments_of(node) if _name(segment) in names)


def _name(segment: Any) -> str:
    return str(segment.GetName())


def _values(names: Sequence[str], files: Sequence[LabelFile]) -> dict[str, int]:
    values: dict[str, int] = {}
    for file in files:
        for value, own in sorted(file.names.items()):
            name = match_name(own, names)
            if name is not None and name not in values and value not in values.values():
                values[name] = value
    free = (value for value in range(1, len(names) + len(values) + 1) if value not in set(values.values()))
    return {name: values[name] if name in values else next(free) for name in names}


def _require_unique_names(source: Any, names: Sequence[str]) -> None:
    present = segment_names_of(source)
    doubled = sorted(own for name in set(names) if present.count(own := match_name(name, present) or name) > 1)
    if doubled:
        raise DataError(
            f"'{source_name(source)}' has more than one segment named '{doubled[0]}'; rename or merge them."
        )


def _require_same_names(source: Any, names: Sequence[str], first: Any, chosen: bool) -> None:
    present = set(segment_names_of(source))
    missing = [name for name in names if match_name(name, present) is None]
    extra = [] if chosen else sorted(name for name in present if match_name(name, names) is None)
    if missing:
        raise DataError(
            f"'{source_name(source)}' lacks the segment{'s' if len(missing) > 1 else ''} {_quoted(missing)}; add what "
            "is missing (an empty segment if the case has none of it), rename, or choose other segment names."
        )
    if extra:
        raise DataError(
            f"'{source_name(source)}' has the segment{'s' if len(extra) > 1 else ''} {_quoted(extra)}, which "
            f"'{source_name(first)}' lacks; make the names the same in all cases, or choose segment names."
        )


def _label(value: int, name: str, nodes: Sequence[Any]) -> Label:
    segments = [segments_of(node)[_index(node, name)] for node in nodes]
    if not segments:
        return Label(value, name)
    terminology, meaning, owner = "", "", ""
    for node, segment in zip(nodes, segments, strict=False):
        entry = _terminology(segment)
        meaning_here = _meaning(entry)
        if meaning_here and meaning and meaning_here != meaning:
            raise DataError(
                f"the segment '{name}' has another terminology in '{node.GetName()}' than in '{owner}'; "
                "correct one of them, or give different things different names."
            )
        if meaning_here and not meaning:
            terminology, meaning, owner = entry, meaning_here, node.GetName()
    return Label(value, name, tuple(segments[0].GetColor()), terminology or _terminology(segments[0]))


def _terminology(segment: Any) -> str:
    # Slicer before 5.10 has no GetTerminology.
    entry = reference("")
    return str(entry) if segment.GetTag(segment.GetTerminologyEntryTagName(), entry) else ""


def _meaning(terminology: str) -> str:
    # context ~ category ~ type ~ type modifier ~ region context ~ region ~ region modifier
    parts = terminology.split("~")
    if len(parts) < 4 or parts[2] == _ANY_TISSUE:
        return ""
    # The codes count; the words beside them depend on the language.
    return "~".join("^".join(part.split("^")[:2]) for part in parts[1:4])


def _segment_mask(context: SceneContext, segmentation_node: Any, volume_node: Any, name: str) -> np.ndarray:
    if segmentation_node.GetScene() is not context.scene:
        raise DataError(f"'{segmentation_node.GetName()}' is no longer in the scene; load it, and start again.")
    index = _index(segmentation_node, name)
    segmentation = segmentation_node.GetSegmentation()
    if is_empty_segment(segmentation.GetNthSegment(index)):
        return np.zeros(size_kji(volume_node), dtype=bool)
    identifiers = vtkStringArray()
    identifiers.InsertNextValue(segmentation.GetNthSegmentID(index))
    is_moved = segmentation_node.GetTransformNodeID() != volume_node.GetTransformNodeID()
    scene = context.scene
    before = {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "CoraNetSlicer export")
    try:
        exported = context.segmentations_logic.ExportSegmentsToLabelmapNode(
            segmentation_node, identifiers, labelmap, None if is_moved else volume_node
        )
        image = labelmap.GetImageData()
        scalars = image.GetPointData().GetScalars() if exported and image is not None else None
        if scalars is None:
            raise DataError(
                f"the segment '{name}' of '{segmentation_node.GetName()}' cannot be brought onto the grid of "
                f"'{volume_node.GetName()}'; check that it has a binary label map."
            )
        return (_on_grid_of(volume_node, labelmap, segmentation_node) if is_moved else voxels_of(image)) > 0
    finally:
        # The export leaves a display node and a colour table behind, too.
        for index in reversed(range(scene.GetNumberOfNodes())):
            node = scene.GetNthNode(index)
            if node is not None and node.GetID() not in before:
                scene.RemoveNode(node)


def _on_grid_of(volume_node: Any, labelmap: Any, segmentation_node: Any) -> np.ndarray:
    """The voxels (k, j, i) of a label map of a segmentation where a volume's lie, both under transforms of their own.

    Slicer's own export cuts segments off here: where voxels lie obliquely, it takes the box around them too small.
    """
    to_volume, grid, image = vtkGeneralTransform(), slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    own, other = (node.GetParentTransformNode() for node in (segmentation_node, volume_node))
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(own, other, to_volume)
    grid.SetExtent(volume_node.GetImageData().GetExtent())
    grid.SetImageToWorldMatrix(ijk_to_ras(volume_node))
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        oriented_image(labelmap), grid, image, False, False, to_volume
    )
    return voxels_of(image)


def _index(segmentation_node: Any, name: str) -> int:
    # GetSegmentIdBySegmentName takes the first of "Lesion" and "lesion" where both are there.
    names = [_name(segment) for segment in segments_of(segmentation_node)]
    own = match_name(name, names)
    if own is None:
        raise DataError(
            f"'{segmentation_node.GetName()}' has no segment '{name}' any more; start again with those that it has."
        )
    return names.index(own)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
