"""Segments whose names differ between the cases: a segment is known by its name alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coranet.contract.segment_names import has_name

from ..core.segment_classes import segment_names_of, source_name
from ..core.translation import _
from .case_rows import CaseRow, Finding, error


def name_differences(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    """Errors about segments that are missing, that hardly any other case has, or that there are twice.

    A name that fewer than half of the cases have is told where it is, any other where it is missing: of ten cases, the
    one with the misspelt name is named, not the nine others.

    Args:
        rows: the cases that need a segmentation.
        learned: names of the segments to learn.
    """
    names = [(row, segment_names_of(row.segmentation)) for row in rows if row.segmentation is not None]
    owners = {name: sum(has_name(name, own) for _row, own in names) for name in learned}
    rare = {name for name, count in owners.items() if 2 * count < len(names)}
    for row, own in names:
        missing = [name for name in learned if not has_name(name, own) and name not in rare]
        stray = [name for name in own if has_name(name, rare)]
        doubled = sorted({name for name in learned if own.count(name) > 1})
        if not own:
            text = _("'{segmentation}' has no segment; paint at least one, or make '{name}' unlabeled.")
            yield error(row, _("no segment"), text.format(segmentation=source_name(row.segmentation), name=row.name))
        elif missing:
            yield error(row, _("other names"), _missing_text(row, missing, own))
        elif stray:
            yield error(row, _("other names"), _stray_text(row, stray, len(names)))
        if doubled:
            text = _("'{segmentation}' has more than one segment {doubled}; rename or merge them.")
            segmentation = source_name(row.segmentation)
            yield error(row, _("name twice"), text.format(segmentation=segmentation, doubled=quoted(doubled)))


def quoted(names: Sequence[str]) -> str:
    """Names as "'a', 'b'"."""
    return ", ".join(f"'{name}'" for name in names)


def _missing_text(row: CaseRow, missing: Sequence[str], own: Sequence[str]) -> str:
    return _(
        "'{segmentation}' has no segment {missing}, it has {present}: rename, uncheck it under Learn, "
        "or add an empty one if the case has none of it."
    ).format(segmentation=source_name(row.segmentation), missing=quoted(missing), present=quoted(own))


def _stray_text(row: CaseRow, stray: Sequence[str], cases: int) -> str:
    return _(
        "'{segmentation}' has the segment {stray}, which most of the {cases} cases lack: rename it, "
        "or uncheck it under Learn."
    ).format(segmentation=source_name(row.segmentation), stray=quoted(stray), cases=cases)
