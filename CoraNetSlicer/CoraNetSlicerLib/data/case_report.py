"""What the table of cases comes to: rows with findings, segments to choose from, and the whole in a few words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from coranet.contract.segment_names import distinct_names, has_name

from ..core.segment_classes import segment_names_of
from ..core.translation import _
from .case_checks import CaseChecks
from .case_rows import CaseRole, CaseRow, Finding, Segment, Severity, sentence

_LINES_OF_FINDINGS = 4


@dataclass(frozen=True)
class CaseReport:
    """What is derived from the rows.

    Attributes:
        rows: the table, with what was found about each row.
        segments: all segments of the labeled and validation cases, in order of first appearance.
        findings: everything found, errors first.
    """

    rows: tuple[CaseRow, ...]
    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...]

    @staticmethod
    def of(
        rows: Sequence[CaseRow], not_learned: Collection[str], checks: CaseChecks, left_out: Sequence[str] = ()
    ) -> CaseReport:
        """Look at all rows.

        Args:
            rows: the table.
            not_learned: names of the segments that are not to be learned.
            checks: looks at them.
            left_out: what lay beside the cases and is not used, a sentence each.
        """
        segments = _segments(rows, not_learned)
        findings = checks.findings(rows, [segment.name for segment in segments if segment.learned])
        findings += [Finding(Severity.WARNING, _("left out"), sentence(one)) for one in left_out]
        own: dict[str, list[Finding]] = {}
        for finding in findings:
            own.setdefault(finding.key, []).append(finding)
        examined = tuple(replace(row, findings=tuple(own.get(row.key, ()))) for row in rows)
        return CaseReport(examined, segments, tuple(findings))

    @property
    def summary(self) -> str:
        """How many cases there are of each role."""
        if not self.rows:
            return _("Add volumes: three to ten with a segmentation, the rest without.")
        texts = {
            CaseRole.LABELED: _("{count} labeled"),
            CaseRole.UNLABELED: _("{count} unlabeled"),
            CaseRole.VALIDATION: _("{count} for validation"),
            CaseRole.IGNORED: _("{count} ignored"),
        }
        counts = {role: sum(row.role is role for row in self.rows) for role in CaseRole}
        return ", ".join(texts[role].format(count=count) for role, count in counts.items() if count) + "."

    @property
    def findings_text(self) -> str:
        """The worst findings, a line for each kind; "" if all is well."""
        kinds: dict[tuple[Severity, str], list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault((finding.severity, finding.short), []).append(finding)
        lines = [_line(alike) for alike in kinds.values()]
        more = _("... and more, in the table.")
        return "\n".join([*lines[:_LINES_OF_FINDINGS], *([more] if len(lines) > _LINES_OF_FINDINGS else [])])

    @property
    def reason_not_trainable(self) -> str:
        """The first error; "" without one."""
        if not self.rows:
            return _("Add volumes to the table under Data.")
        return next((finding.text for finding in self.findings if finding.severity is Severity.ERROR), "")


def _line(alike: Sequence[Finding]) -> str:
    if len(alike) == 1:
        return alike[0].text
    return _("{text} ({count} more cases: {short}.)").format(
        text=alike[0].text, count=len(alike) - 1, short=alike[0].short
    )


def _segments(rows: Sequence[CaseRow], not_learned: Collection[str]) -> tuple[Segment, ...]:
    sources = [row.segmentation for row in rows if row.role.needs_label and row.segmentation is not None]
    names = [segment_names_of(source) for source in sources]
    counts = {name: sum(has_name(name, own) for own in names) for name in distinct_names(names)}
    return tuple(Segment(name, name not in not_learned, count, len(sources)) for name, count in counts.items())
