"""The review of one result: a worklist of its uncertain regions, decided one by one, over the scene."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np

from coranet.contract import Choice, Decision, PredictionFiles, RegionList, Review
from coranet.contract.errors import DataError

from ..core.context import SceneContext
from ..core.results import LoadedPrediction, segment_id
from .boundary_slide import BoundarySliding, box_with_slides, settled_voxels_of_slides, withdraw_slides
from .improvement import PromotedCase
from .promotion import promote_case
from .region_editing import MODULE_EDITOR, RegionEditing
from .region_view import (
    RegionOutline,
    RegionPlace,
    region_place,
    show_in_cameras,
    show_in_slices,
    smallest_field_mm,
)
from .review_record import ReviewStep
from .review_state import ReviewState, choice_of
from .segment_layers import MaskedBox
from .slide_ring import SlideRing
from .worklist import progress_text, status_text, structure_text


class RegionReview:
    """Decides about the uncertain regions of a result, and never touches a voxel outside of the one in question.

    Regions, decisions and a table of both are in the scene and saved with it; they are enough to go on. The decisions
    are also written beside the case's files, as review.json. One RegionReview for a result at a time.

    Example:
        >>> review = RegionReview(context, loaded, files)
        >>> review.decide(1, Choice.RADICAL, author="Ada")
        >>> review.progress
        '1 of 23 reviewed, 14 % of the uncertain volume cleared'
        >>> review.undo()
        1

    Attributes:
        changed: sent after each change of decisions, voxels, or what is being edited.
        loaded: the result.
        files: of the case; None where they are not.
        regions: what is known of the regions.
        review: the decisions.
        warnings: what the user should know, in sentences.
        outline: draws the region that is looked at.
        sliding: moves the boundary while the wheel turns; `take_slide` makes a decision of it.
        ring: shows where and how far.
    """

    def __init__(
        self,
        context: SceneContext,
        loaded: LoadedPrediction,
        files: Optional[PredictionFiles] = None,
        state: Optional[ReviewState] = None,
    ) -> None:
        """Take up the review that the scene keeps, else that of the files, else begin one.

        Args:
            context: the scene.
            loaded: the result.
            files: of the case; None: the scene alone.
            state: as `opening_steps` has brought it about; None: it is brought about now.

        Raises:
            DataError: there are no regions, neither in the scene nor among the files; or they do not fit the result.
            JobError: what the scene or a file says of the review is damaged.
        """
        self._state = state or ReviewState(context, loaded, files)
        self._editing = RegionEditing(context, loaded)
        for _step in self._state.take_up_steps():
            pass
        self._history = self._state.history
        self.outline = RegionOutline(context, self._state)
        self.sliding, self.ring = BoundarySliding(self._state), SlideRing(context)
        self.loaded, self.files = loaded, self._state.files
        self.changed, self.warnings = self._state.changed, self._state.warnings

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def regions(self) -> RegionList:
        """What is known of the regions, in the order of their numbers 1, 2, ..."""
        return self._state.regions

    @property
    def review(self) -> Review:
        """The decisions."""
        return self._state.review

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region; see review_record.COLUMNS."""
        return self._state.worklist

    @property
    def is_current(self) -> bool:
        """Whether it still goes with its nodes: not so once the result was loaded anew or left the scene."""
        return self._state.is_current

    @property
    def progress(self) -> str:
        """How far the review is, such as "7 of 23 reviewed, 81 % of the uncertain volume cleared"."""
        return progress_text(self.review, self.regions)

    def structure(self, number: int) -> str:
        """Which classes are in question, such as "Pancreas" or "Pancreas or Tumor"."""
        return structure_text(self.regions.region(number), self.loaded.labels)

    def status(self, number: int) -> str:
        """What has become of a region, in words."""
        return status_text(self.review, self.regions.region(number).number)

    def decision(self, number: int) -> Optional[Decision]:
        """The decision on a region; None if there is none yet."""
        return self.review.decisions.get(self.regions.region(number).number)

    def next_open(self, after: int = 0) -> Optional[int]:
        """The first region after a number that is not decided, else the first of all; None if all are."""
        open_ones = [region.number for region in self.regions.regions if region.number not in self.review.decisions]
        return next((number for number in open_ones if number > after), next(iter(open_ones), None))

    def decided_boxes(self) -> list[MaskedBox]:
        """Where somebody has decided, and nothing is uncertain any more: of each region, and of each slide."""
        decided = [self._state.voxels(number).box for number in self.review.decisions]
        return [*decided, *(settled_voxels_of_slides(self._state) if self.review.slides else ())]

    # -- deciding ----------------------------------------------------------------------------------------------------

    def decide(self, number: int, choice: Union[None, str, Choice], author: str = "") -> None:
        """Give a region what was decided; a step that `undo` takes back.

        Args:
            number: of the region.
            choice: conservative, radical, or keep: what the result named when the review began. None: the decision is
                taken back, with what the result named.
            author: who decides.

        Raises:
            DataError: there is no such region or choice, or a region is being edited.
            StorageError: review.json could not be written; the decision stays, in the scene.
        """
        self._require_no_edit()
        chosen = choice_of(choice)
        self.sliding.discard()
        voxels, box = self._state.voxels(number), box_with_slides(self._state, number)
        before = self._state.layers.read(box)
        withdraw_slides(self._state, number)
        self._state.paint(number, voxels.labels[(chosen or Choice.KEEP).value])
        self._note(number, Decision(chosen, author, time.time()) if chosen else None, before, box)

    def slide(
        self, center_ijk: Sequence[float], level: float, radius_mm: Optional[float] = None,
        number: Optional[int] = None, author: str = "",
    ) -> None:  # fmt: skip
        """Move the boundary at a point; a step that `undo` takes back.

        Args:
            center_ijk: index of the point in the volume, not always a whole one.
            level: how far, as a share of the radius; above 0 the structure becomes larger, see
                `coranet.contract.Slide`.
            radius_mm: None: that of the place.
            number: of the place that it decides; None: none.
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
        """Make a decision of the slide under way; one that moves nothing says that a place is right as it is now.

        Args:
            author: who decides.

        Returns:
            The number of the place that is decided by it; None if none is.
        """
        slide = self.sliding.slide
        if slide is None or not slide.level:
            self.sliding.discard()
            if slide is not None and slide.region is not None and self.decision(slide.region) is None:
                self.decide(slide.region, Choice.KEEP, author)
        else:
            self._add(self._state.step_of_slide(self.sliding.take(author)))
        return slide.region if slide is not None else None

    def undo(self) -> Optional[int]:
        """Take the last step back: exactly the voxels of its region, and its decision. Raises as `decide`.

        Returns:
            The number of the region, 0 of a slide that decides none; None if there is nothing to take back.
        """
        return self._step(back=True)

    def redo(self) -> Optional[int]:
        """Take the last `undo` back; returns and raises as it does."""
        return self._step(back=False)

    def keep_surfaces(self, keep: bool) -> None:
        """Say whether surfaces of before are drawn until new ones are made, which the caller sees to; else they go."""
        self._state.layers.keeps_surfaces = keep

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self.edited is None and (self._history.peek(back=True) is not None or bool(self.review.decisions))

    @property
    def can_redo(self) -> bool:
        """Whether there is an `undo` to take back."""
        return self.edited is None and self._history.peek(back=False) is not None

    def promote(self, trust_certain: Optional[bool] = None) -> PromotedCase:
        """Write what a training learns from: reviewed.nrrd, and known.nrrd, 1 where it is truth.

        Args:
            trust_certain: whether what is certain counts as truth, too; None: as it was said before, else not.

        Raises:
            DataError: nothing is decided, the files of the case are not there, or a region is being edited.
            StorageError: a file could not be written.
        """
        self._require_no_edit()
        self.sliding.discard()
        if trust_certain is not None:
            self._state.set_review(replace(self.review, trusts_certain=bool(trust_certain)))
        return promote_case(self._state)

    # -- editing -----------------------------------------------------------------------------------------------------

    @property
    def edited(self) -> Optional[int]:
        """The number of the region that is being edited; None if none is."""
        return self._editing.number

    @property
    def editor(self) -> Any:
        """The vtkMRMLSegmentEditorNode with which a region is being edited; None if none is."""
        return self._editing.editor

    def pause_edit(self, is_paused: bool) -> None:
        """Put the brush away while nobody sees the editor, or take it up again."""
        self._editing.pause(is_paused)

    def begin_edit(self, number: int, editor_tag: str = MODULE_EDITOR) -> Any:
        """Prepare the Segment Editor to paint in a region, and nowhere else.

        Args:
            number: of the region.
            editor_tag: whose editor: region_editing.MODULE_EDITOR or PANEL_EDITOR.

        Returns:
            The scene's vtkMRMLSegmentEditorNode.

        Raises:
            DataError: there is no such region, or one is being edited already.
        """
        region = self.regions.region(number)
        self._require_no_edit()
        self.sliding.discard()
        value = region.radical or region.conservative
        selected = next((segment_id(label) for label in self.loaded.labels if label.value == value), "")
        editor = self._editing.begin(number, self._state.voxels(number).box, selected, editor_tag)
        self.changed.send()
        return editor

    def end_edit(self, accept: bool, author: str = "") -> int:
        """End the edit: what was painted in the region is kept as a decision, or taken back.

        Args:
            accept: keep it.
            author: who has edited.

        Returns:
            How many voxels outside of the region had been changed nevertheless, and were put back.

        Raises:
            DataError: no region is being edited.
            StorageError: as of `decide`.
        """
        if self.edited is None:
            raise DataError("no region is being edited; begin with one.")
        number = self.edited
        box = self._state.voxels(number).box
        painted = self._editing.end()
        if accept:
            before = self._state.layers.read(box)
            self._state.layers.write(box, painted.members)
            self._note(number, Decision(Choice.EDITED, author, time.time()), before, box)
        else:
            self.changed.send()
        return painted.outside_voxels

    # -- looking -----------------------------------------------------------------------------------------------------

    def place(self, number: int) -> RegionPlace:
        """Where a region is in the world."""
        return region_place(self.regions.region(number), self.loaded.volume)

    def show(self, number: int, slice_nodes: Iterable[Any] = (), camera_nodes: Iterable[Any] = ()) -> RegionPlace:
        """Bring a region into view and, unless the regions are being read in steps, outline it; returns where it is.

        Args:
            number: of the region.
            slice_nodes: vtkMRMLSliceNode of each view.
            camera_nodes: vtkMRMLCameraNode of each view.
        """
        place = self.place(number)
        show_in_slices(place, slice_nodes, smallest_field_mm(self.loaded))
        show_in_cameras(place, self.loaded, camera_nodes)
        if not self._state.is_being_read:
            self.outline.draw(number)
        return place

    # -- how it is done ----------------------------------------------------------------------------------------------

    def read_steps(self) -> Generator[None, None, None]:
        """Read the voxels of the regions in steps of milliseconds; else they are read, at once, when asked for."""
        return self._state.read_steps()

    def _note(
        self, number: int, decision: Optional[Decision], before: Mapping[str, np.ndarray], box: MaskedBox
    ) -> None:
        slides, rest = self.review.slides, tuple(one for one in self.review.slides if one.region != number)
        of_slides = (box, (slides, rest)) if rest != slides else ()
        after = self._state.layers.read(box)
        self._add(ReviewStep.of(number, (self.decision(number), decision), before, after, *of_slides))

    def _add(self, step: ReviewStep) -> None:
        self._history.add(step)
        self._state.keep_history(self._history)
        self._state.set_review(step.review(self.review, back=False))

    def _step(self, back: bool) -> Optional[int]:
        self._require_no_edit()
        self.sliding.discard()
        if back and self._history.peek(back) is None and self.review.decisions:
            self._history.add_first(self._latest_step())
        step = self._history.peek(back)
        if step is None:
            return None
        self._state.layers.write(self._state.box_of(step), step.members(back))
        self._history.move(back)
        self._state.keep_history(self._history)
        self._state.set_review(step.review(self.review, back))
        return step.number

    def _latest_step(self) -> ReviewStep:
        """All that was done at the place decided last, of which no step tells: it was as the result named it."""
        number, decision = max(self.review.decisions.items(), key=lambda item: item[1].time)
        box, layers = box_with_slides(self._state, number), self._state.layers
        after = layers.read(box)
        withdraw_slides(self._state, number)
        self._state.paint(number, self._state.voxels(number).labels[Choice.KEEP.value])
        before = layers.read(box)
        layers.write(box, after)
        slides = self.review.slides
        rest = tuple(one for one in slides if one.region != number)
        return ReviewStep.of(number, (None, decision), before, after, box, (rest, slides))

    def _require_no_edit(self) -> None:
        if self.edited is not None:
            raise DataError(f"region {self.edited} is being edited; keep or discard the edit first.")


def opening_steps(
    context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles] = None
) -> Generator[None, None, RegionReview]:
    """What making a RegionReview does, in steps of milliseconds: of use where decisions of the files are done anew."""
    state = ReviewState(context, loaded, files)
    yield from state.take_up_steps()
    return RegionReview(context, loaded, files, state)
