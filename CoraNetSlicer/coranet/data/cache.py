"""Prepared cases on disk, mapped into memory: a hundred scans do not have to fit into it."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, StorageError, storage_error
from ..job import Case, Role
from ..job.files import atomic_path
from ..volume import Volume, read_image, read_label_map
from .preprocessing import Preprocessing

_FOREGROUND_VOXELS = 4000

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PreparedCase:
    """One case as the network sees it.

    Attributes:
        case: where it came from.
        image: (D, H, W), float16, mapped from disk.
        labels: (D, H, W), uint8 class indices, mapped from disk; None for an unlabeled case.
        foreground: for each foreground class up to 4000 of its voxels, (n, 3), in the order D, H, W.
        padding: intensity outside of the scan: its lowest.
    """

    case: Case
    image: Array
    labels: Array | None
    foreground: tuple[Array, ...]
    padding: float


def read_labeled_pair(case: Case, values: Sequence[int]) -> tuple[Volume, Volume]:
    """Image and label map of a case, checked against each other.

    Args:
        case: has an image and a label.
        values: label values of the datalist.

    Raises:
        DataError: the grids differ, the label map has other values than the datalist, or it is empty.
    """
    image, labels = read_image(case.image), read_label_map(str(case.label))
    difference = image.grid.difference(labels.grid)
    if difference:
        raise DataError(
            f"'{case.image}' and its label '{case.label}' lie on different grids ({difference}); "
            "resample the label to the image's grid."
        )
    found = {int(value) for value in np.unique(labels.voxels)} - {0}
    unknown = sorted(found - set(values))
    if unknown:
        raise DataError(
            f"'{case.label}' has the label value {unknown[0]}, the datalist names {sorted(values)}; "
            "add its name to 'labels' or remove it from the label map."
        )
    if not found:
        raise DataError(
            f"'{case.label}' is empty: none of the labels {sorted(values)} occurs; segment it or make it unlabeled."
        )
    return image, labels


def prepare_case(case: Case, preprocessing: Preprocessing, values: Sequence[int], folder: Path) -> PreparedCase:
    """Prepare a case, or take it from the folder where that was done before.

    Args:
        case: image and, unless it is unlabeled, label map.
        preprocessing: the recipe.
        values: label value of class 1, 2, ...
        folder: of the cache.

    Raises:
        DataError: the case cannot be used.
        StorageError: the cache cannot be written.
    """
    stem = folder / f"{case.id}-{_fingerprint(case, preprocessing, values)}"
    image_path, labels_path = stem.with_name(stem.name + ".image.npy"), stem.with_name(stem.name + ".labels.npy")
    has_labels = case.role is not Role.UNLABELED
    if not image_path.exists() or (has_labels and not labels_path.exists()):
        _write(case, preprocessing, values, image_path, labels_path)
    image = np.load(image_path, mmap_mode="r")
    labels = np.load(labels_path, mmap_mode="r") if has_labels else None
    foreground = tuple(_some_voxels(labels, index) for index in range(1, len(values) + 1)) if labels is not None else ()
    return PreparedCase(case, image, labels, foreground, float(image.min()))


def _write(
    case: Case, preprocessing: Preprocessing, values: Sequence[int], image_path: Path, labels_path: Path
) -> None:
    if case.role is Role.UNLABELED:
        image = read_image(case.image)
    else:
        image, labels = read_labeled_pair(case, values)
        _save(labels_path, preprocessing.prepare_labels(labels, values))
    _save(image_path, preprocessing.prepare_image(image).astype(np.float16))


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
            # numpy tells of a write that was cut short without an error number: the disk is full.
            raise storage_error(path, error if error.errno else OSError(errno.ENOSPC, str(error))) from error


def _some_voxels(labels: Array, index: int) -> Array:
    voxels = np.argwhere(labels == index).astype(np.int32)
    step = max(1, -(-len(voxels) // _FOREGROUND_VOXELS))
    return voxels[::step]


def _fingerprint(case: Case, preprocessing: Preprocessing, values: Sequence[int]) -> str:
    files = [_state(path) for path in (case.image, case.label) if path]
    content = json.dumps([files, preprocessing.to_dict(), list(values)])
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:12]


def _state(path: str) -> list[Any]:
    try:
        state = Path(path).stat()
    except OSError:
        raise DataError(f"'{path}' does not exist; correct the path in the datalist.") from None
    return [str(path), state.st_size, state.st_mtime_ns]
