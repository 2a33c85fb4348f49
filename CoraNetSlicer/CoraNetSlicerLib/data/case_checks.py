"""What is wrong with the cases, in words, before a minute of training is spent on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Optional

from coranet.contract import ImageHeader
from coranet.contract.errors import DataError

from ..core.label_files import LabelFile
from ..core.segment_classes import classes_of, segment_names_of, source_name
from ..core.translation import _
from .case_facts import NodeFacts, VolumeFacts, drawn_on, is_off_grid, lie_apart
from .case_names import name_differences, quoted
from .case_outliers import in_words, outliers, spacing_ratio, volume_outliers
from .case_rows import CaseRole, CaseRow, Finding, Severity, error, sentence, warning
from .channel_checks import channel_findings
from .file_facts import KnownFiles

_FEW_LABELED = 3
# A segmentation may be drawn on slightly other voxels; only what blurs its edges is worth a word.
_DRAWN_RATIO = 1.25
# A label map on disk must lie on the image's own voxels; only rounding may differ.
_SAME_RATIO = 1.001
_DIMENSIONS = 3


class CaseChecks:
    """Looks at all cases of the table."""

    def __init__(self, facts: NodeFacts, files: KnownFiles, channels: Sequence[str] = ()) -> None:
        """Take what knows of nodes and of files.

        Args:
            facts: of nodes.
            files: of those that nobody has looked at yet, nothing is said.
            channels: names of the channels; (): there is one.
        """
        self._channels = channels
        # By id of a volume node: the case whose image it is.
        self._cases: dict[str, CaseRow] = {}
        self._facts = facts
        self._files = files

    def findings(self, rows: Sequence[CaseRow], learned: Sequence[str]) -> list[Finding]:
        """Everything found, errors first, in the order of the rows.

        Args:
            rows: the table; ignored cases are not looked at.
            learned: names of the segments to learn.
        """
        used = [row for row in rows if row.role is not CaseRole.IGNORED]
        self._cases = {node.GetID(): row for row in rows for node in row.nodes if node is not row.segmentation}
        found = list(_numbers(used, learned)) if rows else []
        for row in used:
            found += self._of_volume(row)
            found += channel_findings(row, self._channels, self._facts)
            if row.role.needs_label:
                found += self._of_label(row, learned)
        found += name_differences([row for row in used if row.role.needs_label], learned)
        found += self._same_images(used)
        found += outliers([(row, self._scan(row)) for row in used])
        found += self._of_structures(used, learned)
        if learned and not any(one.severity is Severity.ERROR for one in found):
            found += _contradictions(used, learned)
        return sorted(found, key=lambda one: one.severity is not Severity.ERROR)

    def _of_volume(self, row: CaseRow) -> Iterator[Finding]:
        for path in dict.fromkeys(image for image in row.images if isinstance(image, str)):
            yield from self._of_image_file(row, path)
        if row.is_file:
            return
        facts = self._facts.of_volume(row.volume)
        if facts.problem:
            yield error(row, _("cannot be used"), facts.problem)
        elif facts.is_label_map:
            yield _label_map(row, row.name)
        elif facts.low == facts.high:
            yield warning(
                row,
                _("one grey value"),
                _("'{name}' has the grey value {value:g} nearly everywhere; check that it is the right volume.").format(
                    name=row.name, value=facts.median
                ),
            )

    def _of_image_file(self, row: CaseRow, path: str) -> Iterator[Finding]:
        yield from self._missing(row, path)
        facts = self._files.of(path)
        if facts is not None and facts.is_label_map:
            yield _label_map(row, path)

    def _missing(self, row: CaseRow, path: str) -> Iterator[Finding]:
        facts = self._files.of(path)
        if facts is not None and not facts.exists:
            text = _("'{path}' does not exist; restore it, or remove the case.").format(path=path)
            yield error(row, _("file missing"), text)

    def _other_grid(self, row: CaseRow) -> Iterator[Finding]:
        image, label = (self._header(path) for path in (row.volume, row.segmentation.path))
        if image is None or label is None:
            return
        names = {"label": source_name(row.segmentation), "name": row.name}
        # Axes may have changed places: each voxel can lie where one of the image lies all the same.
        if sorted(image.size_ijk) != sorted(label.size_ijk):
            text = _("'{label}' has {labels} voxels, '{name}' has {voxels}; resample the label map onto the image.")
            sizes = {"labels": in_words(label.size_ijk), "voxels": in_words(image.size_ijk)}
            yield error(row, _("other grid"), text.format(**sizes, **names))
        elif spacing_ratio(image.spacing_mm, label.spacing_mm) > _SAME_RATIO:
            text = _("'{label}' has voxels of {drawn} mm, '{name}' of {own} mm; resample the label map onto the image.")
            spacings = {"drawn": in_words(label.spacing_mm), "own": in_words(image.spacing_mm)}
            yield error(row, _("other grid"), text.format(**spacings, **names))

    def _header(self, path: str) -> Optional[ImageHeader]:
        facts = self._files.of(path) if isinstance(path, str) else None
        return facts.header if facts is not None else None

    def _scan(self, row: CaseRow) -> VolumeFacts:
        if not row.is_file:
            return self._facts.of_volume(row.volume)
        header = self._header(row.volume)
        if header is None or len(header.spacing_mm) != _DIMENSIONS:
            return VolumeFacts(problem="unknown")
        return VolumeFacts(size_ijk=header.size_ijk, spacing_mm=header.spacing_mm)

    def _of_label(self, row: CaseRow, learned: Sequence[str]) -> Iterator[Finding]:
        source = row.segmentation
        if source is None:
            yield error(
                row,
                _("no segmentation"),
                _("'{name}' has no segmentation; choose one, or make it unlabeled.").format(name=row.name),
            )
            return
        if isinstance(source, LabelFile):
            yield from self._missing(row, source.path)
            yield from self._other_grid(row)
        elif row.is_file:
            yield error(
                row,
                _("not loaded"),
                _("'{name}' is on disk and its segmentation in the scene; load the volume.").format(name=row.name),
            )
        else:
            names = segment_names_of(source)
            yield from self._of_other_case(row)
            yield from self._of_segmentation(row, [name for name in learned if name in names])

    def _of_other_case(self, row: CaseRow) -> Iterator[Finding]:
        origin = drawn_on(row.segmentation)
        other = self._cases.get(origin.GetID()) if origin is not None else None
        if other is not None and other.key != row.key:
            text = _("'{segmentation}' was drawn on '{other}', which is another case; choose that of '{name}'.")
            names = {"segmentation": source_name(row.segmentation), "other": other.name, "name": row.name}
            yield error(row, _("of another case"), text.format(**names))

    def _of_segmentation(self, row: CaseRow, wanted: Sequence[str]) -> Iterator[Finding]:
        facts, volume = self._facts.of_segmentation(row.segmentation), self._facts.of_volume(row.volume)
        names = {"segmentation": source_name(row.segmentation), "name": row.name}
        empty = [name for name in wanted if name in facts.empty]
        if wanted and len(empty) == len(wanted):
            teaches = _(
                "'{segmentation}' is empty: this teaches that there is nothing to find in '{name}'. If there is, "
                "paint it, or make '{name}' unlabeled."
            )
            measures = _(
                "'{segmentation}' is empty: whatever is found in '{name}' counts as a Dice of 0. If there is "
                "something, paint it, or ignore '{name}'."
            )
            text = measures if row.role is CaseRole.VALIDATION else teaches
            yield warning(row, _("empty"), text.format(**names))
            return
        if empty:
            yield warning(
                row,
                _("partly empty"),
                _("{segments} is empty in '{segmentation}': this teaches that '{name}' has none of it.").format(
                    segments=quoted(empty), **names
                ),
            )
        if not volume.problem:
            yield from self._of_place(row)

    def _of_place(self, row: CaseRow) -> Iterator[Finding]:
        """Whether a segmentation lies on the voxels of its volume."""
        facts, volume = self._facts.of_segmentation(row.segmentation), self._facts.of_volume(row.volume)
        names = {"segmentation": source_name(row.segmentation), "name": row.name}
        if lie_apart(row.segmentation, row.volume):
            yield error(
                row,
                _("lies elsewhere"),
                _("'{segmentation}' does not overlap '{name}'; choose the segmentation that was drawn on it.").format(
                    **names
                ),
            )
        elif facts.spacing_mm and spacing_ratio(facts.spacing_mm, volume.spacing_mm) > _DRAWN_RATIO:
            yield warning(
                row,
                _("other grid"),
                _(
                    "'{segmentation}' was drawn on voxels of {drawn} mm, '{name}' has {own} mm; look at its edges."
                ).format(drawn=in_words(facts.spacing_mm), own=in_words(volume.spacing_mm), **names),
            )
        elif is_off_grid(row.segmentation, row.volume):
            yield warning(
                row,
                _("other grid"),
                _(
                    "'{segmentation}' was not drawn on the voxels of '{name}'; check that it belongs to this case."
                ).format(**names),
            )

    def _of_structures(self, rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
        """What is to be said of all segmentations of the scene together."""
        drawn = [row for row in rows if row.role.needs_label and row.segmentation is not None and not row.is_file]
        facts = [(row, self._facts.of_segmentation(row.segmentation)) for row in drawn]
        labeled = [row for row in rows if row.role is CaseRole.LABELED]
        empty = [row for row, one in facts if row in labeled and learned and set(learned) <= set(one.empty)]
        if labeled and len(empty) == len(labeled):
            text = _("The segmentations of all labeled cases are empty; paint what is to be learned in at least one.")
            yield Finding(Severity.ERROR, _("all empty"), text)
        yield from volume_outliers([(row, one.volumes_ml) for row, one in facts], learned)

    def _same_images(self, rows: Sequence[CaseRow]) -> Iterator[Finding]:
        by_file: dict[str, CaseRow] = {}
        copies: list[CaseRow] = []
        by_digest: dict[str, list[CaseRow]] = {}
        for row in rows:
            facts = VolumeFacts(file=row.volume) if row.is_file else self._facts.of_volume(row.volume)
            file = os.path.normcase(os.path.abspath(facts.file)) if facts.file else ""
            same = by_file.setdefault(file, row) if file else row
            if same is row and row.is_file:
                same = next((one for one in copies if self._files.are_copies(one.volume, row.volume)), row)
                copies.append(row)
            if same is row and facts.digest:
                alike = by_digest.setdefault(facts.digest, [])
                same = next((one for one in alike if self._facts.are_same_image(one.volume, row.volume)), row)
                alike.append(row)
            if same is not row:
                yield error(
                    row,
                    _("twice"),
                    _(
                        "'{name}' is the same image as '{other}'; keep one of them, and remove or ignore the other."
                    ).format(name=row.name, other=same.name),
                )


def _numbers(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    labeled = sum(row.role is CaseRole.LABELED for row in rows)
    if not labeled:
        yield Finding(
            Severity.ERROR,
            _("none labeled"),
            _("No case is labeled; give at least one volume a segmentation. Three to ten are a good start."),
        )
    elif labeled < _FEW_LABELED:
        yield Finding(
            Severity.WARNING,
            _("few labeled"),
            _("Only {count} labeled: more make the result more reliable. Three to ten are a good start.").format(
                count=labeled
            ),
        )
    if labeled and not learned:
        yield Finding(Severity.ERROR, _("nothing to learn"), _("No segment is checked; check at least one to learn."))
    if not any(row.role is CaseRole.UNLABELED for row in rows):
        yield Finding(
            Severity.WARNING,
            _("none unlabeled"),
            _(
                "No case is unlabeled: the training will use the labeled ones alone. "
                "Add volumes without a segmentation to learn from them, too."
            ),
        )


def _label_map(row: CaseRow, name: str) -> Finding:
    text = _("'{name}' is a label map, not an image: it has few values, whole numbers; remove it, or ignore the case.")
    return error(row, _("label map"), text.format(name=name))


def _contradictions(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    sources = [row.segmentation for row in rows if row.role.needs_label]
    try:
        classes_of(sources, learned)
    except DataError as error:
        yield Finding(Severity.ERROR, _("segments differ"), sentence(str(error)))
