"""Which review of a result is taken up: the one that the scene keeps, or that of the files."""

from __future__ import annotations

from typing import Optional

from coranet.contract import PredictionFiles, RegionList
from coranet.contract.errors import DataError

from ..core.images import order_on_grid_of
from ..core.nrrd_pieces import image_header
from ..core.results import LoadedPrediction
from .review_record import KeptReview, ReviewRecord


def kept_in_scene(record: ReviewRecord, files: Optional[PredictionFiles]) -> Optional[KeptReview]:
    """The review that the scene keeps, unless nothing is decided in it and the files have other regions now.

    Raises:
        JobError: what the scene or the file says is damaged.
    """
    kept = record.read()
    if kept is None or kept.review.decisions or files is None or not files.regions.is_file():
        return kept
    return kept if RegionList.read(files.regions).created == kept.regions.created else None


def regions_of_files(loaded: LoadedPrediction, files: Optional[PredictionFiles]) -> RegionList:
    """The regions that the files of a case tell of.

    Raises:
        DataError: there are none, or they lie on another grid than the volume.
        JobError: regions.json is damaged.
    """
    if files is None:
        raise DataError(
            f"the files of '{loaded.segmentation.GetName()}' are not where they were, and the scene keeps no review of "
            "it; load the result anew from its job."
        )
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
