"""What was decided on an earlier result of the same scan, carried over to the one of an improved model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Optional

from coranet.contract import Choice, Decision, PredictionFiles, RegionList, Review
from coranet.contract.errors import DataError, JobError
from coranet.regions.carry_over import EarlierReview, carried_over

from ..core.results import LoadedPrediction, find_prediction_files
from .region_voxels import label_map_steps
from .results_in_scene import results_in_scene

Decisions = Mapping[int, Decision]


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
