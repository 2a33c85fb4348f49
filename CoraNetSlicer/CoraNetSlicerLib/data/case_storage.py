"""The table of cases in the scene: nodes as references, files as paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from ..core.label_files import LabelFile
from ..core.parameters import Parameters
from .case_rows import CaseRole, CaseRow

_CASES = "data.cases"
_NOT_LEARNED = "data.notLearned"
_VOLUME = "data.volume."
_SEGMENTATION = "data.segmentation."
# Of each further channel, by its number from 2.
_IMAGE = "data.image{number}."
_CHANNELS = "data.channels"


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
