"""From a reviewed result to a case that a training learns from."""

from __future__ import annotations

from pathlib import Path

from coranet.errors import DataError
from coranet.job import Job, Label, PredictionFiles

from ..jobs.improvement import PromotedCase
from .results import case_keys
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
    image, *more = _images(files, name)
    decided = [state.voxels(number) for number in review.decisions]
    known = known_voxels(loaded, decided, files, review.trusts_certain)
    write_reviewed(loaded, files.reviewed)
    write_known(loaded, known, files.known)
    # As the model has them: segments can be renamed or deleted.
    labels = tuple(Label.from_dict(row) for row in files.read_result()["labels"])
    keys = tuple(case_keys(loaded.volume))
    decisions = len(review.decisions)
    return PromotedCase(files.folder.name, image, files, labels, keys, decisions, more_images=tuple(more))


def _images(files: PredictionFiles, name: str) -> list[str]:
    """Where the scan lies, an image a channel: as the job says, which may have been moved, else as the result says."""
    result = files.read_result()
    places: list[tuple[str, ...]] = [(str(result.get("image") or ""), *result.get("more_images", ()))]
    folder = files.folder.parent.parent
    if Job.exists(folder):
        cases = Job.open(folder).read_datalist().cases
        places = [*(case.images for case in cases if case.id == files.folder.name), *places]
    found = next((paths for paths in places if all(path and Path(path).exists() for path in paths)), None)
    if found is None:
        raise DataError(f"the scan of '{name}' is not where it was ('{places[0][0]}'); segment the volume again.")
    return [str(Path(path).absolute()) for path in found]
