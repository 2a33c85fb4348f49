"""The review of one result: a worklist of its uncertain regions, decided one by one, over the scene."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np

from coranet.contract import Choice, Decision, PredictionFiles, Review
from coranet.contract.errors import DataError, StorageError

from ..core.context import SceneContext
from ..core.images import has_remembered_grid
from ..core.notification import Signal
from ..core.results import LoadedPrediction, segment_id
from .boundary_slide import BoundarySliding, box_with_slides, settled_voxels_of_slides, withdraw_slides
from .improvement import PromotedCase, promote_case, write_reviewed
from .region_editing import MODULE_EDITOR, RegionEditing
from .region_view import RegionOutline, RegionPlace, SlideRing, region_place, show_place
from .review_record import ReviewStep, StoredReview, write_review_file
from .review_state import ReviewState
from .segment_layers import MaskedBox, Members
from .worklist import progress_text, status_text


class RegionReview(ReviewState):
    """Decisions on the uncertain regions of a result. A decision changes no voxel outside its region.

    Regions, decisions and a table of both are saved with the scene, which is enough to continue a review. Decisions are
    also written beside the case's files, as review.json. A result has one RegionReview at a time.

    Example:
        >>> review = open_review(context, loaded, files)
        >>> review.decide(1, Choice.RADICAL, author="Ada")
        >>> review.progress
        '1 of 23 reviewed, 14 % of the uncertain volume cleared'
        >>> review.undo()
        1

    Attributes:
        changed: sent after each change of decisions, voxels, or what is being edited.
        warnings: for the user, in sentences.
        editing: an edit in the Segment Editor, see `begin_edit` and `end_edit`.
        outline: the line around the region that is shown.
        sliding: moves the boundary while the wheel turns; `take_slide` turns it into a decision.
        ring: shows the place and the radius of a slide.
    """

    def __init__(
        self, context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles], stored: StoredReview
    ) -> None:
        """Go on with a review, see `review_opening`; a slide that was under way in a saved scene is taken back."""
        super().__init__(context, loaded, files, stored)
        self.changed = Signal()
        self.warnings: tuple[str, ...] = ()
        self._scene = context.scene
        self.editing = RegionEditing(context, loaded)
        self.outline = RegionOutline(context, self)
        self.sliding, self.ring = BoundarySliding(self), SlideRing(context)
        under_way = self.record.read_under_way()
        if under_way is not None:
            self._apply(under_way, back=True)
            self.record.write_under_way(None)

    @property
    def is_current(self) -> bool:
        """Whether its nodes are still in the scene, as they were, and the result was not loaded again."""
        result, volume = self.loaded.segmentation, self.loaded.volume
        there = all(node.GetScene() is not None for node in (result, volume))
        return there and has_remembered_grid(result, volume) and self.record.is_current

    @property
    def progress(self) -> str:
        """The progress, such as "7 of 23 reviewed, 81 % of the uncertain volume cleared"."""
        return progress_text(self.review, self.regions)

    def status(self, number: int) -> str:
        """The status of a region, in words."""
        return status_text(self.review, self.regions.region(number).number)

    def next_open(self, after: int = 0) -> Optional[int]:
        """The first undecided region after a number, otherwise the first of all; None if all are decided."""
        open_ones = [region.number for region in self.regions.regions if region.number not in self.review.decisions]
        return next((number for number in open_ones if number > after), next(iter(open_ones), None))

    def decided_boxes(self) -> list[MaskedBox]:
        """The decided voxels, which are no longer uncertain, of each region and each slide."""
        decided = [self.voxels(number).box for number in self.review.decisions]
        return [*decided, *(settled_voxels_of_slides(self) if self.review.slides else ())]

    def decide(self, number: int, choice: Union[None, str, Choice], author: str = "") -> None:
        """Decide on a region; `undo` reverts it.

        Args:
            number: of the region.
            choice: conservative, radical, or keep (the result when the review began). None: the decision is revoked,
                and the result restored.
            author: who decides.

        Raises:
            DataError: there is no such region or choice, or a region is being edited.
            StorageError: review.json could not be written; the decision is only in the scene.
        """
        self._require_no_edit()
        chosen = _choice_of(choice)
        self.sliding.discard()
        number = self.regions.region(number).number
        voxels, box = self.voxels(number), box_with_slides(self, number)
        before = self.layers.read(box)
        withdraw_slides(self, number)
        self.layers.write(voxels.box, self._members(voxels.labels[(chosen or Choice.KEEP).value]))
        self._note(number, Decision(chosen, author, time.time()) if chosen else None, before, box)

    def slide(
        self, center_ijk: Sequence[float], level: float, radius_mm: Optional[float] = None,
        number: Optional[int] = None, author: str = "",
    ) -> None:  # fmt: skip
        """Slide the boundary at a point; `undo` reverts it.

        Args:
            center_ijk: index of the point in the volume, not necessarily whole.
            level: how far, as a share of the radius; above 0 the structure grows, see `coranet.contract.Slide`.
            radius_mm: None: that of the place.
            number: of the place that this decides; None: of none.
            author: who decides.

        Raises:
            DataError: there is no such place, no boundary near the point, or a region is being edited.
            StorageError: as of `decide`.
        """
        self._require_no_edit()
        self.sliding.begin(center_ijk, number, radius_mm)
        self.sliding.set_level(level)
        self.take_slide(author)

    def take_slide(self, author: str = "") -> Optional[int]:
        """Turn the current slide into a decision; one that moves nothing means that the place is right as it is.

        Returns:
            The number of the place that this decides; None: of none.
        """
        slide = self.sliding.slide
        if slide is None or not slide.level:
            self.sliding.discard()
            if slide is not None and slide.region is not None and self.decision(slide.region) is None:
                self.decide(slide.region, Choice.KEEP, author)
        else:
            self._add(self.sliding.take(author))
        return slide.region if slide is not None else None

    def undo(self) -> Optional[int]:
        """Undo the last step: the voxels of its region and its decision. Raises like `decide`.

        Returns:
            The number of the region, 0 for a slide that decides none; None if there is nothing to undo.
        """
        return self._step(back=True)

    def redo(self) -> Optional[int]:
        """Redo what `undo` took back; returns and raises like it."""
        return self._step(back=False)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self.editing.number is None and self._history.peek(back=True) is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return self.editing.number is None and self._history.peek(back=False) is not None

    def promote(self, trust_certain: Optional[bool] = None) -> PromotedCase:
        """Write the files of a training: reviewed.nrrd, and known.nrrd, which is 1 where that is labeled.

        Args:
            trust_certain: whether the certain region counts as labeled, too; None: as set before, otherwise not.

        Raises:
            DataError: nothing is decided, the files of the case are not there, or a region is being edited.
            StorageError: a file could not be written.
        """
        self._require_no_edit()
        self.sliding.discard()
        if trust_certain is not None:
            self._set_review(replace(self.review, trusts_certain=bool(trust_certain)))
        return promote_case(self)

    def begin_edit(self, number: int, editor_tag: str = MODULE_EDITOR) -> Any:
        """Prepare the Segment Editor (MODULE_EDITOR or PANEL_EDITOR) to paint only inside a region.

        Returns:
            The scene's vtkMRMLSegmentEditorNode.

        Raises:
            DataError: there is no such region, or one is being edited already.
        """
        region = self.regions.region(number)
        number = region.number
        self._require_no_edit()
        self.sliding.discard()
        value = region.radical or region.conservative
        selected = next((segment_id(label) for label in self.loaded.labels if label.value == value), "")
        editor = self.editing.begin(number, self.voxels(number).box, selected, editor_tag)
        self.changed.send()
        return editor

    def end_edit(self, accept: bool, author: str = "") -> int:
        """End the edit: what was painted in the region becomes a decision, or is discarded.

        Returns:
            The number of voxels outside the region that had been changed and were restored.

        Raises:
            DataError: no region is being edited.
            StorageError: as of `decide`.
        """
        number = self.editing.number
        if number is None:
            raise DataError("no region is being edited; begin with one.")
        box = self.voxels(number).box
        painted, outside = self.editing.end()
        self._require_there()
        if accept:
            before = self.layers.read(box)
            self.layers.write(box, painted)
            self._note(number, Decision(Choice.EDITED, author, time.time()), before, box)
        else:
            self.changed.send()
        return outside

    def place(self, number: int) -> RegionPlace:
        """Where a region is in the world."""
        return region_place(self.regions.region(number), self.loaded.volume)

    def show(self, number: int) -> RegionPlace:
        """Center all views on a region, and outline it once its voxels are read; returns where it is."""
        place = self.look_at(number)
        if not self.is_being_read:
            self.outline.draw(number)
        return place

    def look_at(self, number: int) -> RegionPlace:
        """Center all slice and 3D views on a region; returns where it is."""
        place = self.place(number)
        show_place(place, self.loaded, self._scene)
        return place

    def repeat(self, number: int, decision: Decision, labels: np.ndarray) -> None:
        """Repeat an earlier decision, which gives the region `labels`; `keep` saves it."""
        box = self.voxels(number).box
        before = self.layers.read(box)
        self.layers.write(box, self._members(labels))
        self.take_over(ReviewStep.of(number, (None, decision), (before, self.layers.read(box))))

    def take_over(self, step: ReviewStep) -> None:
        """Add a step that was done before; `keep` saves it."""
        self._history.add(step)
        self.review = step.review(self.review, back=False)

    def take_all_back(self) -> None:
        """Undo all steps, so that the result is as it was loaded."""
        while (step := self._history.peek(back=True)) is not None:
            self._apply(step, back=True)
            self._history.move(back=True)

    def _members(self, labels: np.ndarray) -> Members:
        """Which voxels each class gets of those that are to have label values, flat; each needs its segment."""
        members = {segment_id(label): labels == label.value for label in self.loaded.labels}
        segmentation = self.loaded.segmentation.GetSegmentation()
        for identifier, mask in members.items():
            if mask.any() and segmentation.GetSegment(identifier) is None:
                raise DataError(
                    f"the segment '{identifier}' of '{self.loaded.segmentation.GetName()}' was deleted, but the region "
                    "needs it; delete the result and load it again."
                )
        return members

    def _note(self, number: int, decision: Optional[Decision], before: Members, box: MaskedBox) -> None:
        slides, others = self.review.slides, tuple(slide for slide in self.review.slides if slide.region != number)
        of_slides = (box, (slides, others)) if others != slides else ()
        decisions, members = (self.decision(number), decision), (before, self.layers.read(box))
        self._add(ReviewStep.of(number, decisions, members, *of_slides))

    def _add(self, step: ReviewStep) -> None:
        self._history.add(step)
        self._set_review(step.review(self.review, back=False))

    def _step(self, back: bool) -> Optional[int]:
        self._require_no_edit()
        self.sliding.discard()
        step = self._history.peek(back)
        if step is None:
            return None
        self._apply(step, back)
        self._history.move(back)
        self._set_review(step.review(self.review, back))
        return step.number

    def _apply(self, step: ReviewStep, back: bool) -> None:
        box = step.box.unpacked() if step.box is not None else self.voxels(step.number).box
        self.layers.write(box, step.members(back))

    def _set_review(self, review: Review) -> None:
        """Keep other decisions on the same regions, and the steps to them; the voxels have been painted before."""
        before, self.review = self.review, review
        self.record.write_review(self._stored)
        self.changed.send()
        if self.files is None:
            return
        if not self.files.folder.is_dir():
            raise StorageError(
                f"'{self.files.folder}' is no longer there; the decision is in the scene alone, so save the scene."
            )
        write_review_file(review, self.loaded, self.files)
        edited = {item for item in review.decisions.items() if item[1].choice is Choice.EDITED}
        if edited - before.decisions.items():
            # Nowhere else outside of the scene is what was painted.
            write_reviewed(self.loaded, self.files.reviewed)

    def _require_no_edit(self) -> None:
        self._require_there()
        if self.editing.number is not None:
            raise DataError(f"region {self.editing.number} is being edited; keep or discard the edit first.")

    def _require_there(self) -> None:
        if self.loaded.segmentation.GetScene() is None:
            raise DataError(
                f"'{self.loaded.segmentation.GetName()}' was deleted; load the result again from its job, which keeps "
                "the decisions made."
            )


def _choice_of(choice: Union[None, str, Choice]) -> Optional[Choice]:
    """What a person may decide, by name or not."""
    allowed = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)
    if choice is None or choice in allowed:
        return None if choice is None else Choice(choice)
    names = ", ".join(f"'{choice.value}'" for choice in allowed)
    raise DataError(f"a region can be given {names}, got {str(choice)!r}; to paint in it, begin an edit.")
