"""Datalists: the Medical Segmentation Decathlon's dataset.json with one key more, ``unlabeled``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..job import Case, Datalist, Label, Role, find_images, image_name, is_image_file, unique_case_names
from ..volume import holds_dicom

_ROLE_OF_KEY = {
    "training": Role.TRAINING, "unlabeled": Role.UNLABELED, "validation": Role.VALIDATION, "test": Role.TEST,
}  # fmt: skip


def read_datalist(path: str | Path) -> Datalist:
    """Read a dataset.json.

    Args:
        path: JSON file with ``training`` [{image, label}], optional ``unlabeled`` [{image} or path], ``validation`` and
            ``test`` [{image, label}], and ``labels`` {value: name}. Paths are relative to the file.

    Raises:
        DataError: the file or one of its rows cannot be used; the message names both.
    """
    path = Path(path)
    content = _read_json_object(path)
    label_names = _label_names(content.get("labels"), path)
    rows = [
        (role, _row_of(row, key, path))
        for key, role in _ROLE_OF_KEY.items()
        for row in _rows_of(content, key, path)
    ]  # fmt: skip
    # Files of the Decathlon list their test images without labels: nothing can be measured on these.
    rows = [(role, row) for role, row in rows if role is not Role.TEST or "label" in row]
    names = unique_case_names(image_name(row["image"]) for _, row in rows)
    cases = [
        Case(name, role, _absolute(path, row["image"]), _absolute(path, row["label"]) if row.get("label") else None)
        for name, (role, row) in zip(names, rows, strict=True)
    ]
    _require_distinct_images(cases, path)
    try:
        return Datalist(tuple(cases), tuple(Label(value, name) for value, name in label_names))
    except DataError as error:
        raise DataError(f"in the datalist '{path}' {error}") from None


def input_cases(inputs: Iterable[str | Path]) -> tuple[Case, ...]:
    """Cases to be segmented.

    Args:
        inputs: image files, folders of one DICOM series, or folders of images.

    Raises:
        DataError: an input does not exist or holds no image.
    """
    found: list[tuple[str, Path]] = []
    for entry in map(Path, inputs):
        if not entry.exists():
            raise DataError(f"'{entry}' does not exist; correct the path.")
        is_scan = is_image_file(entry) or not entry.is_dir() or holds_dicom(entry)
        found += [(image_name(entry), entry)] if is_scan else find_images(entry)
    names = unique_case_names(name for name, _ in found)
    return tuple(Case(name, Role.INPUT, str(path.absolute())) for name, (_, path) in zip(names, found, strict=True))


def with_validation_cases(datalist: Datalist, wanted: int | None, seed: int) -> Datalist:
    """Set labeled cases aside for validation where the list names none.

    Args:
        datalist: all cases.
        wanted: how many; None: a fifth of the labeled ones, none if there are fewer than 5.
        seed: chooses which.

    Raises:
        DataError: no labeled case would be left to learn from.
    """
    labeled = datalist.with_role(Role.TRAINING)
    if datalist.with_role(Role.VALIDATION):
        return datalist
    if wanted is None:
        # Of four or fewer, one case is too much to give away, and too little to judge a model by.
        wanted = round(len(labeled) / 5) if len(labeled) >= 5 else 0
    if wanted >= len(labeled) > 0:
        raise DataError(
            f"{wanted} validation cases leave none of the {len(labeled)} labeled cases to learn from; "
            "label more cases or lower data.validation_cases."
        )
    chosen = {labeled[index].id for index in np.random.default_rng(seed).permutation(len(labeled))[:wanted]}
    cases = tuple(replace(case, role=Role.VALIDATION) if case.id in chosen else case for case in datalist.cases)
    return replace(datalist, cases=cases)


def with_labeled_cases(datalist: Datalist, count: int, seed: int) -> Datalist:
    """Keep some of the labeled cases and leave out the others altogether, to see what fewer labels are worth.

    Args:
        datalist: all cases; those named for validation stay.
        count: how many labeled cases to keep; of two counts, the smaller one's cases are among the larger one's.
        seed: chooses which.

    Raises:
        DataError: there are not as many.
    """
    labeled = datalist.with_role(Role.TRAINING)
    if not 1 <= count <= len(labeled):
        raise DataError(
            f"the datalist has {len(labeled)} labeled cases, so 1 to {len(labeled)} can be kept, not {count}."
        )
    kept = {labeled[index].id for index in np.random.default_rng(seed).permutation(len(labeled))[:count]}
    return replace(datalist, cases=tuple(c for c in datalist.cases if c.role is not Role.TRAINING or c.id in kept))


def with_true_labels(datalist: Datalist, folder: str | Path) -> Datalist:
    """Make the unlabeled cases labeled ones, for the training that knows every label.

    Args:
        datalist: all cases.
        folder: holds their label maps; that of ``image007.nrrd`` is ``label007`` or ``image007``, in any image format.

    Raises:
        DataError: a case has no label map there, or several.
    """
    found: dict[str, list[Path]] = {}
    for name, path in find_images(folder):
        found.setdefault(name, []).append(path)

    def labeled(case: Case) -> Case:
        if case.role is not Role.UNLABELED:
            return case
        own = image_name(case.image)
        names = dict.fromkeys((re.sub("^image", "label", own), own))
        paths = next((found[name] for name in names if name in found), [])
        if len(paths) != 1:
            raise DataError(
                f"'{folder}' has {len(paths)} label maps for '{case.image}', expected one with the name "
                f"{' or '.join(names)}; name it so."
            )
        return replace(case, role=Role.TRAINING, label=str(paths[0]))

    return replace(datalist, cases=tuple(labeled(case) for case in datalist.cases))


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"the datalist '{path}' does not exist; correct the path.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"the datalist '{path}' cannot be read as JSON ({error}); correct the file.") from error
    if not isinstance(content, dict):
        raise DataError(f"the datalist '{path}' must hold a JSON object, got {type(content).__name__}.")
    return content


def _label_names(content: Any, path: Path) -> list[tuple[int, str]]:
    names = {str(key).strip(): str(name) for key, name in content.items()} if isinstance(content, Mapping) else {}
    names.pop("0", None)  # the background by definition
    if not names:
        raise DataError(f"the datalist '{path}' needs 'labels', for example {{\"1\": \"pancreas\"}}; add them.")
    for key in names:
        if not key.isdecimal():
            raise DataError(
                f"the datalist '{path}' has the label value '{key}', expected a whole number of at least 1; correct it."
            )
    return [(int(key), name) for key, name in names.items()]


def _rows_of(content: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    rows = content.get(key, [])
    if not isinstance(rows, list):
        raise DataError(f"'{key}' in the datalist '{path}' must be a list, got {type(rows).__name__}.")
    return rows


def _row_of(row: Any, key: str, path: Path) -> dict[str, str]:
    if isinstance(row, str):
        row = {"image": row}
    if not isinstance(row, dict) or not isinstance(row.get("image"), str):
        raise DataError(f"a row of '{key}' in the datalist '{path}' must have an 'image', got {row!r}.")
    if not isinstance(row.get("label", ""), str):
        raise DataError(
            f"the 'label' of '{row['image']}' in the datalist '{path}' must be a path, got {row['label']!r}."
        )
    if key in ("training", "validation") and not row.get("label"):
        raise DataError(
            f"'{row['image']}' of '{key}' in the datalist '{path}' has no 'label'; add it or move it to 'unlabeled'."
        )
    return row


def _absolute(datalist: Path, path: str) -> str:
    return str((datalist.parent / path).absolute())


def _require_distinct_images(cases: Sequence[Case], path: Path) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(str(Path(case.image).resolve()), case)
        if other is not case:
            raise DataError(
                f"the datalist '{path}' names '{case.image}' twice, as {other.role.value} and as {case.role.value}; "
                "keep one of them."
            )
