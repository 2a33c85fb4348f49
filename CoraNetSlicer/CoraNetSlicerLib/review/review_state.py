"""What is known of a result under review: its regions, the decisions on them, and the voxels and margins they need."""

from __future__ import annotations

from collections.abc import Generator
from typing import Optional

from coranet.boundary_slide import BoundaryMargins
from coranet.contract import Decision, PredictionFiles
from coranet.contract.errors import DataError

from ..core.context import SceneContext
from ..core.results import LoadedPrediction
from ..core.stepwise import run_to_end
from .review_record import RegionVoxels, ReviewRecord, StoredReview, read_margins, read_region_voxels
from .segment_layers import SegmentLayers


class ReviewState:
    """The state of a review. What takes long to read is read on first use.

    Attributes:
        loaded: the result.
        files: of the case; None if they are gone.
        regions: the regions, in the order of their numbers 1, 2, ...
        review: the decisions.
        layers: the segments of the result.
        record: what the scene keeps of the review.
        is_being_read: whether the voxels of the regions are being read in steps.
        problem_of_margins: why the result has no margins, once they were read; "" if it has.
    """

    def __init__(
        self, context: SceneContext, loaded: LoadedPrediction, files: Optional[PredictionFiles], stored: StoredReview
    ) -> None:
        self.loaded, self.files = loaded, files
        self.regions, self.review = stored.regions, stored.review
        self.layers = SegmentLayers(loaded.segmentation, loaded.volume)
        self.record = ReviewRecord(context, loaded)
        self.is_being_read = False
        self.problem_of_margins = ""
        self._margins: Optional[BoundaryMargins] = None
        self._voxels, self._history = stored.voxels, stored.history

    def decision(self, number: int) -> Optional[Decision]:
        """The decision on a region; None if there is none yet."""
        return self.review.decisions.get(self.regions.region(number).number)

    def voxels(self, number: int) -> RegionVoxels:
        """The voxels of a region; those of all regions are read on first use.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        number = self.regions.region(number).number
        run_to_end(self._read_voxels())
        return self._voxels[number]

    @property
    def margins(self) -> Optional[BoundaryMargins]:
        """The margins that slides need, read on first use; None: see `problem_of_margins`."""
        # The regions first: they keep what the result names before anything is slid.
        run_to_end(self.read_steps())
        return self._margins

    def read_steps(self) -> Generator[None, None, None]:
        """Read the voxels of the regions and the margins, unless they have been read, in steps of milliseconds.

        Raises:
            DataError: a file of the regions is missing, or does not fit.
        """
        yield from self._read_voxels()
        if self._margins is not None or self.problem_of_margins:
            return
        if self.files is None:
            self.problem_of_margins = (
                f"the files of '{self.loaded.segmentation.GetName()}' were moved or deleted, but moving a boundary "
                "needs them; load the result again from its job."
            )
            return
        try:
            self._margins = yield from read_margins(self.loaded, self.files)
        except DataError as error:
            self.problem_of_margins = str(error)

    def keep(self) -> None:
        """Save the review in the scene."""
        self.record.write(self._stored)

    @property
    def _stored(self) -> StoredReview:
        return StoredReview(self.regions, self.review, self._voxels, self._history)

    def _read_voxels(self) -> Generator[None, None, None]:
        if len(self._voxels) == len(self.regions.regions):
            return
        if self.files is None:
            raise DataError(
                f"the voxels of the regions of '{self.loaded.segmentation.GetName()}' are not in the scene, and its "
                "files were moved or deleted; load the result again from its job."
            )
        self.is_being_read = True
        try:
            self._voxels = yield from read_region_voxels(self.loaded, self.files, self.regions)
        finally:
            self.is_being_read = False
        if self.record.is_current:
            self.keep()
