"""From a reviewed result to a case that a training learns from: its labels, and of which voxels they are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from coranet.contract import Job, Label, PredictionFiles, ScanIdentity
from coranet.contract.errors import DataError
from coranet.contract.files import atomic_path

from ..core.case_images import label_type
from ..core.case_volume import file_hash
from ..core.export import label_node, write_volume
from ..core.images import size_kji
from ..core.results import LoadedPrediction, case_keys, segment_id
from .boundary_slide import known_voxels_of_slides
from .improvement import PromotedCase
from .region_voxels import read_label_map
from .segment_layers import SegmentLayers

if TYPE_CHECKING:
    from .region_review import RegionReview


def promote_case(review: RegionReview) -> PromotedCase:
    """Write what a training learns from: the label values of a result as it is now, and where they are truth.

    Args:
        review: of the result.

    Raises:
        DataError: nothing is decided, the files of the case or its scan are not there, or classes overlap.
        StorageError: a file could not be written.
    """
    loaded, files, decided = review.loaded, review.files, review.review
    name = loaded.segmentation.GetName()
    if files is None:
        raise DataError(f"the files of '{name}' were moved or deleted; load the result again from its job.")
    if not decided.decisions and not decided.slides and not decided.trusts_certain:
        raise DataError(f"nothing of '{name}' is decided yet; decide at least one of its regions.")
    require_no_overlap(loaded)
    result = files.read_result()
    scan = ScanIdentity.from_dict(result.get("scan"), files.result)
    (image, *more), part = _images(files, result, name, scan)
    known = _certain(loaded, files) if decided.trusts_certain else np.zeros(size_kji(loaded.volume), bool)
    for box in (*(review.voxels(number).box for number in decided.decisions), *known_voxels_of_slides(review)):
        known[box.slices][box.mask] = True
    write_reviewed(loaded, files.reviewed)
    _write(known.astype(np.uint8), loaded, files.known)
    # As the model has them: segments can be renamed or deleted.
    labels = tuple(Label.from_dict(row) for row in result["labels"])
    keys = tuple(case_keys(loaded.volume))
    voxels = file_hash(Path(image), part) if scan is None else scan.voxels
    return PromotedCase(
        files.folder.name, image, files, labels, keys, len(decided.decisions), voxels, tuple(more), part
    )


def _images(
    files: PredictionFiles, result: dict[str, Any], name: str, scan: Optional[ScanIdentity]
) -> tuple[list[str], str]:  # fmt: skip
    """Where the scan lies, an image a channel: by the job, which may have been moved, else by the result.

    Returns:
        The paths, and which image of its series the first one is.
    """
    part = str(result.get("part") or "")
    places: list[tuple[str, ...]] = [(str(result.get("image") or ""), *result.get("more_images", ()))]
    folder = files.folder.parent.parent
    if Job.exists(folder):
        cases = Job.open(folder).read_datalist().cases
        places = [*(case.images for case in cases if case.id == files.folder.name), *places]
    there = [paths for paths in dict.fromkeys(places) if all(path and Path(path).exists() for path in paths)]
    if not there:
        raise DataError(f"the scan of '{name}' was moved or deleted ('{places[0][0]}'); segment the volume again.")
    # A label on another scan would teach what is wrong.
    same = [paths for paths in there if scan is None or _are_images_of(paths, part, scan)]
    if not same:
        raise DataError(
            f"'{there[0][0]}' is no longer the scan that '{name}' was computed on ({scan}); put that scan "
            "back, or segment this one."
        )
    return [str(Path(path).absolute()) for path in same[0]], part


def _are_images_of(paths: tuple[str, ...], part: str, scan: ScanIdentity) -> bool:
    """Whether all images of a case are those of a scan, as far as it knows them."""
    if file_hash(Path(paths[0]), part) != scan.voxels:
        return False
    # The volumes of a file of four dimensions belong together.
    known = [pair for pair in zip(paths[1:], scan.more_voxels, strict=False) if paths.count(pair[0]) == 1]
    return all(file_hash(Path(path)) == voxels for path, voxels in known)


def write_reviewed(loaded: LoadedPrediction, path: Path) -> None:
    """Write the label values of a result as it is now, on the volume's own grid; where classes overlap, the later one.

    Raises:
        DataError: the segments lie on another grid.
        StorageError: it could not be written.
    """
    _write(_result_labels(loaded), loaded, path)


def require_no_overlap(loaded: LoadedPrediction) -> None:
    """Raise DataError, naming both, if two classes of a result have a voxel in common."""
    layers = SegmentLayers(loaded.segmentation, loaded.volume)
    painted = _result_labels(loaded)
    for label in loaded.labels:
        others = painted[layers.paint({segment_id(label): 1}, np.uint8).view(bool)]
        if (others != label.value).any():
            shared = others[others != label.value]
            other = next(second.name for second in loaded.labels if second.value in shared)
            raise DataError(
                f"'{label.name}' and '{other}' of '{loaded.segmentation.GetName()}' overlap; give each voxel to one of "
                "them."
            )


def _result_labels(loaded: LoadedPrediction) -> np.ndarray:
    values = {segment_id(label): label.value for label in loaded.labels}
    return SegmentLayers(loaded.segmentation, loaded.volume).paint(values, label_type(loaded.labels))


def _certain(loaded: LoadedPrediction, files: PredictionFiles) -> np.ndarray:
    """Where both heads name one label and no other comes close: bool, (k, j, i)."""
    paths = (files.uncertain, files.conservative, files.radical)
    uncertain, conservative, radical = (read_label_map(path, loaded.volume) for path in paths)
    return np.asarray((uncertain == 0) & (conservative == radical))


def _write(array: np.ndarray, loaded: LoadedPrediction, path: Path) -> None:
    node: Any = label_node(array, loaded.volume)
    with atomic_path(path) as temporary:
        write_volume(node, temporary, compressed=True)
