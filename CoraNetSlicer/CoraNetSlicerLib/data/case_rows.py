"""The rows of the table of cases, their channels, and how the scene keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Optional

from coranet.contract import Case, Datalist, Role, image_name
from coranet.contract.errors import DataError
from coranet.contract.name_key import name_key

from ..core.case_images import LabelFile
from ..core.parameters import Parameters
from ..core.translation import _

# Names of the images of each case; () where each has one.
Channels = tuple[str, ...]

_CASES = "data.cases"
_NOT_LEARNED = "data.notLearned"
_VOLUME = "data.volume."
_SEGMENTATION = "data.segmentation."
# Of each further channel, by its number from 2.
_IMAGE = "data.image{number}."
_CHANNELS = "data.channels"


class CaseRole(Enum):
    """What a case of the table is used for."""

    LABELED = "labeled"
    UNLABELED = "unlabeled"
    VALIDATION = "validation"
    IGNORED = "ignored"

    @property
    def text(self) -> str:
        """What a person reads."""
        return {
            CaseRole.LABELED: _("Labeled"),
            CaseRole.UNLABELED: _("Unlabeled"),
            CaseRole.VALIDATION: _("Validation"),
            CaseRole.IGNORED: _("Ignore"),
        }[self]

    @property
    def explanation(self) -> str:
        """What a person reads in the tool tip."""
        return {
            CaseRole.LABELED: _("The network learns from the volume and its segmentation."),
            CaseRole.UNLABELED: _("The network learns from the volume alone. Its segmentation is not used."),
            CaseRole.VALIDATION: _("The case only measures how good the network is. The network never learns from it."),
            CaseRole.IGNORED: _("The case is left out."),
        }[self]

    @property
    def needs_label(self) -> bool:
        """Whether such a case must have a segmentation."""
        return self in (CaseRole.LABELED, CaseRole.VALIDATION)


class Severity(Enum):
    """How bad a finding is: an error keeps from training, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about the data.

    Attributes:
        short: a few words, for the table.
        text: what was found and what to do, in a sentence.
        key: the row that it is about; "": all of them.
    """

    severity: Severity
    short: str
    text: str
    key: str = ""


@dataclass(frozen=True)
class CaseRow:
    """One case of the table.

    Attributes:
        key: names the row for as long as it is in the table, also in a saved scene.
        role: what it is used for.
        volume: volume node, or the path of an image that stays on disk.
        segmentation: segmentation node, LabelFile, or None.
        findings: what is wrong with it, the worst first.
        more: of several channels, the volume nodes or paths of the second and those after it; None: not chosen yet.
    """

    key: str
    role: CaseRole
    volume: Any
    segmentation: Any = None
    findings: tuple[Finding, ...] = ()
    more: tuple[Any, ...] = ()

    @property
    def images(self) -> tuple[Any, ...]:
        """Volume node or path of each channel; None: not chosen yet."""
        return (self.volume, *self.more)

    @property
    def is_file(self) -> bool:
        """Whether the image is a file that stays on disk."""
        return isinstance(self.volume, str)

    @property
    def name(self) -> str:
        """The volume's name, or the file's without its ending."""
        return image_name(self.volume) if self.is_file else str(self.volume.GetName() or "")

    @property
    def nodes(self) -> list[Any]:
        """Its nodes of the scene: the volume, and the segmentation and further images if there are any."""
        parts = (self.volume, self.segmentation, *self.more)
        return [part for part in parts if part is not None and not isinstance(part, (str, LabelFile))]

    @property
    def unnamed_label(self) -> str:
        """Path of its label map on disk if its values have no names yet; "" otherwise."""
        is_unnamed = isinstance(self.segmentation, LabelFile) and not self.segmentation.names
        return self.segmentation.path if is_unnamed else ""

    @property
    def files(self) -> list[str]:
        """Paths of its files that stay on disk."""
        label = [self.segmentation.path] if isinstance(self.segmentation, LabelFile) else []
        return [*dict.fromkeys(image for image in self.images if isinstance(image, str)), *label]


# Cases of other roles have no place in the table.
ROLE_OF_FILE = {
    Role.TRAINING: CaseRole.LABELED,
    Role.UNLABELED: CaseRole.UNLABELED,
    Role.VALIDATION: CaseRole.VALIDATION,
}


def row_of_file(key: str, case: Case, names: Mapping[int, str]) -> CaseRow:
    """The row of a case that stays on disk; `names` are what the values of its label map mean."""
    label = LabelFile(case.label, names) if case.label else None
    return CaseRow(key, ROLE_OF_FILE[case.role], case.image, label, more=case.more_images)


def fitted(rows: Iterable[CaseRow], names: Channels) -> list[CaseRow]:
    """The rows with a place for an image of each channel; places that are new are empty."""
    more = max(0, len(names) - 1)
    return [replace(row, more=(*row.more, *[None] * more)[:more]) for row in rows]


def with_another(names: Channels) -> Channels:
    """The names with one channel more; () stands for one channel, which needs no name."""
    known = names or (_default_name(1),)
    return (*known, next(name for name in map(_default_name, range(2, 99)) if name not in known))


def without_last(names: Channels) -> Channels:
    """The names with one channel less."""
    return names[:-1] if len(names) > 2 else ()


def names_in(text: str, count: int) -> Channels:
    """The names that a person has typed, with commas between them.

    Raises:
        DataError: there are not as many, or one is there twice.
    """
    names = tuple(part.strip() for part in text.split(","))
    if len(names) != count or not all(names):
        raise DataError(
            _("Expected {count} names with commas between them, got '{text}'; name each channel.").format(
                count=count, text=text
            )
        )
    if len({name_key(name) for name in names}) < count:
        raise DataError(_("Each channel needs a name of its own, got '{text}'; rename one.").format(text=text))
    return names


def joined(names: Channels, datalist: Datalist, is_empty: bool) -> Channels:
    """The channels of a table to which the cases of a datalist are added.

    Raises:
        DataError: the datalist names other channels.
    """
    listed = datalist.channel_names if len(datalist.channel_names) > 1 else ()
    if is_empty or not names:
        return listed
    if not datalist.channels or [*map(name_key, names)] == [*map(name_key, listed)]:
        return names
    if names == tuple(_default_name(number) for number in range(1, len(listed) + 1)):
        return listed
    raise DataError(
        _("The datalist has the channels {listed}, the table has {own}; name those of the table alike.").format(
            listed=", ".join(listed), own=", ".join(names)
        )
    )


def offered(rows: Sequence[CaseRow], key: str, volumes: Sequence[Any]) -> list[Any]:
    """Which volumes of the scene a row can have as its further images: those that no other case needs."""
    used = []
    for row in rows:
        if row.key == key:
            used.append(row.volume)
        elif row.segmentation is not None or any(image is not None for image in row.more):
            used += row.images
    return [volume for volume in volumes if volume not in used]


def given(rows: Sequence[CaseRow], key: str, channel: int, volume: Optional[Any]) -> list[CaseRow]:
    """The rows after one was given an image; a case that was this image alone is no case of its own any more.

    Channel 1 is the second one, and so on; a volume of None takes the image away.
    """
    result = []
    for row in rows:
        if row.key == key:
            # No volume is two channels of one case.
            others = [None if image is volume else image for image in row.more]
            others[channel - 1] = volume
            row = replace(row, more=tuple(others))
        elif volume is not None and row.volume is volume:
            continue
        result.append(row)
    return result


def renamed(row: CaseRow, name: str, new: str) -> CaseRow:
    """The row with another name for what its label map on disk calls `name`."""
    if not isinstance(row.segmentation, LabelFile):
        return row
    names = {value: new if own == name else own for value, own in row.segmentation.names.items()}
    return replace(row, segmentation=LabelFile(row.segmentation.path, names))


def _default_name(number: int) -> str:
    return _("Channel {number}").format(number=number)


class CaseStorage:
    """Writes rows to the panel's parameters and reads them back."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._referenced: set[str] = set()

    def rows(self) -> list[CaseRow]:
        """The rows that the scene remembers; those whose volume is gone, and what was spoiled by hand, are left out."""
        saved = self._parameters.value(_CASES, [])
        entries = [entry for entry in saved if isinstance(entry, dict)] if isinstance(saved, list) else []
        self._referenced = {str(entry.get("key")) for entry in entries}
        rows = (self._row(entry) for entry in entries)
        return [row for row in rows if row is not None]

    def save(self, rows: Sequence[CaseRow]) -> None:
        """Write all rows, instead of those before."""
        self._parameters.set_value(_CASES, [_entry(row) for row in rows])
        for key in self._referenced - {row.key for row in rows}:
            self._reference(_VOLUME + key, [])
            self._reference(_SEGMENTATION + key, [])
            self._reference_images(key, ())
        for row in rows:
            self._reference_images(row.key, row.more)
            self._reference(_VOLUME + row.key, [node for node in row.nodes if node is row.volume])
            self._reference(_SEGMENTATION + row.key, [node for node in row.nodes if node is row.segmentation])
        self._referenced = {row.key for row in rows}

    def channels(self) -> tuple[str, ...]:
        """Names of the channels; () if there is one."""
        names = self._parameters.value(_CHANNELS, [])
        return tuple(map(str, names)) if isinstance(names, list) and len(names) > 1 else ()

    def save_channels(self, names: Sequence[str]) -> None:
        """Write the names of the channels."""
        if tuple(names) != self.channels():
            self._parameters.set_value(_CHANNELS, list(names))

    def not_learned(self) -> set[str]:
        """Names of the segments that are not to be learned."""
        names = self._parameters.value(_NOT_LEARNED, [])
        return {str(name) for name in names} if isinstance(names, list) else set()

    def save_not_learned(self, names: Iterable[str]) -> None:
        """Write the names of the segments that are not to be learned."""
        self._parameters.set_value(_NOT_LEARNED, sorted(names))

    def _row(self, entry: dict[str, Any]) -> Optional[CaseRow]:
        key = str(entry.get("key"))
        nodes = self._parameters.nodes(_VOLUME + key)
        volume = nodes[0] if nodes else entry.get("image")
        if not volume:
            return None
        segmentations = self._parameters.nodes(_SEGMENTATION + key)
        try:
            label = segmentations[0] if segmentations else _label_file(entry)
            return CaseRow(key, CaseRole(entry.get("role")), volume, label, more=self._images(entry))
        except (TypeError, ValueError, AttributeError):
            return None

    def _images(self, entry: dict[str, Any]) -> tuple[Any, ...]:
        """Further images: paths as they are written, nodes as they are referenced."""
        images: list[Any] = list(entry.get("more") or ())
        for index in range(len(images)):
            nodes = self._parameters.nodes(_image_role(index, str(entry.get("key"))))
            images[index] = nodes[0] if nodes else images[index] or None
        return tuple(images)

    def _reference_images(self, key: str, images: Sequence[Any]) -> None:
        index = 0
        while index < len(images) or self._parameters.nodes(_image_role(index, key)):
            image = images[index] if index < len(images) else None
            self._reference(_image_role(index, key), [] if image is None or isinstance(image, str) else [image])
            index += 1

    def _reference(self, role: str, nodes: list[Any]) -> None:
        if self._parameters.nodes(role) != nodes:
            self._parameters.set_nodes(role, nodes)


def _image_role(index: int, key: str) -> str:
    return _IMAGE.format(number=index + 2) + key


def _entry(row: CaseRow) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": row.key, "role": row.role.value}
    if row.is_file:
        entry["image"] = row.volume
    if row.more:
        entry["more"] = [image if isinstance(image, str) else "" for image in row.more]
    if isinstance(row.segmentation, LabelFile):
        entry["label"] = row.segmentation.path
        entry["names"] = {str(value): name for value, name in row.segmentation.names.items()}
    return entry


def _label_file(entry: dict[str, Any]) -> Optional[LabelFile]:
    if not entry.get("label"):
        return None
    return LabelFile(str(entry["label"]), {int(value): str(name) for value, name in entry.get("names", {}).items()})
