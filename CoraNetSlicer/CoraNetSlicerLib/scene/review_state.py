"""Where the review of a result stands, in memory, in the scene and beside the case's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from coranet.errors import DataError, StorageError
from coranet.job import Choice, Decision, PredictionFiles, RegionList, Review

from ..notification import Signal
from .class_volumes import ClassVolume
from .context import SceneContext
from .region_voxels import RegionVoxels, read_label_map, read_region_voxels
from .results import LoadedPrediction, segment_id
from .review_opening import kept_in_scene, regions_of_files
from .review_record import KeptReview, ReviewRecord
from .reviewed_files import write_reviewed
from .segment_layers import SegmentLayers


class ReviewState:
    """Regions, decisions and voxels of one result; what changes is kept at once.

    Attributes:
        changed: sent after each change.
        loaded: the result.
        files: of the case; None where they are not.
        layers: the segments of the result.
        warnings: what the user should know, in sentences.
    """

    def __init__(self, context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles]) -> None:
        """Take up the review that the scene keeps, else that of the files, else begin one.

        Raises:
            DataError: there are no regions, neither in the scene nor among the files; or they do not fit the result.
            JobError: what the scene or a file says of the review is damaged.
        """
        self.changed = Signal()
        self.loaded = loaded
        self.files = files if files is not None and files.folder.is_dir() else None
        self.layers = SegmentLayers(loaded.segmentation, loaded.volume)
        self.warnings: tuple[str, ...] = ()
        self._record = ReviewRecord(context, loaded)
        kept = kept_in_scene(self._record, self.files)
        if kept is None:
            self._begin(regions_of_files(loaded, self.files))
        else:
            self._kept = kept

    @property
    def regions(self) -> RegionList:
        """What is known of the regions."""
        return self._kept.regions

    @property
    def review(self) -> Review:
        """The decisions."""
        return self._kept.review

    @property
    def volumes(self) -> Mapping[int, ClassVolume]:
        """Volumes of the classes, by label value, before the first decision."""
        self._read()
        return self._kept.volumes

    @property
    def worklist(self) -> Any:
        """VtkMRMLTableNode with a row for each region."""
        return self._record.worklist

    @property
    def is_current(self) -> bool:
        """Whether the nodes are still those of the review."""
        return self.loaded.segmentation.GetScene() is not None and self._record.is_current

    def voxels(self, number: int) -> RegionVoxels:
        """The voxels of a region; those of all are read when one is asked for.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        number = self.regions.region(number).number
        self._read()
        return self._kept.voxels[number]

    def read_steps(self) -> Iterator[None]:
        """Read the voxels of the regions, if they are not there yet, in steps of milliseconds.

        Raises:
            DataError: a file is missing, or does not fit.
        """
        if len(self._kept.voxels) == len(self.regions.regions) and self._kept.volumes:
            return
        if self.files is None:
            raise DataError(
                f"the voxels of the regions of '{self.loaded.segmentation.GetName()}' are not in the scene, and its "
                "files are not where they were; load the result anew from its job."
            )
        read = yield from read_region_voxels(self.loaded, self.files, self.regions)
        self._kept = replace(self._kept, voxels=read.voxels, volumes=read.volumes)
        self._record.write(self._kept)

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
        gone = [one for one, mask in members.items() if mask.any() and segmentation.GetSegment(one) is None]
        if gone:
            raise DataError(
                f"the segment '{gone[0]}' of '{self.loaded.segmentation.GetName()}' was deleted, but the region needs "
                "it; load the result anew."
            )
        self.layers.write(self.voxels(number).box, members)

    def set_decision(self, number: int, decision: Optional[Decision]) -> None:
        """Note what was decided; the voxels have been painted before.

        Raises:
            StorageError: a file could not be written; the decision stays, in the scene.
        """
        decisions = {one: kept for one, kept in self.review.decisions.items() if one != number}
        if decision is not None:
            decisions[number] = decision
        self.set_review(replace(self.review, decisions=decisions))
        if self.files is not None and decision is not None and decision.choice is Choice.EDITED:
            # Nowhere else outside of the scene is what was painted.
            write_reviewed(self.loaded, self.files.reviewed)

    def set_review(self, review: Review) -> None:
        """Keep another review of the same regions; raises as `set_decision`."""
        self._kept = replace(self._kept, review=review)
        self._record.write_review(self._kept)
        self.changed.send()
        if self.files is None:
            return
        if not self.files.folder.is_dir():
            raise StorageError(
                f"'{self.files.folder}' is no longer there; the decision is in the scene alone, so save the scene."
            )
        review.write(self.files.review)

    # ----------------------------------------------------------------------------------------------------------------

    def _read(self) -> Mapping[int, RegionVoxels]:
        for _step in self.read_steps():
            pass
        return self._kept.voxels

    def _begin(self, regions: RegionList) -> None:
        """Begin a review; what the files say of an earlier one is done once more on the voxels of the result."""
        self._kept = KeptReview.of(regions)
        before = Review.read(self.files.review, regions) if self.files is not None else Review.of(regions)
        decisions = self._done_once_more(before)
        self._kept = replace(self._kept, review=replace(before, decisions=decisions))
        self._record.write(self._kept)

    def _done_once_more(self, review: Review) -> dict[int, Decision]:
        """Give the regions what was decided before the result was loaded; returns the decisions that could be done."""
        edited = {number for number, one in review.decisions.items() if one.choice is Choice.EDITED}
        painted = None
        if edited and self.files is not None and self.files.reviewed.is_file():
            painted = read_label_map(self.files.reviewed, self.loaded.volume)
        elif edited:
            self.warnings += (
                f"What was painted in {len(edited)} edited regions of '{self.loaded.volume.GetName()}' is in no file; "
                "review them again.",
            )
        done = {}
        for number, decision in review.decisions.items():
            if number not in edited:
                self.paint(number, self.voxels(number).labels[decision.choice.value])
            elif painted is not None:
                self.paint(number, self.voxels(number).box.of(painted))
            if number not in edited or painted is not None:
                done[number] = decision
        return done
