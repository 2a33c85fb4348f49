"""A file that lists cases: the Decathlon's or nnU-Net's dataset.json, with keys of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from .case_names import unique_case_names
from .channels import channel_names, names_of, require_all_channels, require_no_swapped_channels
from .config.json_text import JsonError, read_json_file
from .datalist import Case, Datalist, Label, Role
from .errors import DataError
from .image_files import ending_of, image_name, names_in_words
from .image_headers import read_image_header
from .label_names import labels_of, notes_on
from .listed_paths import listed_path

_ROLE_OF_KEY = {
    "training": Role.TRAINING, "unlabeled": Role.UNLABELED, "validation": Role.VALIDATION, "test": Role.TEST,
}  # fmt: skip
_ROW_KEYS = ("image", "label", "known")
# nnU-Net's list of training cases whose files lie anywhere.
_DATASET = "dataset"
_FIRST = "_0000"
# Ours, nnU-Net's and the Decathlon's.
_CHANNEL_KEYS = ("channels", "channel_names", "modality")


@dataclass(frozen=True)
class ListedRow:
    """A case as a file lists it.

    Attributes:
        role: what it is used for.
        images: as in the file: a path, a list of paths, or {channel: path}.
        label: path of the label map as listed; None: none.
        known: path of the mask as listed; None: none.
    """

    role: Role
    images: Any
    label: Optional[str] = None
    known: Optional[str] = None


class DatalistFile:
    """A dataset.json, read but for its cases.

    Attributes:
        path: of the file; what it lists is relative to its folder.
        content: of the file.
        channels: names of the channels; () where there is one: what it is called decides on nothing.
        ending: of the images' names, from nnU-Net's "file_ending"; "" if there is none.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        """Read a file.

        Raises:
            DataError: it is missing, is not a JSON object, or names its channels wrongly.
        """
        self.path = Path(path)
        self.content = _read_json_object(self.path)
        self.channels = _channels(self.content, self.path)
        ending = self.content.get("file_ending") or ""
        self.ending = ending if isinstance(ending, str) else ""

    @property
    def lists_cases(self) -> bool:
        """Whether it lists the cases that are learned from, and does not leave that to folders."""
        return any(self.content.get(key) for key in ("training", _DATASET))

    @property
    def lists_anything(self) -> bool:
        """Whether it lists cases of any role."""
        return any(self.content.get(key) for key in (*_ROLE_OF_KEY, _DATASET))

    def labels(self) -> tuple[Label, ...]:
        """The classes.

        Raises:
            DataError: see `label_names.labels_of`.
        """
        return labels_of(self.content.get("labels"), self.path)

    def datalist(self) -> Datalist:
        """All that it lists.

        Raises:
            DataError: one of its rows cannot be used; the message names it.
        """
        labels = self.labels()
        rows = [
            _row_of(row, key, self.path)
            for key in _ROLE_OF_KEY
            for row in [*_rows_of(self.content, key, self.path), *(self._dataset() if key == "training" else [])]
        ]
        # Files of the Decathlon list their test images without labels: nothing can be measured on these.
        used = [row for row in rows if row.role is not Role.TEST or row.label]
        left_out = [*self.notes(sum(row.role is Role.TRAINING for row in used)), *self._left_out(len(rows) - len(used))]
        return self.made(self._cases(used), labels, left_out)

    def inputs(self) -> Datalist:
        """The unlabeled and test cases, to be segmented; their labels are not looked at."""
        rows = [_row_of(row, key, self.path) for key in ("unlabeled", "test") for row in self._listed(key)]
        return self.made(self._cases([ListedRow(Role.INPUT, row.images) for row in rows]))

    def made(self, cases: Sequence[Case], labels: Sequence[Label] = (), left_out: Sequence[str] = ()) -> Datalist:
        """A datalist of some cases; errors name the file."""
        try:
            return Datalist(tuple(cases), tuple(labels), self.channels, tuple(left_out))
        except DataError as error:
            raise DataError(f"in the datalist '{self.path}' {error}") from None

    def images_of(self, image: Any) -> tuple[str, tuple[str, ...]]:
        """Name of a case and the absolute paths of its images, one a channel.

        Args:
            image: as listed. A file of four dimensions is named once for each of its volumes; a name without number
                stands for the files _0000, _0001, ... where only these exist, as nnU-Net's first version writes it.

        Raises:
            DataError: a channel is missing; it is named.
        """
        if isinstance(image, dict):
            image = self._in_order(image)
        listed = [image] if isinstance(image, str) else list(image)
        paths = [self._place(path) for path in listed]
        name = image_name(paths[0])
        numbered = self._numbered(paths[0]) if len(paths) == 1 else ()
        if numbered:
            paths = list(numbered)
        elif len(paths) == 1 and len(self.channels) > 1:
            header = read_image_header(paths[0])
            # An unreadable file counts as one of four dimensions; its reader raises if it is not.
            if header is None or header.volumes > 1:
                paths *= len(self.channels)
        # The number that nnU-Net gives the channel is no part of the case's name.
        if len(paths) > 1 and name.endswith(_FIRST) and name != _FIRST:
            name = name[: -len(_FIRST)]
        self._require_all_channels(name, paths)
        return name, tuple(map(str, paths))

    def notes(self, labeled: int) -> list[str]:
        """What a person should know of a file that can be read, a sentence each.

        Args:
            labeled: how many labeled cases there are.
        """
        sentences = notes_on(self.content.get("labels"), self.path) if self.content.get("labels") else []
        listed = self.content.get("numTraining")
        if isinstance(listed, int) and not isinstance(listed, bool) and listed != labeled:
            sentences.append(
                f"'numTraining' in the datalist '{self.path}' is {listed}, but there are {labeled} labeled cases; add "
                "what is missing, or correct the number."
            )
        return sentences

    def _listed(self, key: str) -> list[Any]:
        return _rows_of(self.content, key, self.path)

    def _dataset(self) -> list[dict[str, Any]]:
        cases = self.content.get(_DATASET) or {}
        if not isinstance(cases, dict) or not all(isinstance(row, dict) for row in cases.values()):
            raise DataError(
                f"'{_DATASET}' in the datalist '{self.path}' must be an object of cases, each with 'images' and "
                "'label'; correct it."
            )
        return [{"image": row.get("images", row.get("image")), "label": row.get("label")} for row in cases.values()]

    def _left_out(self, unmeasured: int) -> list[str]:
        sentences = []
        if unmeasured:
            sentences.append(
                f"{unmeasured} of the 'test' images in the datalist '{self.path}' have no label and are left out: "
                "nothing can be measured on them; list them as 'unlabeled' to learn from them."
            )
        unknown = [key for key, rows in self.content.items() if key not in _ROLE_OF_KEY and _lists_images(rows)]
        if unknown:
            sentences.append(
                f"the datalist '{self.path}' lists images as {names_in_words(unknown)}, which is left out; name such a "
                f"list {', '.join(_ROLE_OF_KEY)}."
            )
        keys = dict.fromkeys(
            key for role in _ROLE_OF_KEY for row in self._listed(role) if isinstance(row, dict) for key in row
        )
        ignored = [str(key) for key in keys if key not in _ROW_KEYS]
        if ignored:
            sentences.append(
                f"cases in the datalist '{self.path}' have the keys {names_in_words(ignored)}, which are left out; "
                f"known ones are {', '.join(_ROW_KEYS)}."
            )
        return sentences

    def _cases(self, rows: Sequence[ListedRow]) -> list[Case]:
        listed = [self.images_of(row.images) for row in rows]
        names = unique_case_names(name for name, _ in listed)
        cases = [self._case(name, row, paths) for name, row, (_, paths) in zip(names, rows, listed, strict=False)]
        _require_distinct_images(cases, self.path)
        for case in cases:
            require_no_swapped_channels(case.id, case.images, self.channels)
        return cases

    def _case(self, name: str, row: ListedRow, images: Sequence[str]) -> Case:
        label, known = (str(self._place(path)) if path else None for path in (row.label, row.known))
        first, *more = images
        return Case(name, row.role, first, label, known, tuple(more))

    def _place(self, text: str) -> Path:
        """Where a file lies that is listed, with or without the ending that all have."""
        try:
            path = listed_path(self.path.parent, text)
            if not path.exists() and self.ending and not ending_of(path.name):
                path = listed_path(self.path.parent, text + self.ending)
        except DataError as error:
            raise DataError(f"in the datalist '{self.path}' {error}") from None
        return path

    def _numbered(self, path: Path) -> tuple[Path, ...]:
        """The files _0000, _0001, ... of a case that is listed without number; () where it exists as it is listed."""
        if path.exists():
            return ()
        ending = path.name[len(path.name) - len(ending_of(path.name)) :]
        stem = path.name[: len(path.name) - len(ending)]
        channels: list[Path] = []
        while (channel := path.with_name(f"{stem}_{len(channels):04d}{ending}")).is_file():
            channels.append(channel)
        return tuple(channels)

    def _in_order(self, image: Mapping[str, str]) -> list[str]:
        """Images that are listed by their channels' names, in the order of the channels."""
        unknown = sorted(set(image) - set(self.channels))
        if unknown:
            raise DataError(
                f"an image in the datalist '{self.path}' is given for '{unknown[0]}', expected one of "
                f"{', '.join(self.channels) or 'the names in channels'}; correct the name."
            )
        missing = [name for name in self.channels if name not in image]
        if missing:
            first = self._place(next(image[name] for name in self.channels if name in image))
            raise DataError(
                f"case '{image_name(first)}' in the datalist '{self.path}' has no {missing[0]}; add its image."
            )
        return [image[name] for name in self.channels]

    def _require_all_channels(self, name: str, paths: Sequence[Path]) -> None:
        try:
            require_all_channels(name, [*map(str, paths)], names_of(self.channels, len(paths)))
        except DataError as error:
            raise DataError(f"in the datalist '{self.path}' {error}") from None


def _read_json_object(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise DataError(f"the datalist '{path}' is a folder, expected a file; name the dataset.json in it.")
    try:
        content = read_json_file(path)
    except FileNotFoundError:
        raise DataError(f"the datalist '{path}' does not exist; correct the path.") from None
    except JsonError as error:
        if path.suffix.lower() != ".json":
            raise DataError(
                f"'{path}' is neither an image nor a dataset.json ({error}); give a dataset.json, an image or a folder."
            ) from None
        raise DataError(f"the datalist '{path}' cannot be read as JSON: {error}.") from None
    except OSError as error:
        raise DataError(
            f"the datalist '{path}' cannot be read ({error.strerror or error}); check that you may read it."
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f'the datalist \'{path}\' must hold a JSON object such as {{"labels": ..., "training": ...}}, got '
            f"{type(content).__name__}; correct it."
        )
    return content


def _channels(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    key = next((key for key in _CHANNEL_KEYS if content.get(key)), "")
    names = channel_names(content.get(key), f"'{key}' in the datalist '{path}'")
    return names if len(names) > 1 else ()


def _rows_of(content: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    rows = content.get(key)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise DataError(
            f"'{key}' in the datalist '{path}' must be a list of cases, got {type(rows).__name__}; correct it."
        )
    return rows


def _row_of(content: Any, key: str, path: Path) -> ListedRow:
    row: dict[str, Any] = content if isinstance(content, dict) else {"image": content}
    row = {name: value for name, value in row.items() if value is not None}
    image = row.get("image")
    paths = list(image.values()) if isinstance(image, dict) else image if isinstance(image, list) else [image]
    if not paths or not all(isinstance(path, str) for path in paths):
        raise DataError(
            f"a row of '{key}' in the datalist '{path}' must have an 'image', got {content!r}; add its path."
        )
    for name in ("label", "known"):
        if not isinstance(row.get(name, ""), str):
            raise DataError(
                f"the '{name}' of '{paths[0]}' in the datalist '{path}' must be a path, got {row[name]!r}; correct it."
            )
    if row.get("known") and key != "training":
        raise DataError(
            f"'{paths[0]}' of '{key}' in the datalist '{path}' has a label that is 'known' in part, which only "
            "'training' can use; move it there or remove 'known'."
        )
    if key in ("training", "validation") and not row.get("label"):
        raise DataError(
            f"'{paths[0]}' of '{key}' in the datalist '{path}' has no 'label'; add it or move it to 'unlabeled'."
        )
    return ListedRow(_ROLE_OF_KEY[key], image, row.get("label"), row.get("known"))


def _lists_images(rows: Any) -> bool:
    """Whether something in a file is a list of cases."""
    if not isinstance(rows, list):
        return False
    images = [row.get("image") if isinstance(row, dict) else row for row in rows]
    return any(isinstance(image, list) or (isinstance(image, str) and ending_of(image)) for image in images)


def _require_distinct_images(cases: Sequence[Case], path: Path) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        for image in dict.fromkeys(case.images):
            other = first.setdefault(str(Path(image).resolve()), case)
            if other is not case:
                roles = f"as {other.role.value} and as {case.role.value}"
                twice = f"in '{case.role.value}'" if other.role is case.role else roles
                raise DataError(f"the datalist '{path}' names '{image}' twice, {twice}; keep one of them.")
