"""What scene and files keep of a review. The scene's part is enough to go on without the files of the case.

A hidden text node has the regions and their voxels; the decisions are an attribute of it, because they change often.
A table node shows both to people; it is written, never read. The file review.json has the decisions alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIntArray, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkTable

from coranet.contract import Decision, Label, PredictionFiles, RegionList, Review, Slide
from coranet.contract.axis_order import AxisOrder, axis_order
from coranet.contract.codec import from_json, to_json
from coranet.contract.errors import JobError

from ..core.context import SceneContext
from ..core.images import image_header, order_on_grid_of, placement_of
from ..core.results import PART_ATTRIBUTE, PREDICTION_ATTRIBUTE, REVIEWED_ATTRIBUTE, LoadedPrediction
from ..core.translation import _
from .region_voxels import RegionVoxels, packed, packed_box, unpacked, unpacked_box
from .segment_layers import MaskedBox
from .worklist import status_text, structure_text

COLUMNS = ("number", "structure", "mL", "effect mL", "status", "author")
WORKLIST_REFERENCE = "CoraNetSlicer.Worklist"
RECORD_REFERENCE = "CoraNetSlicer.Review"
DECISIONS_ATTRIBUTE = "CoraNetSlicer.Decisions"
STEPS_ATTRIBUTE = "CoraNetSlicer.Steps"
SLIDING_ATTRIBUTE = "CoraNetSlicer.Sliding"
# Characters of the text; the oldest steps are left out of it.
_LONGEST_TEXT = 1_000_000

Slides = tuple[Slide, ...]


@dataclass(frozen=True)
class StoredReview:
    """A review as the scene keeps it.

    Attributes:
        regions: of the case.
        review: the decisions.
        voxels: by number of the region; empty while they are not read.
        steps: that can be taken back or done again, as `ReviewHistory.text`; "": there are none.
    """

    regions: RegionList
    review: Review
    voxels: Mapping[int, RegionVoxels] = field(default_factory=dict)
    steps: str = ""


class ReviewRecord:
    """Reads and writes what the scene keeps of the review of one result."""

    def __init__(self, context: SceneContext, loaded: LoadedPrediction) -> None:
        """Take the result; nothing is made before something is written."""
        self._context = context
        self._loaded = loaded

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region; None before the first `write`."""
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
            decisions = json.loads(self._node.GetAttribute(DECISIONS_ATTRIBUTE))
            voxels = {int(number): RegionVoxels.from_dict(region) for number, region in content["voxels"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JobError(f"the review in the scene cannot be read ({error}); load the result again.") from error
        steps = str(self._node.GetAttribute(STEPS_ATTRIBUTE) or "")
        return StoredReview(regions, Review.from_dict(decisions, regions, "the scene"), voxels, steps)

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
        self._node.SetAttribute(STEPS_ATTRIBUTE, stored.steps or None)
        table = self.worklist or self._make("vtkMRMLTableNode", "worklist", WORKLIST_REFERENCE, _("CoraNet places"))
        _fill_worklist(table, stored.review, stored.regions, self._loaded.labels)

    def read_under_way(self) -> Optional[ReviewStep]:
        """What there was before the slide that was neither taken nor discarded when the scene was saved; None: none."""
        text = self._node.GetAttribute(SLIDING_ATTRIBUTE) if self.is_current else None
        try:
            return ReviewStep.from_dict(json.loads(text)) if text else None
        except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
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


@dataclass(frozen=True)
class ReviewStep:
    """A decision on a region, or a slide of the boundary, with its voxels before and after, packed to bits.

    Attributes:
        number: of the region; 0: it is a slide that decides none.
        before, after: the decision; None: none.
        voxels: how many it concerns.
        packed_before, packed_after: which of them each segment had, by id.
        box: where they are; None: they are those of the region.
        slides: all of the review before and after; None: the step changes none.
    """

    number: int
    before: Optional[Decision]
    after: Optional[Decision]
    voxels: int
    packed_before: Mapping[str, np.ndarray]
    packed_after: Mapping[str, np.ndarray]
    box: Optional[MaskedBox] = None
    slides: Optional[tuple[Slides, Slides]] = None

    @staticmethod
    def of(
        number: int, decisions: tuple[Optional[Decision], Optional[Decision]],
        before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray],
        box: Optional[MaskedBox] = None, slides: Optional[tuple[Slides, Slides]] = None,
    ) -> ReviewStep:  # fmt: skip
        """Make a step.

        Args:
            number: of the region.
            decisions: before and after.
            before: which voxels each segment had, by id: bool, flat.
            after: which it has.
            box: where these voxels are; None: they are those of the region.
            slides: before and after; None: they are the same.
        """
        voxels = len(next(iter(before.values()), ()))
        bits_before, bits_after = (
            {identifier: np.packbits(mask) for identifier, mask in members.items()} for members in (before, after)
        )
        return ReviewStep(number, *decisions, voxels, bits_before, bits_after, box, slides)

    @cached_property
    def text(self) -> str:
        """All of it as JSON."""
        voxels = [
            {identifier: packed(bits.tobytes()) for identifier, bits in members.items()}
            for members in (self.packed_before, self.packed_after)
        ]
        decisions = [asdict(decision) if decision is not None else None for decision in (self.before, self.after)]
        content = {"number": self.number, "decisions": decisions, "voxels": self.voxels, "packed": voxels}
        if self.box is not None:
            content["box"] = packed_box(self.box)
        if self.slides is not None:
            content["slides"] = to_json(self.slides)
        return json.dumps(content)

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> ReviewStep:
        """The step that a text describes; raises KeyError, TypeError, ValueError or zlib.error where it is damaged."""
        before, after = (Decision(**decision) if decision is not None else None for decision in content["decisions"])
        bits_before, bits_after = (
            {identifier: np.frombuffer(unpacked(text), np.uint8) for identifier, text in members.items()}
            for members in content["packed"]
        )
        box = unpacked_box(content["box"]) if "box" in content else None
        slides = from_json(tuple[Slides, Slides], content["slides"]) if "slides" in content else None
        return ReviewStep(
            int(content["number"]), before, after, int(content["voxels"]), bits_before, bits_after, box, slides
        )

    def review(self, review: Review, back: bool) -> Review:
        """The review once the step is taken back, or done again.

        Args:
            review: as it is before that.
            back: whether it is taken back.
        """
        decision = self.before if back else self.after
        decisions = {number: old for number, old in review.decisions.items() if number != self.number}
        if decision is not None:
            decisions[self.number] = decision
        slides = review.slides if self.slides is None else self.slides[0 if back else 1]
        return replace(review, decisions=decisions, slides=slides)

    def members(self, back: bool) -> dict[str, np.ndarray]:
        """Which voxels each segment then has, by id: bool, flat."""
        packed = self.packed_before if back else self.packed_after
        return {identifier: np.unpackbits(bits, count=self.voxels).astype(bool) for identifier, bits in packed.items()}


class ReviewHistory:
    """Steps that were done, and those that were taken back since."""

    def __init__(self, text: str = "") -> None:
        """Begin with none, or with those of a text; one that is damaged has none."""
        self._done: list[ReviewStep] = []
        self._undone: list[ReviewStep] = []
        try:
            content = json.loads(text or "{}")
            self._done, self._undone = (_steps(content.get(name, ())) for name in ("done", "undone"))
        except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
            self._done, self._undone = [], []

    @property
    def text(self) -> str:
        """The steps, the latest ones if there are many."""
        length_left = _LONGEST_TEXT
        done: list[str] = []
        undone: list[str] = []
        for steps, texts in ((self._done, done), (self._undone, undone)):
            for step in reversed(steps):
                length_left -= len(step.text)
                if length_left < 0:
                    break
                texts.insert(0, step.text)
        return f'{{"done": [{", ".join(done)}], "undone": [{", ".join(undone)}]}}'

    def add(self, step: ReviewStep) -> None:
        """A step was done; what was taken back cannot be done again after it."""
        self._done.append(step)
        self._undone.clear()

    def peek(self, back: bool) -> Optional[ReviewStep]:
        """The step that would be taken back, or done again; None if there is none."""
        steps = self._done if back else self._undone
        return steps[-1] if steps else None

    def move(self, back: bool) -> None:
        """That step was taken back, or done again."""
        source, target = (self._done, self._undone) if back else (self._undone, self._done)
        target.append(source.pop())


def read_review_file(loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList) -> Review:
    """The review in the files of a case, in the indices of the volume; without decisions if there is none."""
    review = Review.read(files.review, regions)
    if not review.slides:
        return review
    image = image_header(files.region_map)
    order = order_on_grid_of(loaded.volume, image, files.region_map)
    return _in_order(review, order, image.GetImageData().GetDimensions())


def write_review_file(review: Review, loaded: LoadedPrediction, files: PredictionFiles) -> None:
    """Write a review in the indices of the files of a case; the inverse of `read_review_file`."""
    if review.slides:
        order = axis_order(placement_of(loaded.volume), placement_of(image_header(files.region_map))) or AxisOrder()
        review = _in_order(review, order, loaded.volume.GetImageData().GetDimensions())
    review.write(files.review)


def _in_order(review: Review, order: AxisOrder, size_ijk: Sequence[int]) -> Review:
    return replace(review, slides=tuple(slide.in_order(order, size_ijk) for slide in review.slides))


def _steps(contents: Iterable[Mapping[str, Any]]) -> list[ReviewStep]:
    return [ReviewStep.from_dict(step) for step in contents]


def _fill_worklist(node: Any, review: Review, regions: RegionList, labels: Sequence[Label]) -> None:
    """Write a row for each region, in the order of their numbers.

    Args:
        node: vtkMRMLTableNode; what it held before goes.
        review: the decisions.
        regions: of the case.
        labels: the classes.
    """
    table = vtkTable()
    kinds = (vtkIntArray, vtkStringArray, vtkDoubleArray, vtkDoubleArray, vtkStringArray, vtkStringArray)
    columns: list[Any] = [kind() for kind in kinds]
    for name, column in zip(COLUMNS, columns, strict=False):
        column.SetName(name)
    for region in regions.regions:
        decision = review.decisions.get(region.number)
        status = status_text(review, region.number)
        effect, author = region.expected_effect_ml, decision.author if decision else ""
        values = (region.number, structure_text(region, labels), region.volume_ml, effect, status, author)
        for column, value in zip(columns, values, strict=False):
            column.InsertNextValue(value)
    for column in columns:
        table.AddColumn(column)
    node.SetAndObserveTable(table)
