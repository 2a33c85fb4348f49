"""What a prediction becomes in the scene, and how its nodes, and those of its case, are found again."""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import slicer
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction

from coranet.contract import Job, JobKind, Label, PredictionFiles
from coranet.contract.errors import CoraNetError

from .context import SceneContext
from .images import has_remembered_grid
from .translation import _

CASE_ATTRIBUTE = "CoraNetSlicer.Case"
# On a segmentation of a person's that gave way to a result; saved with the scene, so that it comes back.
HIDDEN_ATTRIBUTE = "CoraNetSlicer.HiddenForResult"
PREDICTION_ATTRIBUTE = "CoraNetSlicer.Prediction"
PART_ATTRIBUTE = "CoraNetSlicer.PredictionPart"
# Where the files of a result lie; the other marks hold names, this a path of the machine that loaded it.
FOLDER_ATTRIBUTE = "CoraNetSlicer.PredictionFolder"
# On a result whose voxels are those of the review that the scene keeps; goes when the result is loaded anew.
REVIEWED_ATTRIBUTE = "CoraNetSlicer.Reviewed"
# On overlays: what the heads named where their bounds follow a decision; goes when the result is loaded anew.
BOUNDS_ATTRIBUTE = "CoraNetSlicer.DecidedBounds"
# On a result while its segments are being filled in.
FILLING_ATTRIBUTE = "CoraNetSlicer.Filling"
VOLUME_REFERENCE = "CoraNetSlicer.Volume"
# No white space: XML readers change it. No file system but POSIX allows it in a name.
_BETWEEN_KEYS = "|"
UNCERTAINTY_COLORS = "CoraNet uncertainty colors"
UNCERTAIN_SEGMENT = "uncertain"
UNCERTAIN_COLOR = (1.0, 0.85, 0.1)
# For classes without a colour. Found by a search: with normal vision and without red or green cones, each stands out
# from every grey, from the others and from the uncertain yellow (Testing/slicer/test_contour_colors.py: how far).
STRUCTURE_COLORS = ((0.375, 0.75, 1.0), (0.875, 0.375, 0.0), (0.5, 0.0, 1.0), (0.5, 0.875, 0.5), (0.625, 0.375, 0.25))
# A hue so near to that of the uncertain region, in parts of the circle, is yellow.
_YELLOW_HUES, _LEAST_SATURATION = 15 / 360, 0.15
_VALUES_END = 65536


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
    """The class's own colour, or a fixed one by its value: also in place of yellow, which is the uncertain region's."""
    own = label.color
    return own if own and not _is_yellow(own) else STRUCTURE_COLORS[(label.value - 1) % len(STRUCTURE_COLORS)]


def _is_yellow(color: tuple[float, float, float]) -> bool:
    """Whether contours in a colour's hue would be taken for the uncertain region; so is Slicer's second segment."""
    hue, _lightness, saturation = colorsys.rgb_to_hls(*color)
    return saturation > _LEAST_SATURATION and abs(hue - colorsys.rgb_to_hls(*UNCERTAIN_COLOR)[0]) < _YELLOW_HUES


def case_key(job: Job, case_id: str) -> str:
    """What marks the nodes of a case: "<identifier of the job>/<case id>"."""
    return f"{job.identifier}/{case_id}"


def key_of_files(files: PredictionFiles) -> str:
    """The `case_key` of a result's files; where they lie without their job, what takes its place is the scan's hash.

    Raises:
        JobError: the job, or result.json, is damaged.
    """
    folder = files.folder.parent.parent
    if Job.exists(folder):
        return case_key(Job.open(folder), files.folder.name)
    scan = files.read_result().get("scan") or {}
    return f"{scan.get('voxels', folder.name)}/{files.folder.name}"


def marked_volumes(scene: Any, job: Job, case_id: str) -> list[Any]:
    """The volume nodes that are marked as a case of a job."""
    key = case_key(job, case_id)
    return [node for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode") if key in case_keys(node)]


def names_in_scene(scene: Any, job: Job) -> dict[str, str]:
    """By the id of a case, the name of the volume node that is marked as that case of a job."""
    prefix = f"{job.identifier}/"
    return {
        key.removeprefix(prefix): str(node.GetName())
        # The first volume last: a copy bears the same mark.
        for node in reversed(nodes_of_class(scene, "vtkMRMLScalarVolumeNode"))
        for key in case_keys(node)
        if key.startswith(prefix)
    }


def is_filled(segmentation_node: Any) -> bool:
    """Whether a result is whole: not so while it is being loaded, or where that was broken off."""
    return not segmentation_node.GetAttribute(FILLING_ATTRIBUTE)


def find_prediction_files(segmentation_node: Any, jobs_folder: Optional[Path] = None) -> Optional[PredictionFiles]:
    """The files of a result in the scene: where they were when it was loaded, else among the jobs of a folder.

    None if they are not there, such as on another computer.
    """
    key = str(segmentation_node.GetAttribute(PREDICTION_ATTRIBUTE) or "")
    case_id = key.partition("/")[2]
    remembered = segmentation_node.GetAttribute(FOLDER_ATTRIBUTE)
    places = [Path(remembered)] if remembered else []
    if jobs_folder is not None and case_id:
        jobs = Job.folders_in(jobs_folder)
        places += [Job(path, JobKind.SEGMENT).prediction_folder(case_id) for path in jobs]
    return next((PredictionFiles(place) for place in places if _is_result_of(PredictionFiles(place), key)), None)


def _is_result_of(files: PredictionFiles, key: str) -> bool:
    """Whether files are those of a result: another job may lie where its job was."""
    if not files.result.is_file():
        return False
    try:
        return key == key_of_files(files)
    except CoraNetError:
        return False


def job_name(segmentation_node: Any) -> str:
    """What people call the job of a result: its folder when the result was loaded; "" if unknown."""
    folder = str(segmentation_node.GetAttribute(FOLDER_ATTRIBUTE) or "")
    # The path may be of another system.
    parts = [part for part in re.split(r"[/\\]", folder) if part]
    return parts[-3] if len(parts) >= 3 else ""


def mark_as_case(volume_node: Any, key: str) -> None:
    """Note on a volume that it is the case `key`, see `case_key`; it may be a case of several jobs."""
    keys = case_keys(volume_node)
    if key not in keys:
        volume_node.SetAttribute(CASE_ATTRIBUTE, _BETWEEN_KEYS.join([*keys, key]))


def mark_as_cases_of(scene: Any, job: Job, others: Mapping[str, Iterable[str]]) -> None:
    """Note on the volumes in a scene that they are cases of a job.

    `others` has, by id of the case in that job, keys by which its volume is known already.
    """
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        own_keys = set(case_keys(node))
        for case_id, keys in others.items():
            if own_keys & set(keys):
                mark_as_case(node, case_key(job, case_id))


def case_keys(volume_node: Any) -> list[str]:
    """Of which jobs a volume is which case: the `case_key` of each."""
    attribute = volume_node.GetAttribute(CASE_ATTRIBUTE)
    return attribute.split(_BETWEEN_KEYS) if attribute else []


def uncertainty_color_node(context: SceneContext) -> Any:
    """Slicer's Inferno; where the application's colour files are absent, a table of evenly rising lightness."""
    for identifier in ("vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLColorTableNodeFileViridis.txt"):
        if context.scene.GetNodeByID(identifier):
            return context.scene.GetNodeByID(identifier)
    table = context.scene.GetFirstNodeByName(UNCERTAINTY_COLORS)
    if table is not None:
        return table
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


def nodes_of_class(scene: Any, node_class: str) -> list[Any]:
    """All nodes of a class, and of those derived from it."""
    return [scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))]


def is_result(node: Any) -> bool:
    """Whether a node was made from a result of ours, and is not a person's copy of it."""
    return bool(node.GetAttribute(PART_ATTRIBUTE)) and not is_copy(node)


def is_copy(node: Any) -> bool:
    """Whether a segmentation is a person's copy of one of a result; of many nodes, ask `copies` once."""
    scene = node.GetScene()
    return scene is not None and bool(node.GetAttribute(PART_ATTRIBUTE)) and node in copies(scene)


def copies(scene: Any) -> frozenset[Any]:
    """The segmentations that are a person's copies of those of results: the module Data copies their marks, too.

    Some versions of Slicer leave out which volume a clone refers to, though it is there. In others, the result is the
    one that came first.
    """
    marked, found = set(), set()
    for node in nodes_of_class(scene, "vtkMRMLSegmentationNode"):
        if node.GetAttribute(PART_ATTRIBUTE):
            marks = _marks(node)
            if marks in marked or _is_copy_without_volume(node):
                found.add(node)
            marked.add(marks)
    return frozenset(found)


def _is_copy_without_volume(node: Any) -> bool:
    if node.GetNodeReferenceID(VOLUME_REFERENCE) is not None or not node.IsA("vtkMRMLSegmentationNode"):
        return False
    key = str(node.GetAttribute(PREDICTION_ATTRIBUTE))
    return any(key in case_keys(scan) for scan in nodes_of_class(node.GetScene(), "vtkMRMLScalarVolumeNode"))


def _marks(node: Any) -> tuple[Optional[str], ...]:
    attributes = (node.GetAttribute(name) for name in (PART_ATTRIBUTE, PREDICTION_ATTRIBUTE))
    return (*attributes, node.GetNodeReferenceID(VOLUME_REFERENCE))


def results_in_scene(scene: Any) -> list[LoadedPrediction]:
    """All results, in the order in which they came; a part that was deleted is None.

    So is a volume that has another grid now. With an empty `result`: what was computed is in the nodes.
    """
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for node in _nodes_with_part(scene):
        if _is_copy_without_volume(node):
            continue
        key = (str(node.GetAttribute(PREDICTION_ATTRIBUTE)), str(node.GetNodeReferenceID(VOLUME_REFERENCE)))
        # The first: those behind it are copies.
        parts.setdefault(key, {}).setdefault(node.GetAttribute(PART_ATTRIBUTE), node)
    return [_loaded(nodes) for nodes in parts.values() if "result" in nodes]


def results_by_key(scene: Any) -> dict[str, Any]:
    """The segmentation node of each result that is complete and lies on its volume, by the `case_key` of its case."""
    nodes = (loaded.segmentation for loaded in results_in_scene(scene) if loaded.volume is not None)
    return {str(node.GetAttribute(PREDICTION_ATTRIBUTE)): node for node in nodes if is_filled(node)}


def result_texts(results: Iterable[LoadedPrediction]) -> dict[str, str]:
    """What people call results, by id of the segmentation: as their volume, and where it has several, by the job, too.

    No two are called the same: volumes of one name are numbered, and so are results of one job name.
    """
    results = list(results)
    volumes = {id(result.volume): result.volume.GetName() for result in results if result.volume is not None}
    names = dict(zip(volumes, _numbered(list(volumes.values())), strict=True))
    owners = [str(names.get(id(result.volume), result.segmentation.GetName())) for result in results]
    counts = Counter(owners)
    texts = []
    for name, result in zip(owners, results, strict=True):
        job = job_name(result.segmentation) if counts[name] > 1 else ""
        texts.append(f"{name} ({job})" if job else name)
    return dict(zip((str(result.segmentation.GetID()) for result in results), _numbered(texts), strict=True))


def _numbered(texts: Sequence[str]) -> list[str]:
    """Texts of which those that are equal are numbered: a, b, b gives a, b [1], b [2]."""
    counts = Counter(texts)
    numbers = [Counter(texts[: index + 1])[text] for index, text in enumerate(texts)]
    return [f"{text} [{number}]" if counts[text] > 1 else text for text, number in zip(texts, numbers, strict=True)]


def _nodes_with_part(scene: Any) -> Iterator[Any]:
    for node_class in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
        for index in range(scene.GetNumberOfNodesByClass(node_class)):
            node = scene.GetNthNodeByClass(index, node_class)
            if node.GetAttribute(PART_ATTRIBUTE):
                yield node


def _loaded(parts: dict[str, Any]) -> LoadedPrediction:
    segmentation = parts["result"]
    volume = segmentation.GetNodeReference(VOLUME_REFERENCE)
    # A node that was deleted is still referred to; of one that was cropped, indices mean other places.
    is_there = volume is not None and volume.GetScene() is not None and has_remembered_grid(segmentation, volume)
    return LoadedPrediction(
        volume=volume if is_there else None,
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


def verdict_name(verdict: str) -> str:
    """How good a result is expected to be, in the language of the application."""
    return {"good": _("good"), "look": _("look"), "poor": _("poor")}.get(verdict, verdict)
