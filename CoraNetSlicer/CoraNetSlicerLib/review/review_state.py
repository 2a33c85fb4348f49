"""Where a review stands, and where one begins that goes on from an earlier one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np

from coranet.boundary_slide import BoundaryMargins
from coranet.contract import Choice, Decision, PredictionFiles, RegionList, Review, Slide
from coranet.contract.axis_order import AxisOrder, axis_order
from coranet.contract.errors import DataError, JobError, StorageError
from coranet.regions.carry_over import EarlierReview, carried_over

from ..core.context import SceneContext
from ..core.images import image_header, order_on_grid_of, placement_of
from ..core.notification import Signal
from ..core.results import LoadedPrediction, find_prediction_files, results_in_scene, segment_id
from ..core.stepwise import run_to_end
from .boundary_slide import SlideChange, repeat_slide
from .promotion import write_reviewed
from .region_voxels import RegionVoxels, label_map_steps, read_label_map, read_margins, read_region_voxels
from .review_record import KeptReview, ReviewHistory, ReviewRecord, ReviewStep
from .segment_layers import MaskedBox, SegmentLayers

Decisions = Mapping[int, Decision]


class ReviewState:
    """Regions, decisions and voxels of one result; what changes is kept at once.

    Attributes:
        changed: sent after each change.
        loaded: the result.
        files: of the case; None where they are not.
        layers: the segments of the result.
        warnings: what the user should know, in sentences.
        is_being_read: whether the voxels of the regions are being read in steps.
        problem_of_margins: why the result has no margins, once they were looked for; "" if it has.
    """

    def __init__(self, context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles]) -> None:
        """Take up the review that the scene keeps, else that of the files, else begin one; see `take_up_steps`.

        Raises:
            DataError: there are no regions, neither in the scene nor among the files; or they do not fit the result.
            JobError: what the scene or a file says of the review is damaged.
        """
        if loaded.volume is None or loaded.volume.GetScene() is None:
            raise DataError(
                f"the volume of '{loaded.segmentation.GetName()}' is not in the scene any more, so that nothing can be "
                "reviewed on it; load the result anew from its job, which goes on with the decisions made."
            )
        self.changed = Signal()
        self.loaded = loaded
        self.files = files if files is not None and files.folder.is_dir() else None
        self.layers = SegmentLayers(loaded.segmentation, loaded.volume)
        self.warnings: tuple[str, ...] = ()
        self.is_being_read = False
        self.problem_of_margins = ""
        self._margins: Optional[BoundaryMargins] = None
        self._scene = context.scene
        self._record = ReviewRecord(context, loaded)
        self._to_do: Optional[Review] = None
        kept = kept_in_scene(self._record, self.files)
        if kept is None:
            files = _required_files(loaded, self.files)
            kept = KeptReview.of(regions_of_files(loaded, files))
            self._to_do = _review_of_files(loaded, files, kept.regions)
        self._kept = kept
        under_way = self._record.read_under_way()
        if under_way is not None:
            self.layers.write(self.box_of(under_way), under_way.members(back=True))
            self._record.write_under_way(None)

    @property
    def regions(self) -> RegionList:
        """What is known of the regions."""
        return self._kept.regions

    @property
    def review(self) -> Review:
        """The decisions."""
        return self._kept.review

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region."""
        return self._record.worklist

    @property
    def is_current(self) -> bool:
        """Whether the nodes are still those of the review."""
        there = (node.GetScene() is not None for node in (self.loaded.segmentation, self.loaded.volume))
        return all(there) and self._record.is_current

    def voxels(self, number: int) -> RegionVoxels:
        """The voxels of a region; those of all are read when one is asked for.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        number = self.regions.region(number).number
        self._read()
        return self._kept.voxels[number]

    @property
    def margins(self) -> Optional[BoundaryMargins]:
        """What slides need to know of the result, read when it is asked for; None: see `problem_of_margins`."""
        # The regions first: they keep what the result names before anything is slid.
        run_to_end(self.read_steps())
        return self._margins

    def read_steps(self) -> Generator[None, None, None]:
        """Read the voxels of the regions, and the margins, if they are not there yet, in steps of milliseconds.

        Raises:
            DataError: a file of the regions is missing, or does not fit.
        """
        yield from self._read_voxels()
        yield from self._read_margins()

    def _read_voxels(self) -> Generator[None, None, None]:
        if len(self._kept.voxels) == len(self.regions.regions):
            return
        if self.files is None:
            raise DataError(
                f"the voxels of the regions of '{self.loaded.segmentation.GetName()}' are not in the scene, and its "
                "files are not where they were; load the result anew from its job."
            )
        self.is_being_read = True
        try:
            voxels = yield from read_region_voxels(self.loaded, self.files, self.regions)
        finally:
            self.is_being_read = False
        self._kept = replace(self._kept, voxels=voxels)
        if self._record.is_current:
            self._record.write(self._kept)

    def _read_margins(self) -> Generator[None, None, None]:
        if self._margins is not None or self.problem_of_margins:
            return
        name = self.loaded.segmentation.GetName()
        if self.files is None:
            self.problem_of_margins = (
                f"the files of '{name}' are not where they were, and a boundary is slid by them; load the result anew "
                "from its job."
            )
        elif not (self.files.margin.is_file() and self.files.second.is_file()):
            self.problem_of_margins = (
                f"'{name}' is of an earlier version, and its boundary cannot be slid; segment the volume again."
            )
        else:
            try:
                self._margins = yield from read_margins(self.loaded, self.files)
            except DataError as error:
                self.problem_of_margins = str(error)

    def take_up_steps(self) -> Iterator[None]:
        """Begin a new review, in steps: what the files say of an earlier one is done once more on the result's voxels.

        Raises:
            DataError: a file is missing, or does not fit.
        """
        review, self._to_do = self._to_do, None
        if review is None:
            return
        done = ReviewHistory()
        if self.files is not None and not self.files.review.is_file():
            review = yield from self._carried_over(review, self.files)
        try:
            yield from self._do_once_more(review, done)
        except GeneratorExit:
            # Who begins again must find the result as it was loaded.
            while (step := done.peek(back=True)) is not None:
                self.layers.write(self.box_of(step), step.members(back=True))
                done.move(back=True)
            raise
        self._record.write(self._kept)
        self._record.write_steps(done.text)

    def step_of_slide(self, change: SlideChange) -> ReviewStep:
        """A slide, which is written in the segments already, as a step that can be taken back."""
        review, number = self.review.with_slide(change.slide), change.slide.region or 0
        decisions = (self.review.decisions.get(number), review.decisions.get(number))
        after, slides = self.layers.read(change.box), (self.review.slides, review.slides)
        return ReviewStep.of(number, decisions, change.before, after, change.box, slides)

    def box_of(self, step: ReviewStep) -> MaskedBox:
        """The voxels of a step."""
        return step.box or self.voxels(step.number).box

    @property
    def history(self) -> ReviewHistory:
        """The steps that the scene keeps."""
        return ReviewHistory(self._record.read_steps())

    def keep_history(self, history: ReviewHistory) -> None:
        """Keep the steps in the scene."""
        self._record.write_steps(history.text)

    def keep_before_slide(self, box: Optional[MaskedBox], members: Mapping[str, np.ndarray]) -> None:
        """Keep what there was before a slide under way, so that a scene that is saved now can go back to it.

        Args:
            box: where it is drawn; None: nowhere any more.
            members: which of these voxels each segment had.
        """
        step = ReviewStep.of(0, (None, None), members, {}, box) if box is not None else None
        self._record.write_under_way(step)

    def paint(self, number: int, labels: np.ndarray) -> None:
        """Give the voxels of a region label values.

        Args:
            number: of the region.
            labels: uint16, flat, in the order of the region's voxels.

        Raises:
            DataError: a class that is needed has no segment any more, or lies on another grid.
        """
        segmentation = self.loaded.segmentation.GetSegmentation()
        members = {segment_id(label): labels == label.value for label in self.loaded.labels}
        gone = [
            identifier
            for identifier, mask in members.items()
            if mask.any() and segmentation.GetSegment(identifier) is None
        ]
        if gone:
            raise DataError(
                f"the segment '{gone[0]}' of '{self.loaded.segmentation.GetName()}' was deleted, but the region needs "
                "it; load the result anew."
            )
        self.layers.write(self.voxels(number).box, members)

    def set_review(self, review: Review) -> None:
        """Keep another review of the same regions; the voxels have been painted before.

        Raises:
            StorageError: a file could not be written; the review stays, in the scene.
        """
        before = self.review
        self._kept = replace(self._kept, review=review)
        self._record.write_review(self._kept)
        self.changed.send()
        if self.files is None:
            return
        if not self.files.folder.is_dir():
            raise StorageError(
                f"'{self.files.folder}' is no longer there; the decision is in the scene alone, so save the scene."
            )
        _in_order_of_files(review, self.loaded, self.files).write(self.files.review)
        edited = {item for item in review.decisions.items() if item[1].choice is Choice.EDITED}
        if edited - before.decisions.items():
            # Nowhere else outside of the scene is what was painted.
            write_reviewed(self.loaded, self.files.reviewed)

    # ----------------------------------------------------------------------------------------------------------------

    def _read(self) -> Mapping[int, RegionVoxels]:
        run_to_end(self._read_voxels())
        return self._kept.voxels

    def _carried_over(self, review: Review, files: PredictionFiles) -> Generator[None, None, Review]:
        """A new review, with what an earlier one of the same scan says of its regions."""
        decisions = yield from carried_decisions(self._scene, self.loaded, files, self.regions)
        if decisions:
            self.warnings += (
                f"{len(decisions)} of {len(self.regions.regions)} are decided as in the earlier review of this scan.",
            )
        return replace(review, decisions=decisions)

    def _do_once_more(self, review: Review, done: ReviewHistory) -> Iterator[None]:
        """Do what was decided before the result was loaded, in the order of its time; notes what could be done."""
        self._kept = replace(self._kept, review=replace(review, decisions={}, slides=()))
        if not review.decisions and not review.slides:
            return
        yield from self.read_steps()
        painted = self._painted(review)
        if review.slides and self._margins is None:
            self.warnings += (f"Boundaries that were slid are as the model found them: {self.problem_of_margins}",)
            review = replace(review, slides=())
        for what in review.in_order_of_time():
            step = self._slid_again(what) if isinstance(what, Slide) else self._decided_again(*what, painted)
            if step is not None:
                done.add(step)
                self._kept = replace(self._kept, review=step.review(self.review, back=False))
            yield

    def _slid_again(self, slide: Slide) -> ReviewStep:
        return self.step_of_slide(repeat_slide(self, slide, self.review.slides))

    def _decided_again(self, number: int, decision: Decision, painted: Optional[np.ndarray]) -> Optional[ReviewStep]:
        voxels = self.voxels(number)
        if decision.choice is not Choice.EDITED:
            labels = voxels.labels[decision.choice.value]
        elif painted is not None:
            labels = voxels.box.of(painted)
        else:
            return None
        before = self.layers.read(voxels.box)
        self.paint(number, labels)
        return ReviewStep.of(number, (None, decision), before, self.layers.read(voxels.box))

    def _painted(self, review: Review) -> Optional[np.ndarray]:
        """What was painted in edited regions: the label values of the whole case; None where there is none."""
        edited = [decision for decision in review.decisions.values() if decision.choice is Choice.EDITED]
        if not edited or self.files is None:
            return None
        if self.files.reviewed.is_file():
            return read_label_map(self.files.reviewed, self.loaded.volume)
        self.warnings += (
            f"What was painted in {len(edited)} edited regions of '{self.loaded.volume.GetName()}' is in no file; "
            "review them again.",
        )
        return None


def _review_of_files(loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList) -> Review:
    """The review that the files of a case tell of, in the indices of the volume."""
    review = Review.read(files.review, regions)
    if not review.slides:
        return review
    image = image_header(files.region_map)
    order = order_on_grid_of(loaded.volume, image, files.region_map)
    return _in_order(review, order, image.GetImageData().GetDimensions())


def _in_order_of_files(review: Review, loaded: LoadedPrediction, files: PredictionFiles) -> Review:
    """The inverse of what `_review_of_files` does to a review."""
    if not review.slides:
        return review
    volume, image = placement_of(loaded.volume), placement_of(image_header(files.region_map))
    order = axis_order(volume, image) or AxisOrder()
    return _in_order(review, order, loaded.volume.GetImageData().GetDimensions())


def _in_order(review: Review, order: AxisOrder, size_ijk: Sequence[int]) -> Review:
    return replace(review, slides=tuple(slide.in_order(order, size_ijk) for slide in review.slides))


def choice_of(choice: Union[None, str, Choice]) -> Optional[Choice]:
    """What a person may decide, by name or not.

    Raises:
        DataError: it is something else.
    """
    allowed = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)
    if choice is None or choice in allowed:
        return None if choice is None else Choice(choice)
    names = ", ".join(f"'{choice.value}'" for choice in allowed)
    raise DataError(f"a region can be given {names}, got {str(choice)!r}; to paint in it, begin an edit.")


def kept_in_scene(record: ReviewRecord, files: Optional[PredictionFiles]) -> Optional[KeptReview]:
    """The review that the scene keeps, unless nothing is decided in it and the files have other regions now.

    Raises:
        JobError: what the scene or the file says is damaged.
    """
    kept = record.read()
    if kept is None or kept.review.decisions or files is None or not files.regions.is_file():
        return kept
    return kept if RegionList.read(files.regions).created == kept.regions.created else None


def _required_files(loaded: LoadedPrediction, files: Optional[PredictionFiles]) -> PredictionFiles:
    if files is None:
        raise DataError(
            f"the files of '{loaded.segmentation.GetName()}' are not where they were, and the scene keeps no review of "
            "it; load the result anew from its job."
        )
    return files


def regions_of_files(loaded: LoadedPrediction, files: PredictionFiles) -> RegionList:
    """The regions that the files of a case tell of.

    Raises:
        DataError: there are none, or they lie on another grid than the volume.
        JobError: regions.json is damaged.
    """
    if not files.regions.is_file():
        raise DataError(
            f"'{files.folder}' has no list of uncertain regions; run 'coranet regions' on it, or segment the volume "
            "again."
        )
    regions = RegionList.read(files.regions)
    # In the indices of its file; Slicer shows a left-handed scan with its slices reversed.
    image = image_header(files.region_map)
    order = order_on_grid_of(loaded.volume, image, files.region_map)
    return regions.in_order(order, image.GetImageData().GetDimensions())


def carried_decisions(
    scene: Any, loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList
) -> Generator[None, None, Decisions]:
    """What an earlier review of the same scan says of the regions of a new result, in steps of some milliseconds.

    Args:
        scene: vtkMRMLScene; an earlier result in it that was made to teach a model has a review.
        loaded: the new result.
        files: of the new result.
        regions: of the new result, in the indices of the volume.

    Returns:
        By number of the region; {} where there is no earlier review, or it says nothing of them.
    """
    earlier = earlier_review(scene, loaded)
    if earlier is None or not regions.regions:
        return {}
    try:
        region_map = yield from label_map_steps(files.region_map, loaded.volume)
        answers = {}
        of_choice = {Choice.KEEP: "segmentation", Choice.CONSERVATIVE: "conservative", Choice.RADICAL: "radical"}
        for choice, name in of_choice.items():
            answers[choice] = yield from label_map_steps(getattr(files, name), loaded.volume)
        labels = yield from label_map_steps(earlier.reviewed, loaded.volume)
        known = yield from label_map_steps(earlier.known, loaded.volume)
        author, time = _latest(earlier)
    except (DataError, JobError):
        # It lies on another grid, or is damaged: the new result is reviewed from the beginning.
        return {}
    yield
    return carried_over(regions, region_map, answers, EarlierReview(labels, known, author, time))


def earlier_review(scene: Any, loaded: LoadedPrediction) -> Optional[PredictionFiles]:
    """The files of the result of the same volume that was reviewed, and made to teach, last; None: there is none."""
    found = []
    for other in results_in_scene(scene):
        is_of_scan = other.volume is loaded.volume and other.segmentation is not loaded.segmentation
        if not is_of_scan or [label.value for label in other.labels] != [label.value for label in loaded.labels]:
            continue
        files = find_prediction_files(other.segmentation)
        if files is not None and files.reviewed.is_file() and files.known.is_file():
            found.append(files)
    return max(found, key=lambda files: files.known.stat().st_mtime, default=None)


def _latest(files: PredictionFiles) -> tuple[str, float]:
    """Who decided last, and when; ("", 0.0) where it is not known."""
    if not files.regions.is_file():
        return "", 0.0
    decisions = Review.read(files.review, RegionList.read(files.regions)).decisions.values()
    last = max(decisions, key=lambda decision: decision.time, default=None)
    return (last.author, last.time) if last is not None else ("", 0.0)
