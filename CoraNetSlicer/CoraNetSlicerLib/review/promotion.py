"""From a reviewed result to a case that a training learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import slicer

from coranet.contract import Job, Label, PredictionFiles, ScanIdentity
from coranet.contract.errors import DataError

from ..core.images import read_image
from ..core.results import case_keys
from ..core.scan_of_volume import volume_hash
from .improvement import PromotedCase
from .review_state import ReviewState
from .reviewed_files import known_voxels, require_no_overlap, write_known, write_reviewed


def promote_case(state: ReviewState) -> PromotedCase:
    """Write what a training learns from: the label values of a result as it is now, and where they are truth.

    Args:
        state: the review.

    Raises:
        DataError: nothing is decided, the files of the case or its scan are not there, or classes overlap.
        StorageError: a file could not be written.
    """
    loaded, files, review = state.loaded, state.files, state.review
    name = loaded.segmentation.GetName()
    if files is None:
        raise DataError(f"the files of '{name}' are not where they were; load the result anew from its job.")
    if not review.decisions and not review.trusts_certain:
        raise DataError(f"nothing of '{name}' is decided yet; decide at least one of its regions.")
    require_no_overlap(loaded)
    result = files.read_result()
    scan = ScanIdentity.from_dict(result.get("scan"), files.result)
    image, *more = _images(files, result, name, scan)
    decided = [state.voxels(number) for number in review.decisions]
    known = known_voxels(loaded, decided, files, review.trusts_certain)
    write_reviewed(loaded, files.reviewed)
    write_known(loaded, known, files.known)
    # As the model has them: segments can be renamed or deleted.
    labels = tuple(Label.from_dict(row) for row in result["labels"])
    keys = tuple(case_keys(loaded.volume))
    return PromotedCase(
        files.folder.name, image, files, labels, keys, len(review.decisions), tuple(more),
        scan=_hash_of_file(image) if scan is None else scan.voxels, scan_of=_hash_of_file,
    )  # fmt: skip


def _hash_of_file(path: str) -> str:
    """The hash of the voxels of an image file."""
    return volume_hash(read_image(Path(path), slicer.vtkMRMLScalarVolumeNode()))


def _images(files: PredictionFiles, result: dict[str, Any], name: str, scan: Optional[ScanIdentity]) -> list[str]:
    """Where the scan lies, an image a channel: as the job says, which may have been moved, else as the result says."""
    places: list[tuple[str, ...]] = [(str(result.get("image") or ""), *result.get("more_images", ()))]
    folder = files.folder.parent.parent
    if Job.exists(folder):
        cases = Job.open(folder).read_datalist().cases
        places = [*(case.images for case in cases if case.id == files.folder.name), *places]
    there = [paths for paths in dict.fromkeys(places) if all(path and Path(path).exists() for path in paths)]
    if not there:
        raise DataError(f"the scan of '{name}' is not where it was ('{places[0][0]}'); segment the volume again.")
    # A label on another scan would teach what is wrong.
    same = [paths for paths in there if scan is None or _hash_of_file(paths[0]) == scan.voxels]
    if not same:
        raise DataError(
            f"'{there[0][0]}' is another scan now than the one that '{name}' was computed on ({scan}); put that scan "
            "back, or segment this one."
        )
    return [str(Path(path).absolute()) for path in same[0]]
