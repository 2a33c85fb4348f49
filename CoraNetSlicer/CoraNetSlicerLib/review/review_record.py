"""What scene and files keep of a review. The scene's part is enough to go on without the files of the case.

A hidden text node has the regions and their voxels; the decisions are an attribute of it, because they change often.
A table node shows both to people; it is written, never read. The file review.json has the decisions alone.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIntArray, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkTable

from coranet.boundary_slide import BoundaryMargins
from coranet.contract import Choice, Decision, Label, PredictionFiles, Region, RegionList, Review, Slide
from coranet.contract.axis_order import AxisOrder, axis_order
from coranet.contract.codec import from_json, to_json
from coranet.contract.errors import DataError, JobError

from ..core.context import SceneContext
from ..core.images import (
    order_on_grid_of,
    placement_of,
    placement_of_file,
    result_image_steps,
    voxels_of,
)
from ..core.results import PART_ATTRIBUTE, PREDICTION_ATTRIBUTE, REVIEWED_ATTRIBUTE, LoadedPrediction
from ..core.stepwise import run_to_end
from ..core.translation import _
from .segment_layers import MaskedBox, Members, SegmentLayers
from .worklist import status_text, structure_text

COLUMNS = ("number", "structure", "mL", "effect mL", "status", "author")
WORKLIST_REFERENCE = "CoraNetSlicer.Worklist"
RECORD_REFERENCE = "CoraNetSlicer.Review"
DECISIONS_ATTRIBUTE = "CoraNetSlicer.Decisions"
STEPS_ATTRIBUTE = "CoraNetSlicer.Steps"
SLIDING_ATTRIBUTE = "CoraNetSlicer.Sliding"
# Characters of the text; the oldest steps are left out of it.
_LONGEST_TEXT = 1_000_000
_HEADS = ("conservative", "radical")
_KINDS = (vtkIntArray, vtkStringArray, vtkDoubleArray, vtkDoubleArray, vtkStringArray, vtkStringArray)
# What reading a damaged text raises.
_DAMAGED = (AttributeError, KeyError, TypeError, ValueError, zlib.error)

Slides = tuple[Slide, ...]


@dataclass(frozen=True)
class PackedBox:
    """A MaskedBox in plain JSON types, small where its mask repeats."""

    first_kji: tuple[int, int, int]
    shape: tuple[int, int, int]
    mask: str

    @staticmethod
    def of(box: MaskedBox) -> PackedBox:
        """The inverse of `unpacked`."""
        k, j, i = box.mask.shape
        return PackedBox(box.first_kji, (k, j, i), _packed(np.packbits(box.mask)))

    def unpacked(self) -> MaskedBox:
        """The voxels; raises ValueError or zlib.error where the text is damaged."""
        return MaskedBox(self.first_kji, _unpacked_bits(self.mask, math.prod(self.shape)).reshape(self.shape))


@dataclass(frozen=True)
class RegionVoxels:
    """The voxels of a region.

    Attributes:
        box: where they are.
        labels: by choice ("conservative", "radical", "keep"), the label values that it gives them: uint16, flat.
            "keep" has those of the result when its review began.
    """

    box: MaskedBox
    labels: Mapping[str, np.ndarray]

    @cached_property
    def content(self) -> dict[str, Any]:
        """Plain JSON types; a few hundred characters for a thousand voxels."""
        labels = {choice: _packed(values.astype("<u2")) for choice, values in self.labels.items()}
        return {**to_json(PackedBox.of(self.box)), "labels": labels}

    @staticmethod
    def of_content(content: Mapping[str, Any]) -> RegionVoxels:
        """The inverse of `content`; raises one of `_DAMAGED` where it is."""
        box = from_json(PackedBox, content).unpacked()
        labels = {
            choice: np.frombuffer(_unpacked(text), "<u2").astype(np.uint16)
            for choice, text in content["labels"].items()
        }
        if {len(values) for values in labels.values()} != {int(np.count_nonzero(box.mask))}:
            raise ValueError("the numbers of its voxels do not agree")
        return RegionVoxels(box, labels)


@dataclass(frozen=True)
class ReviewStep:
    """A decision on a region, or a slide of the boundary, with its voxels before and after.

    Attributes:
        number: of the region; 0: it is a slide that decides none.
        decisions: before and after; None: none.
        voxels: how many it concerns.
        packed: before and after, which of them each segment had, by id.
        box: where they are; None: they are those of the region.
        slides: all of the review before and after; None: the step changes none.
    """

    number: int
    decisions: tuple[Optional[Decision], Optional[Decision]]
    voxels: int
    packed: tuple[Mapping[str, str], Mapping[str, str]]
    box: Optional[PackedBox] = None
    slides: Optional[tuple[Slides, Slides]] = None

    @staticmethod
    def of(
        number: int, decisions: tuple[Optional[Decision], Optional[Decision]], members: tuple[Members, Members],
        box: Optional[MaskedBox] = None, slides: Optional[tuple[Slides, Slides]] = None,
    ) -> ReviewStep:  # fmt: skip
        """Make a step; `members`: which voxels each segment had before, and has after it. Others as the attributes."""
        before, after = ({key: _packed(np.packbits(mask)) for key, mask in part.items()} for part in members)
        voxels = len(next(iter(members[0].values()), ()))
        packed_box = PackedBox.of(box) if box is not None else None
        return ReviewStep(number, decisions, voxels, (before, after), packed_box, slides)

    @cached_property
    def text(self) -> str:
        """All of it as JSON."""
        return json.dumps(to_json(self))

    def review(self, review: Review, back: bool) -> Review:
        """What a review becomes when the step is taken back, or done again."""
        decision = self.decisions[0 if back else 1]
        decisions = {number: old for number, old in review.decisions.items() if number != self.number}
        if decision is not None:
            decisions[self.number] = decision
        slides = review.slides if self.slides is None else self.slides[0 if back else 1]
        return replace(review, decisions=decisions, slides=slides)

    def members(self, back: bool) -> dict[str, np.ndarray]:
        """Which voxels each segment then has, by id: bool, flat."""
        return {key: _unpacked_bits(text, self.voxels) for key, text in self.packed[0 if back else 1].items()}


@dataclass
class ReviewHistory:
    """Steps that were done, and those that were taken back since; the latest are last."""

    done: list[ReviewStep] = field(default_factory=list)
    undone: list[ReviewStep] = field(default_factory=list)

    @staticmethod
    def of_text(text: str) -> ReviewHistory:
        """The inverse of `text`; a damaged one has no steps."""
        with suppress(ValueError):
            return from_json(ReviewHistory, json.loads(text))
        return ReviewHistory()

    @property
    def text(self) -> str:
        """The steps, the latest ones if there are many."""
        length_left = _LONGEST_TEXT
        texts: tuple[list[str], list[str]] = ([], [])
        for steps, kept in zip((self.done, self.undone), texts, strict=True):
            for step in reversed(steps):
                length_left -= len(step.text)
                if length_left < 0:
                    break
                kept.insert(0, step.text)
        return '{{"done": [{}], "undone": [{}]}}'.format(*map(", ".join, texts))

    def add(self, step: ReviewStep) -> None:
        """A step was done; what was taken back cannot be done again after it."""
        self.done.append(step)
        self.undone.clear()

    def peek(self, back: bool) -> Optional[ReviewStep]:
        """The step that would be taken back, or done again; None if there is none."""
        return next(reversed(self.done if back else self.undone), None)

    def move(self, back: bool) -> None:
        """That step was taken back, or done again."""
        source, target = (self.done, self.undone) if back else (self.undone, self.done)
        target.append(source.pop())


@dataclass(frozen=True)
class StoredReview:
    """A review as the scene keeps it.

    Attributes:
        regions: of the case.
        review: the decisions.
        voxels: by number of the region; empty while they are not read.
        history: what can be taken back or done again.
    """

    regions: RegionList
    review: Review
    voxels: Mapping[int, RegionVoxels] = field(default_factory=dict)
    history: ReviewHistory = field(default_factory=ReviewHistory)


class ReviewRecord:
    """Reads and writes what the scene keeps of the review of one result; nothing is made before it is written."""

    def __init__(self, context: SceneContext, loaded: LoadedPrediction) -> None:
        self._context = context
        self._loaded = loaded

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region, in COLUMNS; None before the first `write`."""
        return self._loaded.segmentation.GetNodeReference(WORKLIST_REFERENCE)

    @property
    def is_current(self) -> bool:
        """Whether the voxels of the result are those of the review: not so once it was loaded anew."""
        return bool(self._loaded.segmentation.GetAttribute(REVIEWED_ATTRIBUTE)) and self._node is not None

    def read(self) -> Optional[StoredReview]:
        """The review that belongs to the voxels of the result; None if there is none.

        Raises:
            JobError: it is damaged.
        """
        if not self.is_current:
            return None
        try:
            content = json.loads(self._node.GetText())
            regions = RegionList.from_dict(content["regions"], "the scene")
            review = Review.from_dict(json.loads(self._node.GetAttribute(DECISIONS_ATTRIBUTE)), regions, "the scene")
            voxels = {int(number): RegionVoxels.of_content(region) for number, region in content["voxels"].items()}
        except _DAMAGED as error:
            raise JobError(
                f"the review in the scene cannot be read ({error}); delete the result and load it again."
            ) from error
        history = ReviewHistory.of_text(self._node.GetAttribute(STEPS_ATTRIBUTE) or "{}")
        return StoredReview(regions, review, voxels, history)

    def write(self, stored: StoredReview) -> None:
        """Keep all of it."""
        voxels = {str(number): region.content for number, region in stored.voxels.items()}
        content = {"regions": stored.regions.to_dict(), "voxels": voxels}
        node = self._node or self._make("vtkMRMLTextNode", "review", RECORD_REFERENCE, _("CoraNet review"))
        # In the scene's own file: no file of its own that can be forgotten.
        node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeNever)
        node.SetText(json.dumps(content))
        self._loaded.segmentation.SetAttribute(REVIEWED_ATTRIBUTE, repr(stored.regions.created))
        self.write_review(stored)

    def write_review(self, stored: StoredReview) -> None:
        """Keep decisions and steps; what a person has deleted is made anew."""
        if self._node is None:
            self.write(stored)
            return
        self._node.SetAttribute(DECISIONS_ATTRIBUTE, json.dumps(stored.review.to_dict()))
        self._node.SetAttribute(STEPS_ATTRIBUTE, stored.history.text)
        table = self.worklist or self._make("vtkMRMLTableNode", "worklist", WORKLIST_REFERENCE, _("CoraNet places"))
        table.SetAndObserveTable(_worklist(stored, self._loaded.labels))

    def read_under_way(self) -> Optional[ReviewStep]:
        """What there was before the slide that was neither taken nor discarded when the scene was saved; None: none."""
        text = self._node.GetAttribute(SLIDING_ATTRIBUTE) if self.is_current else None
        with suppress(ValueError, zlib.error):
            step = from_json(ReviewStep, json.loads(text or ""))
            step.members(back=True)  # which is damaged, too, if it cannot be unpacked
            return step
        return None

    def write_under_way(self, step: Optional[ReviewStep]) -> None:
        """Keep what there was before a slide that is drawn and may be discarded; None: there is none any more."""
        if self._node is not None:
            self._node.SetAttribute(SLIDING_ATTRIBUTE, step.text if step is not None else None)

    @property
    def _node(self) -> Any:
        return self._loaded.segmentation.GetNodeReference(RECORD_REFERENCE)

    def _make(self, node_class: str, part: str, reference: str, suffix: str) -> Any:
        segmentation = self._loaded.segmentation
        name = self._context.scene.GenerateUniqueName(f"{self._loaded.volume.GetName()} {suffix}")
        node = self._context.scene.CreateNodeByClass(node_class)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(node_class == "vtkMRMLTextNode")
        node = self._context.scene.AddNode(node)
        node.SetAttribute(PART_ATTRIBUTE, part)
        node.SetAttribute(PREDICTION_ATTRIBUTE, segmentation.GetAttribute(PREDICTION_ATTRIBUTE))
        segmentation.SetNodeReferenceID(reference, node.GetID())
        if not node.GetHideFromEditors():
            self._context.place_under(self._loaded.volume, node)
        return node


def _worklist(stored: StoredReview, labels: Sequence[Label]) -> Any:
    """A vtkTable with a row for each region, in the order of their numbers."""
    rows = []
    for region in stored.regions.regions:
        decision, status = stored.review.decisions.get(region.number), status_text(stored.review, region.number)
        structure, author = structure_text(region, labels), decision.author if decision else ""
        rows.append((region.number, structure, region.volume_ml, region.expected_effect_ml, status, author))
    table = vtkTable()
    for index, (name, kind) in enumerate(zip(COLUMNS, _KINDS, strict=True)):
        column: Any = kind()
        column.SetName(name)
        for row in rows:
            column.InsertNextValue(row[index])
        table.AddColumn(column)
    return table


def read_review_file(loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList) -> Review:
    """The review in the files of a case, in the indices of the volume; without decisions if there is none."""
    review = Review.read(files.review, regions)
    if not review.slides:
        return review
    image = placement_of_file(files.region_map)
    order = order_on_grid_of(loaded.volume, image, files.region_map)
    return _in_order(review, order, image.size_ijk)


def write_review_file(review: Review, loaded: LoadedPrediction, files: PredictionFiles) -> None:
    """Write a review in the indices of the files of a case; the inverse of `read_review_file`."""
    if review.slides:
        volume = placement_of(loaded.volume)
        order = axis_order(volume, placement_of_file(files.region_map)) or AxisOrder()
        review = _in_order(review, order, volume.size_ijk)
    review.write(files.review)


def _in_order(review: Review, order: AxisOrder, size_ijk: Sequence[int]) -> Review:
    return replace(review, slides=tuple(slide.in_order(order, size_ijk) for slide in review.slides))


def read_region_voxels(
    loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList
) -> Generator[None, None, dict[int, RegionVoxels]]:
    """By number, where the regions are and what each choice would make of them, in steps of some milliseconds.

    The heads are read from the files: the overlays in the scene can be those of another caution. "keep" gets what the
    result names now.

    Raises:
        DataError: a file is missing, or does not fit the volume or the list of the regions.
    """
    region_map = yield from label_map_steps(files.region_map, loaded.volume)
    heads = {}
    for head in _HEADS:
        heads[head] = yield from label_map_steps(getattr(files, head), loaded.volume)
    result = SegmentLayers(loaded.segmentation, loaded.volume)
    by_number = {}
    for region in regions.regions:
        box = _box(region, region_map, files.region_map)
        labels = {head: box.of(voxels).astype(np.uint16) for head, voxels in heads.items()}
        labels[Choice.KEEP.value] = result.read_labels(box, loaded.labels)
        by_number[region.number] = RegionVoxels(box, labels)
        # Packed now: of all regions at once it would take too long.
        by_number[region.number].content  # noqa: B018
        yield
    return by_number


def read_margins(loaded: LoadedPrediction, files: PredictionFiles) -> Generator[None, None, BoundaryMargins]:
    """What slides need to know of a result, in steps of some milliseconds.

    Raises:
        DataError: a file is missing, as in results of earlier versions, or does not fit the volume.
    """
    margin = yield from label_map_steps(files.margin, loaded.volume)
    yield
    second = yield from label_map_steps(files.second, loaded.volume)
    spacing_i, spacing_j, spacing_k = loaded.volume.GetSpacing()
    return BoundaryMargins(margin, second, (spacing_i, spacing_j, spacing_k))


def read_label_map(path: Path, volume_node: Any) -> np.ndarray:
    """The voxels (k, j, i) of an image on a volume's grid, all at once; raises as `label_map_steps`."""
    return run_to_end(label_map_steps(path, volume_node))


def label_map_steps(path: Path, volume_node: Any) -> Generator[Any, None, np.ndarray]:
    """The voxels (k, j, i) of an image on a volume's grid; steps and errors are those of `result_image_steps`."""
    _as_read, node = yield from result_image_steps(path, volume_node)
    return voxels_of(node.GetImageData())


def _box(region: Region, region_map: np.ndarray, path: Path) -> MaskedBox:
    bounds = region.bounds_ijk[::-1]
    first_k, first_j, first_i = (first for first, _last in bounds)
    inside = region_map[tuple(slice(first, last + 1) for first, last in bounds)] == region.number
    if np.count_nonzero(inside) != region.voxels:
        raise DataError(
            f"'{path}' has {np.count_nonzero(inside)} voxels of region {region.number}, the list of regions has "
            f"{region.voxels}; run 'coranet regions' on its folder again."
        )
    return MaskedBox((first_k, first_j, first_i), inside)


def _packed(values: np.ndarray) -> str:
    """Numbers as a text for a scene, small where they repeat."""
    return base64.b64encode(zlib.compress(values.tobytes(), 6)).decode("ascii")


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def _unpacked_bits(text: str, count: int) -> np.ndarray:
    """So many bool, flat."""
    return np.unpackbits(np.frombuffer(_unpacked(text), np.uint8), count=count).astype(bool)
