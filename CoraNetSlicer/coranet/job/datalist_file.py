"""Files and folders that list cases: the Decathlon's dataset.json with one key more, and folders of images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import DataError
from .case_names import unique_case_names
from .datalist import Case, Datalist, Label, Role
from .image_files import find_images, image_name, is_image_file

_ROLE_OF_KEY = {
    "training": Role.TRAINING, "unlabeled": Role.UNLABELED, "validation": Role.VALIDATION, "test": Role.TEST,
}  # fmt: skip
_DATASET = "dataset.json"
_CHANNEL = "_0000"


def read_datalist(path: Union[str, Path]) -> Datalist:
    """Read a dataset.json.

    Args:
        path: JSON file with ``training`` [{image, label}, and ``known`` where the label is decided in part], optional
            ``unlabeled`` [{image} or path], ``validation`` and ``test`` [{image, label}], and ``labels`` {value: name}.
            Paths are relative to the file.

    Raises:
        DataError: the file or one of its rows cannot be used; the message names both.
    """
    path = Path(path)
    content = _read_json_object(path)
    labels = _labels(content.get("labels"), path)
    rows = [
        (role, _row_of(row, key, path))
        for key, role in _ROLE_OF_KEY.items()
        for row in _rows_of(content, key, path)
    ]  # fmt: skip
    # Files of the Decathlon list their test images without labels: nothing can be measured on these.
    rows = [(role, row) for role, row in rows if role is not Role.TEST or "label" in row]
    names = unique_case_names(image_name(row["image"]) for _, row in rows)
    cases = [_case(name, role, row, path) for name, (role, row) in zip(names, rows)]
    _require_distinct_images(cases, path)
    return _datalist(cases, labels, path)


def find_cases(path: Union[str, Path]) -> Datalist:
    """The cases of a datalist, of an image file or of a folder.

    Args:
        path: a dataset.json; an image; or a folder: with such a dataset.json, with ``imagesTr`` and ``labelsTr`` as
            nnU-Net has them (an image without label is unlabeled), or with images, which then are all unlabeled.

    Raises:
        DataError: there is nothing that can be used; the message says what was looked for.
    """
    path = Path(path).expanduser().absolute()
    if is_image_file(path):
        return Datalist((Case(unique_case_names([image_name(path)])[0], Role.UNLABELED, str(path)),))
    if not path.is_dir():
        return read_datalist(path)
    description = _read_json_object(path / _DATASET) if (path / _DATASET).is_file() else None
    if description and description.get("training"):
        return read_datalist(path / _DATASET)
    if (path / "imagesTr").is_dir():
        return _training_folders(path, description)
    found = find_images(path)
    names = unique_case_names(name for name, _ in found)
    return Datalist(tuple(Case(name, Role.UNLABELED, str(image)) for name, (_, image) in zip(names, found)))


def _training_folders(folder: Path, description: Optional[Mapping[str, Any]]) -> Datalist:
    label_folder = folder / "labelsTr"
    label_maps = dict(find_images(label_folder)) if label_folder.is_dir() and any(label_folder.iterdir()) else {}
    if label_maps and description is None:
        raise DataError(
            f"'{folder}' has label maps but no {_DATASET} that says what their values mean; add it, with "
            '"labels": {"1": "pancreas"} or the like.'
        )
    labels = _labels(_by_value((description or {}).get("labels")), folder / _DATASET) if label_maps else ()
    images = _without_channel(find_images(folder / "imagesTr"), label_maps, folder)
    cases = [
        Case(
            identifier,
            Role.TRAINING if name in label_maps else Role.UNLABELED,
            str(image),
            str(label_maps[name]) if name in label_maps else None,
        )
        for identifier, (name, image) in zip(unique_case_names(images), images.items())
    ]
    return _datalist(cases, labels, folder)


def _without_channel(
    images: Sequence[tuple[str, Path]], label_maps: Mapping[str, Path], folder: Path
) -> dict[str, Path]:
    """Images by the name that their label maps have: nnU-Net appends _0000, _0001, ... for the channels of one case."""
    names = [name for name, _ in images]
    if any(name in label_maps for name in names) or not any(name.endswith(_CHANNEL) for name in names):
        return dict(images)
    others = [name for name in names if not name.endswith(_CHANNEL)]
    if others:
        raise DataError(f"'{folder}' has images of several channels, such as '{others[0]}'; expected one a case.")
    return {name[: -len(_CHANNEL)]: path for name, path in images}


def _by_value(content: Any) -> Any:
    """Labels as value -> name; nnU-Net writes them the other way round."""
    if isinstance(content, Mapping) and all(isinstance(value, int) for value in content.values()):
        return {str(value): name for name, value in content.items()}
    return content


def _datalist(cases: Sequence[Case], labels: Sequence[Label], path: Path) -> Datalist:
    try:
        return Datalist(tuple(cases), tuple(labels))
    except DataError as error:
        raise DataError(f"in the datalist '{path}' {error}") from None


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


def _labels(content: Any, path: Path) -> tuple[Label, ...]:
    names = {str(key).strip(): str(name) for key, name in content.items()} if isinstance(content, Mapping) else {}
    names.pop("0", None)  # the background by definition
    if not names:
        raise DataError(f"the datalist '{path}' needs 'labels', for example {{\"1\": \"pancreas\"}}; add them.")
    for key in names:
        if not key.isdecimal():
            raise DataError(
                f"the datalist '{path}' has the label value '{key}', expected a whole number of at least 1; correct it."
            )
    try:
        return tuple(Label(int(key), name) for key, name in names.items())
    except DataError as error:
        raise DataError(f"in the datalist '{path}' {error}") from None


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
    for name in ("label", "known"):
        if not isinstance(row.get(name, ""), str):
            raise DataError(
                f"the '{name}' of '{row['image']}' in the datalist '{path}' must be a path, got {row[name]!r}."
            )
    if row.get("known") and key != "training":
        raise DataError(
            f"'{row['image']}' of '{key}' in the datalist '{path}' has a label that is 'known' in part, which only "
            "'training' can use; move it there or remove 'known'."
        )
    if key in ("training", "validation") and not row.get("label"):
        raise DataError(
            f"'{row['image']}' of '{key}' in the datalist '{path}' has no 'label'; add it or move it to 'unlabeled'."
        )
    return row


def _case(name: str, role: Role, row: Mapping[str, str], path: Path) -> Case:
    label, known = (_absolute(path, row[key]) if row.get(key) else None for key in ("label", "known"))
    return Case(name, role, _absolute(path, row["image"]), label, known)


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
