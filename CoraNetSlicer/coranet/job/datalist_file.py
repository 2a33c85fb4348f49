"""Files and folders that list cases: the Decathlon's dataset.json with one key more, and folders of images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import DataError
from .case_names import unique_case_names
from .channels import (
    ImagesOfCase,
    by_channel,
    channel_names,
    names_of,
    require_all_channels,
    require_no_swapped_channels,
)
from .datalist import Case, Datalist, Label, Role
from .image_files import find_images, image_name, is_image_file
from .image_headers import read_image_header

_ROLE_OF_KEY = {
    "training": Role.TRAINING, "unlabeled": Role.UNLABELED, "validation": Role.VALIDATION, "test": Role.TEST,
}  # fmt: skip
_DATASET = "dataset.json"
_FIRST = "_0000"
# Ours, nnU-Net's and the Decathlon's.
_CHANNEL_KEYS = ("channels", "channel_names", "modality")


def read_datalist(path: Union[str, Path]) -> Datalist:
    """Read a dataset.json.

    Args:
        path: JSON file with ``training`` [{image, label}, and ``known`` where the label is decided in part], optional
            ``unlabeled`` [{image} or path], ``validation`` and ``test`` [{image, label}], and ``labels`` {value: name}.
            Paths are relative to the file. Where ``channels`` (or ``channel_names``, ``modality``) names several, an
            image is a list of as many paths, {channel: path}, or one file of four dimensions.

    Raises:
        DataError: the file or one of its rows cannot be used; the message names both.
    """
    path = Path(path)
    content = _read_json_object(path)
    labels = _labels(content.get("labels"), path)
    channels = _channels(content, path)
    rows = [
        (role, _row_of(row, key, path))
        for key, role in _ROLE_OF_KEY.items()
        for row in _rows_of(content, key, path)
    ]  # fmt: skip
    # Files of the Decathlon list their test images without labels: nothing can be measured on these.
    rows = [(role, row) for role, row in rows if role is not Role.TEST or "label" in row]
    return _datalist(_cases(rows, channels, path), labels, path, channels)


def read_input_cases(path: Union[str, Path]) -> Datalist:
    """The unlabeled and test cases of a dataset.json, to be segmented; their labels are not looked at.

    Raises:
        DataError: the file or one of its rows cannot be used, or it names no such case.
    """
    path = Path(path)
    content = _read_json_object(path)
    channels = _channels(content, path)
    keys = ("unlabeled", "test")
    rows = [(Role.INPUT, _row_of(row, key, path)) for key in keys for row in _rows_of(content, key, path)]
    if not rows:
        raise DataError(f"the datalist '{path}' has no 'unlabeled' and no 'test' case; add some, or name images.")
    inputs: list[tuple[Role, dict[str, Any]]] = [(role, {"image": row["image"]}) for role, row in rows]
    return _datalist(_cases(inputs, channels, path), (), path, channels)


def _cases(rows: Sequence[tuple[Role, Mapping[str, Any]]], channels: tuple[str, ...], path: Path) -> list[Case]:
    images = [_images_of(row["image"], channels, path) for _, row in rows]
    names = unique_case_names(_case_of(paths) for paths in images)
    cases = [_case(name, role, row, paths, path) for name, (role, row), paths in zip(names, rows, images)]
    _require_distinct_images(cases, path)
    for case in cases:
        require_no_swapped_channels(case.id, case.images, channels)
    return cases


def find_cases(path: Union[str, Path]) -> Datalist:
    """The cases of a datalist, of an image file or of a folder.

    Args:
        path: a dataset.json; an image; or a folder: with such a dataset.json, with ``imagesTr`` and ``labelsTr`` as
            nnU-Net has them (an image without label is unlabeled), or with images, which then are all unlabeled. Names
            that end with _0000, _0001, ... are the channels of one case.

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
    groups = _several_channels(found) or [(name, (image,)) for name, image in found]
    names = unique_case_names(name for name, _ in groups)
    return Datalist(tuple(_of_images(name, Role.UNLABELED, paths) for name, (_, paths) in zip(names, groups)))


def _several_channels(found: Sequence[tuple[str, Path]]) -> Optional[list[ImagesOfCase]]:
    """Images grouped by case, if there are several of each of several cases; None: they are cases of their own."""
    try:
        groups = by_channel(found) or []
    except DataError:
        return None  # numbers of cases, not of channels
    return groups if len(groups) > 1 and all(len(paths) > 1 for _, paths in groups) else None


def _training_folders(folder: Path, description: Optional[Mapping[str, Any]]) -> Datalist:
    label_folder = folder / "labelsTr"
    label_maps = dict(find_images(label_folder)) if label_folder.is_dir() and any(label_folder.iterdir()) else {}
    if label_maps and description is None:
        raise DataError(
            f"'{folder}' has label maps but no {_DATASET} that says what their values mean; add it, with "
            '"labels": {"1": "pancreas"} or the like.'
        )
    labels = _labels(_by_value((description or {}).get("labels")), folder / _DATASET) if label_maps else ()
    channels = _channels(description or {}, folder / _DATASET)
    images = _images_of_cases(find_images(folder / "imagesTr"), label_maps, channels, folder)
    cases = [
        _of_images(
            identifier,
            Role.TRAINING if name in label_maps else Role.UNLABELED,
            paths,
            str(label_maps[name]) if name in label_maps else None,
        )
        for identifier, (name, paths) in zip(unique_case_names(images), images.items())
    ]
    return _datalist(cases, labels, folder, channels)


def _images_of_cases(
    images: Sequence[tuple[str, Path]], label_maps: Mapping[str, Path], channels: tuple[str, ...], folder: Path
) -> dict[str, tuple[Path, ...]]:
    """Images by the name that their label maps have: nnU-Net appends _0000, _0001, ... for the channels of one case."""
    if not any(name in label_maps for name, _ in images):
        grouped = by_channel(images, channels)
        if grouped is not None:
            return dict(grouped)
    return {name: tuple(map(Path, _images_of(str(path), channels, folder / _DATASET))) for name, path in images}


def _of_images(name: str, role: Role, images: Sequence[Path], label: Optional[str] = None) -> Case:
    first, *more = map(str, images)
    return Case(name, role, first, label, more_images=tuple(more))


def _by_value(content: Any) -> Any:
    """Labels as value -> name; nnU-Net writes them the other way round."""
    if isinstance(content, Mapping) and all(isinstance(value, int) for value in content.values()):
        return {str(value): name for name, value in content.items()}
    return content


def _datalist(cases: Sequence[Case], labels: Sequence[Label], path: Path, channels: tuple[str, ...] = ()) -> Datalist:
    try:
        return Datalist(tuple(cases), tuple(labels), channels)
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


def _channels(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of the channels; () where there is one: what it is called decides on nothing."""
    key = next((key for key in _CHANNEL_KEYS if content.get(key)), "")
    names = channel_names(content.get(key), f"'{key}' in the datalist '{path}'")
    return names if len(names) > 1 else ()


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


def _row_of(content: Any, key: str, path: Path) -> dict[str, Any]:
    row: dict[str, Any] = content if isinstance(content, dict) else {"image": content}
    image = row.get("image")
    paths = list(image.values()) if isinstance(image, dict) else image if isinstance(image, list) else [image]
    if not paths or not all(isinstance(one, str) for one in paths):
        raise DataError(f"a row of '{key}' in the datalist '{path}' must have an 'image', got {row!r}.")
    for name in ("label", "known"):
        if not isinstance(row.get(name, ""), str):
            raise DataError(f"the '{name}' of '{paths[0]}' in the datalist '{path}' must be a path, got {row[name]!r}.")
    if row.get("known") and key != "training":
        raise DataError(
            f"'{paths[0]}' of '{key}' in the datalist '{path}' has a label that is 'known' in part, which only "
            "'training' can use; move it there or remove 'known'."
        )
    if key in ("training", "validation") and not row.get("label"):
        raise DataError(
            f"'{paths[0]}' of '{key}' in the datalist '{path}' has no 'label'; add it or move it to 'unlabeled'."
        )
    return row


def _case(name: str, role: Role, row: Mapping[str, Any], images: Sequence[str], path: Path) -> Case:
    label, known = (_absolute(path, row[key]) if row.get(key) else None for key in ("label", "known"))
    first, *more = images
    return Case(name, role, first, label, known, tuple(more))


def _images_of(image: Any, channels: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """The absolute paths of a case's images, one a channel; a file of four dimensions is named once for each of them.

    Raises:
        DataError: a channel is missing; it is named.
    """
    if isinstance(image, dict):
        unknown = sorted(set(image) - set(channels))
        if unknown:
            raise DataError(
                f"an image in the datalist '{path}' is given for '{unknown[0]}', expected one of "
                f"{', '.join(channels) or 'the names in channels'}; correct the name."
            )
        present = [name for name in channels if name in image]
        case = _case_of([image[name] for name in present])
        missing = [name for name in channels if name not in image]
        if missing:
            raise DataError(f"case '{case}' in the datalist '{path}' has no {missing[0]}; add its image.")
        image = [image[name] for name in channels]
    paths = tuple(_absolute(path, one) for one in ([image] if isinstance(image, str) else image))
    if len(paths) == 1 and len(channels) > 1:
        header = read_image_header(paths[0])
        # What cannot be looked at now is taken for a file of four dimensions; whoever reads it tells if it is none.
        if header is None or header.volumes > 1:
            paths *= len(channels)
    try:
        require_all_channels(_case_of(paths), paths, names_of(channels, len(paths)))
    except DataError as error:
        raise DataError(f"in the datalist '{path}' {error}") from None
    return paths


def _case_of(images: Sequence[str]) -> str:
    """What a case is called: the name of its first image, without the number that nnU-Net gives its channel."""
    name = image_name(images[0])
    return name[: -len(_FIRST)] if len(images) > 1 and name.endswith(_FIRST) and name != _FIRST else name


def _absolute(datalist: Path, path: str) -> str:
    return str((datalist.parent / path).absolute())


def _require_distinct_images(cases: Sequence[Case], path: Path) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        for image in dict.fromkeys(case.images):
            other = first.setdefault(str(Path(image).resolve()), case)
            if other is not case:
                raise DataError(
                    f"the datalist '{path}' names '{image}' twice, as {other.role.value} and as {case.role.value}; "
                    "keep one of them."
                )
