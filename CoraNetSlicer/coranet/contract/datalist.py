"""The cases of a job: which image, in which role, with which label, and what the label values mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Optional

from .case_names import is_folder_name
from .channels import names_of, require_all_channels
from .codec import from_json, keeping_unknown, to_json
from .errors import DataError

SCHEMA_VERSION = 1
# Results are written as uint16 at most.
LARGEST_LABEL_VALUE = 65535


class Role(str, Enum):
    """What a case is used for."""

    TRAINING = "training"
    UNLABELED = "unlabeled"
    VALIDATION = "validation"
    TEST = "test"
    INPUT = "input"  # to be segmented


ROLES_WITH_LABEL = (Role.TRAINING, Role.VALIDATION, Role.TEST)


@dataclass(frozen=True)
class Label:
    """One class of the segmentation.

    Attributes:
        value: voxel value in the label files, from 1 to 65535; values need not be consecutive.
        name: what a person calls it.
        color: red, green, blue in [0, 1], or None to let the viewer choose.
        terminology: Slicer's serialized terminology entry, or "" where there is none.
    """

    value: int
    name: str
    color: Optional[tuple[float, float, float]] = None
    terminology: str = ""

    def __post_init__(self) -> None:
        if type(self.value) is not int or not 1 <= self.value <= LARGEST_LABEL_VALUE:
            raise DataError(
                f"label values must be whole numbers from 1 to {LARGEST_LABEL_VALUE}, got {self.value!r} for "
                f"'{self.name}'; change the value."
            )
        if not isinstance(self.name, str) or not isinstance(self.terminology, str):
            raise DataError(f"the label {self.value} must have a name and a terminology of letters; correct them.")
        if self.color is not None:
            object.__setattr__(self, "color", _color(self.color, self.name))

    @staticmethod
    def from_dict(row: Mapping[str, Any]) -> Label:
        """From a JSON object; keys that a later version has added are passed over.

        Raises:
            ValueError: a key is missing, or of another type.
            DataError: a value cannot be used.
        """
        return from_json(Label, row, "label")


@dataclass(frozen=True)
class Case:
    """One scan, of one or several images. Paths are absolute; an image may also be a folder of one DICOM series.

    Attributes:
        id: names the case's folder among the predictions; unique in a datalist.
        role: what the case is used for.
        image: path of the image; of several, that of the first, on whose grid the results lie.
        label: path of the label map, for the roles that need one.
        known: path of a mask on the label map's grid, 1 where the label is truth and 0 where it is unknown;
            for training cases only. None: the label is truth everywhere.
        more_images: paths of the images of the second channel and those after it. A file of four dimensions is named
            once for each of its volumes.
        label_names: (value, name) of what is in the label map, where that is not what the datalist's labels say; ().
        part: which image of a DICOM series it is, by the feature that differs, such as "echo time 4.6"; "": the
            series holds one, or was not divided yet. `image` is then a file of it.
        classes: the labels of the datalist that the case is in, by whose names the label map is read; not written.
    """

    id: str
    role: Role
    image: str
    label: Optional[str] = None
    known: Optional[str] = None
    more_images: tuple[str, ...] = ()
    label_names: tuple[tuple[int, str], ...] = ()
    part: str = ""
    classes: tuple[Label, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))
        object.__setattr__(self, "more_images", tuple(self.more_images))
        object.__setattr__(self, "label_names", tuple((int(value), str(name)) for value, name in self.label_names))
        if self.role in ROLES_WITH_LABEL and not self.label:
            raise DataError(
                f"case '{self.id}' has the role '{self.role.value}' but no label; add one or make it unlabeled."
            )
        if self.known and self.role is not Role.TRAINING:
            raise DataError(
                f"case '{self.id}' has a label that is known in part and the role '{self.role.value}'; "
                "such a case can be used for training alone."
            )

    @property
    def images(self) -> tuple[str, ...]:
        """Paths of the images of all channels, in their order."""
        return (self.image, *self.more_images)

    @property
    def described_image(self) -> str:
        """Path of the first image, and which image of its series it is, for a message."""
        return f"{self.image} [{self.part}]" if self.part else self.image

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of all its files: images, label map and mask."""
        parts = (*self.images, self.label, self.known)
        return tuple(dict.fromkeys(path for path in parts if path))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what few cases have is left out where there is none."""
        content: dict[str, Any] = {"id": self.id, "role": self.role.value, "image": self.image}
        content.update(label=self.label, known=self.known)
        if self.more_images:
            content["more_images"] = list(self.more_images)
        if self.part:
            content["part"] = self.part
        if self.label_names:
            content["label_names"] = [list(pair) for pair in self.label_names]
        return content

    @property
    def is_partial(self) -> bool:
        """Whether a part of the label is not decided; there the case counts as an unlabeled one."""
        return bool(self.known)


@dataclass(frozen=True)
class Datalist:
    """All cases of a job and the meaning of their label values.

    Attributes:
        cases: each with as many images as there are channels.
        labels: the classes.
        channels: names of the channels, in the order of each case's images; (): they have no names.
        left_out: what lay beside the cases and is not used, and why: a sentence each, reported when the job starts.
    """

    cases: tuple[Case, ...]
    labels: tuple[Label, ...] = ()
    channels: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cases", tuple(self.cases))
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "left_out", tuple(self.left_out))
        _require_unique("channel names", self.channels)
        for case in self.cases:
            require_all_channels(case.id, case.images, self.channel_names)
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.value)))
        _require_unique("case names", (case.id for case in self.cases))
        _require_unique("label values", (label.value for label in self.labels))
        _require_unique("label names", (label.name for label in self.labels))
        cases = (replace(case, classes=self.labels) if case.label else case for case in self.cases)
        object.__setattr__(self, "cases", tuple(cases))

    @property
    def channel_names(self) -> tuple[str, ...]:
        """A name for each channel, a generic one where they have none."""
        return names_of(self.channels, max((len(case.images) for case in self.cases), default=1))

    def with_role(self, *roles: Role) -> tuple[Case, ...]:
        """The cases that have one of `roles`, in the order of the list."""
        return tuple(case for case in self.cases if case.role in roles)

    def without_all_labels(self) -> tuple[Case, ...]:
        """The cases that are unlabeled, then the training cases that are so in part."""
        return (*self.with_role(Role.UNLABELED), *(case for case in self.cases if case.is_partial))

    def with_absolute_paths(self, folder: Path) -> Datalist:
        """The same, with relative paths completed by `folder`."""

        def absolute(path: Optional[str]) -> Optional[str]:
            return str(folder / path) if path else None  # `/` keeps an absolute right side

        cases = (
            replace(
                case,
                image=absolute(case.image) or "",
                label=absolute(case.label),
                known=absolute(case.known),
                more_images=tuple(str(folder / path) for path in case.more_images),
            )
            for case in self.cases
        )
        return replace(self, cases=tuple(cases))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; the inverse of `from_dict`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "labels": to_json(self.labels),
            "cases": [case.to_dict() for case in self.cases],
            **({"channels": list(self.channels)} if self.channels else {}),
            **({"left_out": list(self.left_out)} if self.left_out else {}),
        }

    def to_dict_keeping(self, before: Any) -> dict[str, Any]:
        """The same, with what a later version has added to the file that it replaces.

        Args:
            before: the content of that file.
        """
        content = self.to_dict()
        if not isinstance(before, Mapping):
            return content
        cases = _rows_by(before.get("cases"), "id")
        labels = _rows_by(before.get("labels"), "value")
        known = Case.__annotations__
        content["cases"] = [keeping_unknown(row, cases.get(row["id"]), known) for row in content["cases"]]
        content["labels"] = [keeping_unknown(row, labels.get(row["value"]), ()) for row in content["labels"]]
        return keeping_unknown(content, before, ("channels", "left_out"))

    @staticmethod
    def from_dict(content: Mapping[str, Any], source: str | Path = "datalist") -> Datalist:
        """Build from plain JSON types; keys that a later version has added are passed over.

        Args:
            content: what `to_dict` gives.
            source: the file's name for error messages.

        Raises:
            DataError: a key is missing, or the schema version is not one this program knows.
        """
        _require_keys(content, {"schema_version", "labels", "cases"}, source)
        if content["schema_version"] != SCHEMA_VERSION:
            raise DataError(
                f"'{source}' has schema version {content['schema_version']!r}, expected {SCHEMA_VERSION}; "
                "it was written by another version of CoraNet."
            )
        cases, labels, channels, left_out = (
            _list_of(content, key, source) for key in ("cases", "labels", "channels", "left_out")
        )
        if not all(isinstance(name, str) for name in (*channels, *left_out)):
            raise DataError(f"the channels and sentences in '{source}' must be texts; correct them.")
        return Datalist(
            tuple(_require_usable(_build(Case, row, source), source) for row in cases),
            tuple(_build(Label, row, source) for row in labels),
            tuple(channels),
            tuple(left_out),
        )


def _rows_by(rows: Any, key: str) -> dict[Any, Any]:
    return {row[key]: row for row in rows or () if isinstance(row, Mapping) and key in row}


def _color(content: Any, name: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in content)
    except (TypeError, ValueError):
        raise DataError(
            f"the color of '{name}' must be three numbers from 0 to 1, got {content!r}; correct it."
        ) from None
    return red, green, blue


def _list_of(content: Mapping[str, Any], key: str, source: str | Path) -> list[Any]:
    entries = content.get(key) or []
    if not isinstance(entries, list):
        raise DataError(f"'{key}' in '{source}' must be a list, got {type(entries).__name__}; correct it.")
    return entries


def _require_usable(case: Case, source: str | Path) -> Case:
    """Raise DataError unless paths are texts, and the name of a case is that of a folder among its results."""
    texts = (*case.images, case.label or "", case.known or "", case.part)
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise DataError(
            f"a case in '{source}' has an image, label or mask that is not a path; correct {case.to_dict()}."
        )
    if not is_folder_name(case.id):
        raise DataError(
            f"'{source}' has a case with the name {case.id!r}, which must be a plain name without '/', '\\', ':' and "
            "'..', since its results lie in a folder of that name; rename it."
        )
    return case


def _build(kind: type, row: Mapping[str, Any], source: str | Path) -> Any:
    if not isinstance(row, Mapping):
        raise DataError(
            f"'{source}' has a {kind.__name__.lower()} that cannot be read (it is not an object); correct {row!r}."
        )
    try:
        # Its classes are what the labels of the datalist say, and nothing that is written.
        return from_json(kind, {key: value for key, value in row.items() if key != "classes"})
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"'{source}' has a {kind.__name__.lower()} that cannot be read ({error}); correct {row!r}."
        ) from error


def _require_keys(content: Mapping[str, Any], keys: set[str], source: str | Path) -> None:
    if not isinstance(content, Mapping) or not keys <= set(content):
        got = sorted(content) if isinstance(content, Mapping) else type(content).__name__
        raise DataError(f"'{source}' must have the keys {sorted(keys)}, got {got}; start a new job.")


def _require_unique(kind: str, values: Iterable[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"{kind} must be unique, got '{value}' twice; rename one of them.")
        seen.add(value)
