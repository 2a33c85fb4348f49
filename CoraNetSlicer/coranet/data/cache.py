"""Prepared cases on disk, mapped into memory: a hundred scans do not have to fit into it."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..contract import Case, Role
from ..contract.errors import DataError, StorageError, storage_error
from ..contract.files import atomic_path
from ..contract.segment_names import meaning_of
from ..contract.source_files import content_hash
from ..volume import Grid, Volume, read_label_map
from .axes import on_axes_of
from .box import Box
from .case_labels import read_case_labels
from .class_indices import places_by_class
from .preprocessing import Preprocessing
from .scans import read_scan

_FOREGROUND_VOXELS = 4000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PreparedCase:
    """One case as the network sees it.

    Attributes:
        case: where it came from.
        image: (C, D, H, W), float16, mapped from disk.
        labels: (D, H, W), class indices (uint8, or uint16 of more than 255 classes), mapped from disk; None for an
            unlabeled case.
        foreground: for each foreground class up to 4000 of its voxels, (n, 3), in the order D, H, W.
        padding: for each channel the intensity outside of the scan: its lowest.
        known: (D, H, W), uint8, 1 where the labels are truth, mapped from disk; None: everywhere.
        known_voxels: up to 4000 of these voxels, (n, 3); none where they are known everywhere.
        box: what of the scan it is, in canonical voxels of the scan; None: all. A scan with several boxes is as many
            prepared cases.
        missed: for each foreground class the voxels of the network's grid that lie in no box of the scan; told by one
            of its boxes, () elsewhere.
    """

    case: Case
    image: Array
    labels: Array | None
    foreground: tuple[Array, ...]
    padding: tuple[float, ...]
    known: Array | None = None
    known_voxels: Array = field(default_factory=lambda: np.empty((0, 3), dtype=np.int32))
    box: Box | None = None
    missed: tuple[int, ...] = ()

    @property
    def is_known_nowhere(self) -> bool:
        """Whether all that is known of the labels was smaller than the network's voxels."""
        return self.known is not None and not len(self.known_voxels)


def read_labeled_pair(case: Case, values: Sequence[int], image: Volume | None = None) -> tuple[Volume, Volume]:
    """Image and label map of a case, checked against each other.

    Args:
        case: has an image and a label.
        values: label values of the datalist.
        image: the scan if it was read already; None: it is read.

    Returns:
        Both volumes; where the label is not known, the label map is 0. It may be 0 everywhere: that there is no
        structure is an answer, too.

    Raises:
        DataError: the grids differ, or the label map has other values than the datalist.
    """
    image = read_scan(case) if image is None else image
    return image, read_labels(case, values, image.grid)


def read_labels(case: Case, values: Sequence[int], grid: Grid) -> Volume:
    """The label map of a case in the order of its scan's voxels, 0 where the label is not known.

    Args:
        case: has a label.
        values: label values of the datalist.
        grid: of the scan.

    Raises:
        DataError: as for `read_labeled_pair`.
    """
    labels = on_axes_of(read_case_labels(case), grid)
    difference = grid.difference(labels.grid)
    if difference:
        raise DataError(
            f"'{case.image}' and its label '{case.label}' have different grids ({difference}); give the label of "
            "this scan, or resample it to the image's grid."
        )
    if case.known:
        labels = Volume(labels.voxels * read_known(case, labels.grid).voxels, labels.grid)
    present = {int(value) for value in np.unique(labels.voxels)} - {0}
    unknown = sorted(present - set(values))
    if unknown:
        raise DataError(
            f"'{case.label}' has the label value {unknown[0]}, the datalist names {sorted(values)}; "
            "add its name to 'labels' or remove it from the label map."
        )
    return labels


def read_known(case: Case, grid: Grid) -> Volume:
    """The mask of a case: 1 where its label is truth, 0 where it is unknown.

    Args:
        case: has such a mask.
        grid: of its label map.

    Raises:
        DataError: the mask lies on another grid, has other values, or is empty.
    """
    known = on_axes_of(read_label_map(str(case.known)), grid)
    difference = grid.difference(known.grid)
    if difference:
        raise DataError(
            f"'{case.label}' and the mask '{case.known}' of its known part have different grids ({difference}); "
            "resample the mask to the label's grid."
        )
    if known.voxels.max() > 1:
        raise DataError(
            f"'{case.known}' must be 1 where the label is known and 0 elsewhere, got the value {known.voxels.max()}; "
            "write it again."
        )
    if not known.voxels.any():
        raise DataError(
            f"'{case.known}' is empty: nothing of the label is known; decide at least one region or make it unlabeled."
        )
    return known


def prepare_case(
    case: Case, preprocessing: Preprocessing, values: Sequence[int], folder: Path, box: Box | None = None,
    merged: bool = False,
) -> PreparedCase:  # fmt: skip
    """Prepare a case, or one box of it; see `prepare_pieces`."""
    (prepared,) = prepare_pieces(case, preprocessing, values, folder, (box,), merged)
    return prepared


def prepare_pieces(
    case: Case, preprocessing: Preprocessing, values: Sequence[int], folder: Path, boxes: Sequence[Box | None],
    merged: bool = False,
) -> list[PreparedCase]:  # fmt: skip
    """Prepare some boxes of a case, or take them from the folder where that was done before; its files are read once.

    Args:
        case: image and, unless it is unlabeled, label map.
        preprocessing: the recipe.
        values: label value of class 1, 2, ...
        folder: of the cache.
        boxes: what of the scan is prepared, in canonical voxels; None: all.
        merged: whether all values are one class, 1.

    Returns:
        A prepared case for each box.

    Raises:
        DataError: the case cannot be used.
        StorageError: the cache cannot be written.
    """
    content = _content_of(case)
    places = [(box, _paths(case, folder, _fingerprint(content, preprocessing, values, (box, merged)))) for box in boxes]
    missing = [(box, paths) for box, paths in places if not all(path.exists() for path in paths.values())]
    if missing:
        _write(case, preprocessing, values, missing, merged)
        if _content_of(case) != content:
            for path in (path for _, paths in missing for path in paths.values()):
                path.unlink(missing_ok=True)
            raise DataError(f"'{case.image}' or its label was written while it was read; start again when it is done.")
    return [_mapped(case, box, paths, 1 if merged else len(values)) for box, paths in places]


def _paths(case: Case, folder: Path, fingerprint: str) -> dict[str, Path]:
    """The files of a prepared case by what they hold."""
    parts = ["image", *(["labels"] if case.role is not Role.UNLABELED else []), *(["known"] if case.known else [])]
    return {part: folder / f"{case.id}-{fingerprint}.{part}.npy" for part in parts}


def _mapped(case: Case, box: Box | None, paths: Mapping[str, Path], classes: int) -> PreparedCase:
    """A prepared case whose files are there."""
    arrays = {part: np.load(path, mmap_mode="r") for part, path in paths.items()}
    image, labels, known = (arrays.get(part) for part in ("image", "labels", "known"))
    if known is not None and known.all():
        known = None
    prepared = PreparedCase(case, cast(Array, image), labels, (), lowest(cast(Array, image)), known, box=box)
    return replace(prepared, **_listed_voxels(prepared, classes))


def lowest(image: Array) -> tuple[float, ...]:
    """For each channel of an image (C, D, H, W) its lowest intensity, which stands for what is outside of the scan."""
    return tuple(float(channel.min()) for channel in image)


def _write(
    case: Case, preprocessing: Preprocessing, values: Sequence[int],
    places: Sequence[tuple[Box | None, Mapping[str, Path]]], merged: bool,
) -> None:  # fmt: skip
    """Read a case once and write what is prepared of it, box by box."""
    image, labels, known = read_scan(case), None, None
    if case.role is not Role.UNLABELED:
        labels = read_labels(case, values, image.grid)
        known = read_known(case, labels.grid) if case.known else None
        if merged:
            labels, values = Volume((labels.voxels > 0).astype(np.uint8), labels.grid), (1,)
    for box, paths in places:
        # First: it is refused where memory cannot hold it.
        _save(paths["image"], _prepared_image(case, preprocessing, image, box))
        if labels is not None:
            _save(paths["labels"], preprocessing.prepare_labels(labels, values, known, box))
        if known is not None:
            _save(paths["known"], preprocessing.prepare_known(known, box))


def _prepared_image(case: Case, preprocessing: Preprocessing, image: Volume, box: Box | None) -> Array:
    try:
        return preprocessing.prepare_image(image, box).astype(np.float16)
    except DataError as error:
        raise DataError(f"in '{case.described_image}' {error}") from None


def _save(path: Path, array: Array) -> None:
    try:
        _save_aside(path, array)
    except StorageError as error:
        # Windows does not replace a file that is mapped: another job has prepared the same case in the meantime.
        if not (isinstance(error.__cause__, PermissionError) and path.exists()):
            raise


def _save_aside(path: Path, array: Array) -> None:
    with atomic_path(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                np.save(file, array)
        except OSError as error:
            # numpy reports a write that was cut short without an error number: the disk is full.
            raise storage_error(path, error if error.errno else OSError(errno.ENOSPC, str(error))) from error


def _listed_voxels(case: PreparedCase, classes: int) -> dict[str, Any]:
    """Where patches of a labeled case may be centred: see `PreparedCase`."""
    if case.labels is None:
        return {}
    if case.known is None:
        return {"foreground": _foreground(case.labels, classes)}
    is_known = case.known > 0
    known_voxels = _some_voxels(np.flatnonzero(is_known), is_known.shape)
    return {"foreground": _foreground(case.labels * is_known, classes), "known_voxels": known_voxels}


def _foreground(labels: Array, classes: int) -> tuple[Array, ...]:
    return tuple(_some_voxels(places, labels.shape) for places in places_by_class(labels, classes))


def _some_voxels(places: Array, shape: tuple[int, ...]) -> Array:
    step = max(1, -(-len(places) // _FOREGROUND_VOXELS))
    return np.stack(np.unravel_index(places[::step], shape), axis=1).astype(np.int32)


def _fingerprint(
    content: Sequence[Any], preprocessing: Preprocessing, values: Sequence[int], how: tuple[Box | None, bool]
) -> str:
    recipe, (box, merged) = replace(preprocessing, lowest=()).to_dict(), how
    text = json.dumps([__version__, *content, recipe, list(values), box and box.to_lists(), merged])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def _content_of(case: Case) -> list[Any]:
    """What is in the files of a case, and what the values of its label map mean."""
    files = {path: _content(path) for path in case.files}
    parts = [files[path] if path else None for path in (*case.images, case.label, case.known)]
    # Several images may lie in one file.
    return [parts, sorted((meaning_of(case) or {}).items()), case.part]


def _content(path: str) -> str:
    """A hash of all files of an image. Size and time are not enough: labels are corrected in place."""
    try:
        return content_hash([path])
    except OSError as error:
        if not Path(path).exists():
            raise DataError(f"'{path}' does not exist; correct the path in the datalist.") from None
        raise DataError(f"'{path}' cannot be read ({error.strerror or error}); make it readable again.") from error
