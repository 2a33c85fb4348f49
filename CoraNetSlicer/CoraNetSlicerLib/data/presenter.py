"""The cases that a training learns from: the table of the Data section, its checks and its place in the scene."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Union

from coranet.contract import find_cases
from coranet.contract.errors import DataError

from ..core.case_images import LabelFile, path_key
from ..core.case_nodes import (
    NodeWatch,
    image_volumes,
    is_in_scene,
    nodes_of_items,
    pair_with_segmentations,
    segmentations,
)
from ..core.context import SceneContext
from ..core.export import TrainingNodes
from ..core.notification import Signal
from ..core.parameters import Parameters
from ..core.protocols import Scheduler
from ..core.results import PART_ATTRIBUTE
from ..core.stepwise import Deferred
from ..core.translation import _
from .case_checks import CaseChecks
from .case_facts import KnownFiles, NodeFacts
from .case_report import CaseReport, Segment
from .case_rows import (
    ROLE_OF_FILE,
    CaseRole,
    CaseRow,
    CaseStorage,
    fitted,
    given,
    joined,
    names_in,
    offered,
    renamed,
    row_of_file,
    with_another,
    without_last,
)


class CasesPresenter:
    """State and actions of the Data section; `changed` is sent after each change of what is shown.

    With a scheduler, many changes of the scene are shown at once, soon; without, each is shown by itself.
    """

    def __init__(self, context: SceneContext, parameters: Parameters, scheduler: Optional[Scheduler] = None) -> None:
        self.changed = Signal()
        self._changed_soon = Deferred(scheduler, self.changed.send) if scheduler is not None else None
        self._context = context
        self._storage = CaseStorage(parameters)
        self._facts = NodeFacts()
        self._files = KnownFiles()
        self._rows: list[CaseRow] = []
        # Names of the images of each case; () where each has one.
        self.channels: tuple[str, ...] = ()
        # Of the files and folders that were added in this session.
        self._left_out: list[str] = []
        # Keys of rows whose segmentation a person took away in this session.
        self._without_segmentation: set[str] = set()
        # Made on demand, and again after a change.
        self._report: Optional[CaseReport] = None
        self._offered: Optional[list[Any]] = None
        self._owners: dict[str, str] = {}
        self._watch = NodeWatch(context.scene, self._on_nodes)
        self.restore()

    def restore(self) -> None:
        """Show what the scene remembers, after it was loaded or cleared."""
        self._facts.forget()
        self._files.forget()
        self._left_out = []
        self.channels = self._storage.channels()
        self._rows = fitted(self._storage.rows(), self.channels)
        self._refresh()

    @property
    def has_unseen_files(self) -> bool:
        """Whether there are files that were not read yet; they have no findings until then."""
        return bool(self._files.unseen(*self._paths()))

    def look_at_files(self, seconds: float = 0.03) -> bool:
        """Look for a short time at files that were not read yet, and name the values of label maps.

        Returns whether none is left.
        """
        paths, unnamed = self._paths()
        is_done = self._files.look_at(paths, seconds, unnamed)
        if is_done and unnamed:
            self._rows = [self._with_names(row) for row in self._rows]
            self._keep()
        elif is_done:
            self._refresh()
        return is_done

    def close(self) -> None:
        """Listen to the scene no longer; closing twice is no error."""
        self._watch.close()
        if self._changed_soon is not None:
            self._changed_soon.close()

    @property
    def report(self) -> CaseReport:
        """What the table comes to: rows with findings, segments, and the whole in a few words."""
        if self._report is None:
            checks = CaseChecks(self._facts, self._files, self.channels)
            left_out = self._left_out if self._rows else ()
            self._report = CaseReport.of(self._rows, self._storage.not_learned(), checks, left_out)
        return self._report

    @property
    def rows(self) -> tuple[CaseRow, ...]:
        """The table, with what was found about each row."""
        return self.report.rows

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments of the labeled and validation cases, in order of first appearance."""
        return self.report.segments

    @property
    def reason_not_trainable(self) -> str:
        """Why these cases cannot be trained on; "": they can."""
        return self.report.reason_not_trainable

    @property
    def reason_not_addable(self) -> str:
        """Why neither a volume nor a segmentation of the scene can be added; "": there is one."""
        if self._new_volumes(image_volumes(self._context.scene)) or self._found_segmentations():
            return ""
        if any(not row.is_file for row in self._rows):
            return _("All volumes of the scene are in the table.")
        return _("There is no volume in the scene. Load one first.")

    def segmentation_choices(self, key: str) -> list[Any]:
        """The segmentation nodes that a row can have: those that no other row has, its own included."""
        row = self._row(key)
        if row.is_file:
            return []
        if self._offered is None:
            self._offered = segmentations(self._context.scene)
            self._owners = {node.GetID(): row.key for row in self._rows for node in row.nodes}
        return [node for node in self._offered if self._owners.get(node.GetID(), key) == key]

    def image_choices(self, key: str) -> list[Any]:
        """The volume nodes that a row can have as its further images: those that no other case needs."""
        return [] if self._row(key).is_file else offered(self._rows, key, image_volumes(self._context.scene))

    def training_nodes(self) -> TrainingNodes:
        """What logic.train and TrainingExport learn from; raises a DataError with `reason_not_trainable`."""
        if self.reason_not_trainable:
            raise DataError(self.reason_not_trainable)
        pairs = {
            role: [(self._images(row), row.segmentation) for row in self._rows if row.role is role]
            for role in (CaseRole.LABELED, CaseRole.VALIDATION)
        }
        return TrainingNodes(
            labeled=pairs[CaseRole.LABELED],
            unlabeled=[self._images(row) for row in self._rows if row.role is CaseRole.UNLABELED],
            validation=pairs[CaseRole.VALIDATION],
            segment_names=[segment.name for segment in self.segments if segment.learned],
            channels=self.channels,
        )

    def add_scene_volumes(self) -> int:
        """Add every volume of the scene that is not in the table; labeled if a segmentation belongs to it.

        Unlabeled cases get the segmentations that came into the scene after them. Returns how many volumes were added.

        Raises:
            DataError: there is nothing to add.
        """
        if self.reason_not_addable:
            raise DataError(self.reason_not_addable)
        segmentations_of = self._found_segmentations()
        self._rows = [
            _labeled(row, segmentations_of[row.key]) if row.key in segmentations_of else row for row in self._rows
        ]
        return self.add_volumes(image_volumes(self._context.scene))

    def add_volumes(self, nodes: Iterable[Any]) -> int:
        """Add the nodes that are volumes which can be cases, and are not in the table yet; returns how many."""
        given = list(nodes)
        added = self._new_volumes([volume for volume in image_volumes(self._context.scene) if volume in given])
        pairs = self._pairs()
        for volume in added:
            row = CaseRow(self._new_key(), CaseRole.UNLABELED, volume)
            self._rows.append(_labeled(row, pairs[volume.GetID()]) if volume.GetID() in pairs else row)
        self._keep()
        return len(added)

    def add_items(self, items: Iterable[int]) -> int:
        """Add the volumes of items of the subject hierarchy, of folders and studies, too; returns how many."""
        return self.add_volumes(nodes_of_items(self._context, items))

    def add_files(self, path: Union[str, Path]) -> int:
        """Add the cases of a folder, a datalist or an image file; the images stay on disk. Returns how many.

        Images that are in the table already are left out, and test cases, too; see `coranet.contract.find_cases`.

        Raises:
            DataError: there is no case that could be added.
        """
        datalist = find_cases(path, name_values=False)
        names = {label.value: label.name for label in datalist.labels}
        known = {path_key(row.volume) for row in self._rows if row.is_file}
        cases = [case for case in datalist.cases if case.role in ROLE_OF_FILE and path_key(case.image) not in known]
        if not cases:
            raise DataError(_("'{path}' has no case that is not yet in the table; choose another.").format(path=path))
        self.channels = joined(self.channels, datalist, not self._rows)
        self._left_out += [sentence for sentence in datalist.left_out if sentence not in self._left_out]
        for case in cases:
            self._rows.append(row_of_file(self._new_key(), case, names))
        self._keep()
        return len(cases)

    def remove(self, keys: Iterable[str]) -> None:
        """Take rows off the table; nothing is deleted."""
        removed = set(keys)
        self._rows = [row for row in self._rows if row.key not in removed]
        self._keep()

    def set_role(self, key: str, role: CaseRole) -> None:
        """Use a case for something else."""
        self._replace(replace(self._row(key), role=role))

    def set_segmentation(self, key: str, source: Optional[Any]) -> None:
        """Give a case another segmentation node or LabelFile, or none.

        An unlabeled case becomes labeled by it, and back.
        """
        row = self._row(key)
        if source is not None:
            self._replace(_labeled(row, source))
            return
        self._without_segmentation.add(key)
        role = CaseRole.UNLABELED if row.role.needs_label else row.role
        self._replace(replace(row, role=role, segmentation=None))

    def set_label_file(self, key: str, path: str) -> None:
        """Give a case on disk another label map on disk; its values are named once it is read."""
        self.set_segmentation(key, LabelFile(os.path.abspath(path), {}))

    def add_channel(self) -> None:
        """Give each case one image more, to be chosen."""
        self.channels = with_another(self.channels)
        self._keep()

    def remove_channel(self) -> None:
        """Take the last channel away; the volumes stay in the scene."""
        self.channels = without_last(self.channels)
        self._keep()

    def name_channels(self, text: str) -> None:
        """Name all channels, with commas between the names.

        Raises:
            DataError: there are not as many, or one is there twice.
        """
        self.channels = names_in(text, len(self.channels))
        self._keep()

    def set_image(self, key: str, channel: int, node: Optional[Any]) -> None:
        """Choose an image of a case; if it was a case of its own, it is not any more.

        Channel 1 is the second one, and so on; a node of None takes the image away.
        """
        self._rows = given(self._rows, key, channel, node)
        self._keep()

    def set_learned(self, name: str, learned: bool) -> None:
        """Learn a segment, or leave it out."""
        names = self._storage.not_learned()
        self._storage.save_not_learned(names - {name} if learned else names | {name})
        self._refresh()

    def rename_segment(self, name: str, new: str) -> None:
        """Call a segment of label maps on disk by another name; the files stay as they are.

        Raises:
            DataError: the name is empty, or another segment has it.
        """
        if not new.strip() or any(new.strip() == segment.name for segment in self.segments):
            raise DataError(_("A segment needs a name of its own, got '{name}'; choose another.").format(name=new))
        self._rows = [renamed(row, name, new.strip()) for row in self._rows]
        self._keep()

    def _images(self, row: CaseRow) -> Any:
        return row.images if self.channels else row.volume

    def _row(self, key: str) -> CaseRow:
        return next(row for row in self._rows if row.key == key)

    def _replace(self, new: CaseRow) -> None:
        self._rows = [new if row.key == new.key else row for row in self._rows]
        self._keep()

    def _paths(self) -> tuple[list[str], set[str]]:
        """All files of the table, and the label maps among them whose values have no names."""
        unnamed = {row.unnamed_label for row in self._rows if row.unnamed_label}
        return [path for row in self._rows for path in row.files], unnamed

    def _with_names(self, row: CaseRow) -> CaseRow:
        """The row with names for the values of its label map: its own, else those of the others, else numbers."""
        path = row.unnamed_label
        facts, names = self._files.of(path), self._files.names_of(path)
        if facts is None or not names:
            return row
        known = {} if facts.names_itself else self._names_given()
        return replace(
            row, segmentation=LabelFile(path, {value: known.get(value, name) for value, name in names.items()})
        )

    def _names_given(self) -> dict[int, str]:
        """What the values of the other label maps of the table are called."""
        files = [row.segmentation for row in self._rows if isinstance(row.segmentation, LabelFile)]
        return {value: name for file in reversed(files) for value, name in file.names.items()}

    def _pairs(self) -> dict[str, Any]:
        """Volume's ID -> segmentation, of all that are in the scene and in no row."""
        used = [row.segmentation for row in self._rows]
        labeled = [row.volume for row in self._rows if row.segmentation is not None]
        # What a model has named is a label only where a person says so.
        offered = segmentations(self._context.scene)
        free = [node for node in offered if node not in used and not node.GetAttribute(PART_ATTRIBUTE)]
        return pair_with_segmentations(image_volumes(self._context.scene), free, labeled) if free else {}

    def _found_segmentations(self) -> dict[str, Any]:
        """Key of an unlabeled row -> the segmentation that belongs to its volume, unless a person took it away."""
        pairs = self._pairs()
        return {
            row.key: pairs[row.volume.GetID()]
            for row in self._rows
            if not row.is_file and row.role is CaseRole.UNLABELED and row.volume.GetID() in pairs
            if row.key not in self._without_segmentation
        }

    def _new_key(self) -> str:
        return str(1 + max((int(row.key) for row in self._rows if row.key.isdecimal()), default=0))

    def _new_volumes(self, nodes: Sequence[Any]) -> list[Any]:
        known = [image for row in self._rows for image in row.images]
        return [node for node in nodes if node not in known]

    def _keep(self) -> None:
        self._rows = fitted(self._rows, self.channels)
        self._storage.save_channels(self.channels)
        self._storage.save(self._rows)
        self._refresh()

    def _refresh(self) -> None:
        self._forget_report()
        self.changed.send()

    def _forget_report(self) -> None:
        self._report = self._offered = None
        self._watch.follow(node for row in self._rows for node in row.nodes)

    def _on_nodes(self) -> None:
        rows = [row for row in self._rows if row.is_file or is_in_scene(self._context.scene, row.volume)]
        rows = [self._without_lost_nodes(row) for row in rows]
        if rows != self._rows:
            self._rows = rows
            self._storage.save(rows)
        self._forget_report()
        (self._changed_soon.request if self._changed_soon is not None else self.changed.send)()

    def _without_lost_nodes(self, row: CaseRow) -> CaseRow:
        lost = [node for node in row.nodes if not is_in_scene(self._context.scene, node)]
        segmentation, *more = (None if part in lost else part for part in (row.segmentation, *row.more))
        return replace(row, segmentation=segmentation, more=tuple(more))


def _labeled(row: CaseRow, source: Any) -> CaseRow:
    """A row with another segmentation; an unlabeled case becomes labeled by it."""
    role = CaseRole.LABELED if row.role is CaseRole.UNLABELED else row.role
    return replace(row, role=role, segmentation=source)
