"""Results come into the scene in small steps, between which the application goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from coranet.closed_surface import OVERLAY_SMOOTHING, RESULT_SMOOTHING
from coranet.contract import Case, Job, Label, PredictionFiles, ScanIdentity
from coranet.contract.errors import DataError

from ..core.case_volume import CaseVolume, is_scan
from ..core.context import SceneContext
from ..core.images import (
    lie_as,
    oriented_image,
    require_labels,
    require_unit_range,
    result_image_steps,
    voxel_values,
)
from ..core.results import (
    BOUNDS_ATTRIBUTE,
    FILLING_ATTRIBUTE,
    FOLDER_ATTRIBUTE,
    PART_ATTRIBUTE,
    PREDICTION_ATTRIBUTE,
    REVIEWED_ATTRIBUTE,
    UNCERTAIN_COLOR,
    UNCERTAIN_SEGMENT,
    VOLUME_REFERENCE,
    LoadedPrediction,
    key_of_files,
    label_color,
    nodes_of_class,
    segment_id,
    uncertainty_color_node,
)
from ..core.segment_classes import BINARY_LABELMAP, CLOSED_SURFACE
from ..core.stepwise import run_to_end
from .caution import note_caution, note_doubt
from .hiding import show_alone
from .overlays import apply_first_look, one_modification
from .segment_surfaces import surface_in_world

_LABEL_MAPS = ("segmentation", "conservative", "radical")
# Uncertainty below this share of its range is not drawn, so that the map does not veil the image.
UNCERTAINTY_LOWER_THRESHOLD = 0.05


class ResultLoading:
    """Brings the results of one case into the scene.

    Attributes:
        loaded: the LoadedPrediction; None until the last step.
    """

    def __init__(
        self, context: SceneContext, prediction: PredictionFiles, volume_node: Any, is_its_scan: bool = False
    ) -> None:
        """Say what to load for which volume; `is_its_scan`: that of the result, as `CaseVolume` finds it."""
        self.loaded: Any = None
        self._context = context
        self._prediction = prediction
        self._volume = volume_node
        self._is_its_scan = is_its_scan
        self._images: dict[str, Any] = {}
        self._surfaces: dict[str, Any] = {}
        self._indices_to_world = vtkMatrix4x4()

    def steps(self) -> Generator[object, None, LoadedPrediction]:
        """Do the work, each step a few milliseconds; nothing enters the scene before all files are read and checked.

        The nodes have their look then, and are hidden until `hiding.show_alone`: another result may be looked at.

        Yields:
            What was done, in a word or two.

        Returns:
            The nodes.

        Raises:
            DataError: a file is missing or unreadable, lies on another grid than the volume, or holds unknown values;
                the volume is another scan than the one that the result was computed on, or has left the scene.
            JobError: result.json is missing or damaged.
        """
        for step in self._all_steps():
            yield step
            if self._volume.GetScene() is not self._context.scene:
                raise DataError("the volume is no longer in the scene; load it again before its result.")
        loaded: LoadedPrediction = self.loaded
        return loaded

    def _all_steps(self) -> Generator[object, None, None]:
        result = self._prediction.read_result()
        labels = _read_labels(result, self._prediction.result)
        warnings = tuple(self._prediction.warnings(result))
        yield "result"
        has_identity = yield from self._require_scan(result)
        found = yield from self._read_images([0, *(label.value for label in labels)])
        yield from self._read_surfaces(labels)
        nodes = yield from self._fill(labels)
        nodes[0].SetAttribute(FOLDER_ATTRIBUTE, str(self._prediction.folder.absolute()))
        warnings += tuple(_warnings(found, labels, self._volume.GetName()))
        if not has_identity:
            warnings += (
                f"The result of '{self._volume.GetName()}' was made by an earlier version and does not say which scan "
                "it was computed on: only its grid was compared.",
            )
        loaded = LoadedPrediction(self._volume, *nodes, labels, result, warnings)
        note_caution(loaded)
        note_doubt(loaded)
        with ExitStack() as stack:
            for node in (loaded.segmentation, loaded.overlays):
                # Not for a moment must it lie over the result that is looked at.
                stack.enter_context(one_modification(node.GetDisplayNode()))
            apply_first_look(loaded)
            show_alone(None, [loaded])
        self.loaded = loaded

    def _require_scan(self, result: Mapping[str, Any]) -> Generator[object, None, bool]:
        """Go on if the volume is the scan that the result was computed on; False: the result does not say which."""
        identity = ScanIdentity.from_dict(result.get("scan"), self._prediction.result)
        if identity is not None and not self._is_its_scan and not (yield from is_scan(self._volume, identity)):
            raise DataError(
                f"'{self._prediction.folder}' is the result of a different scan than '{self._volume.GetName()}': it "
                f"was computed on '{result.get('image', '')}' ({identity}); load it for that scan, or segment "
                f"'{self._volume.GetName()}'."
            )
        return identity is not None

    def _read_images(self, known: list[int]) -> Generator[str, None, set[float]]:
        """Read all images, and check their values; returns those of the segmentation."""
        found: dict[str, set[float]] = {}
        for name in (*_LABEL_MAPS, "uncertain", "uncertainty"):
            path = getattr(self._prediction, name)
            as_read, self._images[name] = yield from result_image_steps(path, self._volume)
            # Surfaces are in the indices of the files.
            as_read.GetIJKToRASMatrix(self._indices_to_world)
            voxels = voxel_values(as_read)
            if name == "uncertainty":
                require_unit_range(voxels, path)
            else:
                found[name] = require_labels(voxels, [0, 1] if name == "uncertain" else known, path)
            yield f"values of {path.name}"
        return found["segmentation"]

    def _read_surfaces(self, labels: tuple[Label, ...]) -> Iterator[str]:
        heads = [[segment_id(label) for label in labels]]
        heads += [[*(segment_id(label, head) for head in _LABEL_MAPS[1:] for label in labels), UNCERTAIN_SEGMENT]]
        for segments in heads:
            paths = {segment: self._prediction.surface(segment) for segment in segments}
            # Of a node all or none: Slicer would convert the segments that have none, here and now.
            if not all(path.is_file() for path in paths.values()):
                continue
            for segment, path in paths.items():
                surface = _read_surface(path)
                yield f"surface of {segment}"
                self._surfaces[segment] = surface_in_world(surface, self._indices_to_world)
                yield f"place of surface of {segment}"

    def _fill(self, labels: tuple[Label, ...]) -> Generator[str, None, tuple[Any, Any, Any]]:
        """Bring the results into the nodes of the case, in place of what they held: result, overlays, uncertainty."""
        case_key = key_of_files(self._prediction)
        result = self._node(case_key, "vtkMRMLSegmentationNode", "result", "CoraNet")
        result.SetAttribute(FILLING_ATTRIBUTE, "1")
        yield "result node"
        yield from self._fill_result(result.GetSegmentation(), labels)
        overlays = self._node(case_key, "vtkMRMLSegmentationNode", "overlays", "CoraNet overlays")
        yield "overlays node"
        yield from self._fill_overlays(overlays.GetSegmentation(), labels)
        uncertainty = self._node(case_key, "vtkMRMLScalarVolumeNode", "uncertainty", "CoraNet uncertainty")
        yield "uncertainty node"
        self._fill_uncertainty(uncertainty)
        result.RemoveAttribute(FILLING_ATTRIBUTE)
        yield "uncertainty map"
        return result, overlays, uncertainty

    def _fill_result(self, segmentation: Any, labels: tuple[Label, ...]) -> Iterator[str]:
        segmentation.SetConversionParameter("Smoothing factor", str(RESULT_SMOOTHING))
        shared = oriented_image(self._images["segmentation"])
        for label in labels:
            segment = _segment(label.name, label_color(label), label.value, shared)
            if label.terminology:
                segment.SetTag(segment.GetTerminologyEntryTagName(), label.terminology)
            self._add(segmentation, segment, segment_id(label))
            yield "result segment"

    def _fill_overlays(self, segmentation: Any, labels: tuple[Label, ...]) -> Iterator[str]:
        segmentation.SetConversionParameter("Smoothing factor", str(OVERLAY_SMOOTHING))
        # One labelmap, that is one layer, a head: classes of one head exclude each other, the heads overlap.
        for head in _LABEL_MAPS[1:]:
            shared = oriented_image(self._images[head])
            for label in labels:
                segment = _segment(f"{label.name} ({head})", label_color(label), label.value, shared)
                self._add(segmentation, segment, segment_id(label, head))
                yield f"{head} segment"
        mask = oriented_image(self._images["uncertain"])
        self._add(segmentation, _segment("Uncertain", UNCERTAIN_COLOR, 1, mask), UNCERTAIN_SEGMENT)
        yield "uncertain segment"

    def _fill_uncertainty(self, node: Any) -> None:
        display, image = node.GetDisplayNode(), self._images["uncertainty"]
        # Before the voxels: they would be counted for an automatic window and threshold.
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.AutoThresholdOff()
        display.SetThreshold(UNCERTAINTY_LOWER_THRESHOLD, 1.0)
        display.ApplyThresholdOn()
        display.SetAndObserveColorNodeID(uncertainty_color_node(self._context).GetID())
        lie_as(node, image)
        node.SetAndObserveImageData(image.GetImageData())

    def _add(self, segmentation: Any, segment: Any, identifier: str) -> None:
        # Before the segment is added: it would be converted to have what the segments before it have.
        if identifier in self._surfaces:
            segment.AddRepresentation(CLOSED_SURFACE, self._surfaces[identifier])
        segmentation.AddSegment(segment, identifier)

    def _node(self, case_key: str, node_class: str, part: str, suffix: str) -> Any:
        """The case's node of a part, emptied; a node that is there keeps its ID, so views and references stay valid."""
        marks = {PART_ATTRIBUTE: part, PREDICTION_ATTRIBUTE: case_key}
        for node in nodes_of_class(self._context.scene, node_class):
            is_of_volume = node.GetNodeReferenceID(VOLUME_REFERENCE) == self._volume.GetID()
            if is_of_volume and all(node.GetAttribute(name) == value for name, value in marks.items()):
                break
        else:
            name = self._context.scene.GenerateUniqueName(f"{self._volume.GetName()} {suffix}")
            node = self._context.scene.AddNewNodeByClass(node_class, name)
            for name, value in marks.items():
                node.SetAttribute(name, value)
            node.SetNodeReferenceID(VOLUME_REFERENCE, self._volume.GetID())
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        if node_class == "vtkMRMLSegmentationNode":
            # In Slicer's own look it would lie over whatever is shown.
            node.GetDisplayNode().SetVisibility(False)
            node.GetSegmentation().RemoveAllSegments()
            node.RemoveAttribute(REVIEWED_ATTRIBUTE)
            node.RemoveAttribute(BOUNDS_ATTRIBUTE)
            node.SetReferenceImageGeometryParameterFromVolumeNode(self._volume)
        node.SetAndObserveTransformNodeID(self._volume.GetTransformNodeID())
        self._context.place_under(self._volume, node)
        return node


def load_prediction(context: SceneContext, prediction: PredictionFiles, volume_node: Any) -> LoadedPrediction:
    """Bring the results of one case into the scene, and show them; those of the case that are there are replaced.

    Raises:
        DataError, JobError: as `ResultLoading.steps`.
    """
    loaded = run_to_end(ResultLoading(context, prediction, volume_node).steps())
    show_alone(loaded, [loaded])
    return loaded


def load_case(context: SceneContext, job: Job, case: Case) -> Generator[object, None, LoadedPrediction]:
    """Load the result of a case, hidden, and its volume if that is not in the scene, in steps of milliseconds.

    The case is of the job's datalist, with absolute paths.

    Raises:
        DataError, JobError: as `CaseVolume.steps` and `ResultLoading.steps`.
    """
    volume = CaseVolume(context, job, case)
    yield from volume.steps()
    steps = ResultLoading(context, job.prediction(case.id), volume.node, is_its_scan=True).steps()
    loaded = yield from steps
    return replace(loaded, warnings=(*volume.warnings, *loaded.warnings))


def _read_surface(path: Path) -> Any:
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    # A file without points still says how many it has not; one that is cut off or is none has no piece at all.
    if reader.GetErrorCode() or not reader.GetNumberOfPieces():
        raise DataError(f"'{path}' cannot be read; remove the folder '{path.parent}', or segment the volume again.")
    return reader.GetOutput()


def _read_labels(result: Mapping[str, Any], source: Path) -> tuple[Label, ...]:
    try:
        return tuple(Label.from_dict(row) for row in result["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{source}' does not describe its labels ({error}); segment the volume again.") from error


def _warnings(values: set[float], labels: Iterable[Label], volume_name: str) -> Iterator[str]:
    missing = [label.name for label in labels if label.value not in values]
    if values <= {0}:
        yield f"The model found nothing in '{volume_name}'; check that the volume is like those it was trained on."
    else:
        for name in missing:
            yield f"The model found no '{name}' in '{volume_name}'."


def _segment(name: str, color: tuple[float, float, float], value: int, labelmap: Any) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*color)
    segment.SetLabelValue(value)
    segment.AddRepresentation(BINARY_LABELMAP, labelmap)
    return segment
