"""How the review of a result begins: as the scene keeps it, else as its files or an earlier review of the scan say."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from coranet.contract import Choice, Decision, PredictionFiles, RegionList, Review, Slide
from coranet.contract.errors import DataError, JobError
from coranet.regions.carry_over import EarlierReview, carried_over

from ..core.context import SceneContext
from ..core.images import has_remembered_grid, order_on_grid_of, placement_of_file
from ..core.results import LoadedPrediction, find_prediction_files, results_in_scene
from ..core.stepwise import run_to_end
from .boundary_slide import repeat_slide
from .region_review import RegionReview
from .review_record import ReviewRecord, StoredReview, label_map_steps, read_label_map, read_review_file


def open_review(
    context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles] = None
) -> RegionReview:
    """What `opening_steps` does, at once."""
    return run_to_end(opening_steps(context, loaded, files))


def opening_steps(
    context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles] = None
) -> Generator[None, None, RegionReview]:
    """Take up the review that the scene keeps, else that of the files, else begin one; in steps of milliseconds.

    What the files say was decided is done once more on the result's voxels. Where it is broken off, the result is as it
    was loaded. Without files, the scene alone counts.

    Raises:
        DataError: there are no regions, neither in the scene nor among the files; or they do not fit the result.
        JobError: the review in the scene or in a file is damaged.
    """
    result, volume = loaded.segmentation, loaded.volume
    if volume is None or volume.GetScene() is None or not has_remembered_grid(result, volume):
        raise DataError(
            f"the volume of '{result.GetName()}' is no longer in the scene as it was segmented: it was deleted, "
            "cropped, resampled or moved; load the result again from its job, which keeps the decisions made."
        )
    files = files if files is not None and files.folder.is_dir() else None
    stored = _stored_in_scene(ReviewRecord(context, loaded), files)
    if stored is not None:
        return RegionReview(context, loaded, files, stored)
    if files is None:
        raise DataError(
            f"the files of '{loaded.segmentation.GetName()}' were moved or deleted, and the scene keeps no review of "
            "it; load the result again from its job."
        )
    regions = _regions_of_files(loaded, files)
    before = read_review_file(loaded, files, regions)
    review = RegionReview(context, loaded, files, StoredReview(regions, replace(before, decisions={}, slides=())))
    if not files.review.is_file():
        carried = yield from _carried_decisions(context.scene, loaded, files, regions)
        before = replace(before, decisions=carried)
        if carried:
            text = f"{len(carried)} of {len(regions.regions)} are decided as in the earlier review of this scan."
            review.warnings += (text,)
    try:
        yield from _repeat(review, before)
    except GeneratorExit:
        # Who begins again must find the result as it was loaded.
        review.take_all_back()
        raise
    review.keep()
    return review


def _repeat(review: RegionReview, before: Review) -> Generator[None, None, None]:
    """Do what was decided before the result was loaded, in the order of its time; notes what could be done."""
    if not before.decisions and not before.slides:
        return
    yield from review.read_steps()
    painted = _painted(review, before)
    if before.slides and review.margins is None:
        text = f"Moved boundaries are shown as the model found them: {review.problem_of_margins}"
        review.warnings += (text,)
        before = replace(before, slides=())
    for change in before.in_order_of_time():
        if isinstance(change, Slide):
            review.take_over(repeat_slide(review, change, review.review.slides))
        else:
            _decide_again(review, *change, painted)
        yield


def _decide_again(review: RegionReview, number: int, decision: Decision, painted: Optional[np.ndarray]) -> None:
    voxels = review.voxels(number)
    if decision.choice is not Choice.EDITED:
        labels = voxels.labels[decision.choice.value]
    elif painted is not None:
        labels = voxels.box.of(painted)
    else:
        return
    review.repeat(number, decision, labels)


def _painted(review: RegionReview, before: Review) -> Optional[np.ndarray]:
    """What was painted in edited regions: the label values of the whole case; None where there is none."""
    edited = [decision for decision in before.decisions.values() if decision.choice is Choice.EDITED]
    if not edited or review.files is None:
        return None
    if review.files.reviewed.is_file():
        return read_label_map(review.files.reviewed, review.loaded.volume)
    text = (
        f"What was painted in {len(edited)} edited regions of '{review.loaded.volume.GetName()}' is in no file; review "
        "them again."
    )
    review.warnings += (text,)
    return None


def _stored_in_scene(record: ReviewRecord, files: Optional[PredictionFiles]) -> Optional[StoredReview]:
    """The review that the scene keeps, unless nothing is decided in it and the files have other regions now."""
    stored = record.read()
    if stored is None or stored.review.decisions or files is None or not files.regions.is_file():
        return stored
    return stored if RegionList.read(files.regions).created == stored.regions.created else None


def _regions_of_files(loaded: LoadedPrediction, files: PredictionFiles) -> RegionList:
    """The regions in the files of a case."""
    if not files.regions.is_file():
        raise DataError(
            f"'{files.folder.name}' has no list of uncertain regions; run 'coranet regions' on it, or segment the "
            "volume again."
        )
    regions = RegionList.read(files.regions)
    # In the indices of its file; Slicer shows a left-handed scan with its slices reversed.
    image = placement_of_file(files.region_map)
    order = order_on_grid_of(loaded.volume, image, files.region_map)
    return regions.in_order(order, image.size_ijk)


def _carried_decisions(
    scene: Any, loaded: LoadedPrediction, files: PredictionFiles, regions: RegionList
) -> Generator[None, None, Mapping[int, Decision]]:
    """Decisions of an earlier review of the same scan on the regions of a new result, in steps of some milliseconds.

    By number of the region; {} where there is no earlier review, or none on these regions.
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
    candidates = []
    for other in results_in_scene(scene):
        is_of_scan = other.volume is loaded.volume and other.segmentation is not loaded.segmentation
        if not is_of_scan or [label.value for label in other.labels] != [label.value for label in loaded.labels]:
            continue
        files = find_prediction_files(other.segmentation)
        if files is not None and files.reviewed.is_file() and files.known.is_file():
            candidates.append(files)
    return max(candidates, key=lambda files: files.known.stat().st_mtime, default=None)


def _latest(files: PredictionFiles) -> tuple[str, float]:
    """Who decided last, and when; ("", 0.0) where it is not known."""
    if not files.regions.is_file():
        return "", 0.0
    decisions = Review.read(files.review, RegionList.read(files.regions)).decisions.values()
    last = max(decisions, key=lambda decision: decision.time, default=None)
    return (last.author, last.time) if last is not None else ("", 0.0)
