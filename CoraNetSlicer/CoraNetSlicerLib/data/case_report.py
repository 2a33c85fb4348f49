"""What the table of cases comes to: rows with findings, segments to choose from, and the whole in a few words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coranet.contract.errors import DataError
from coranet.contract.outliers import INTENSITY_RANGE, VOLUME_ML, other_modalities, other_spacings, times_apart
from coranet.contract.segment_names import distinct_names, has_name

from ..core.case_images import path_key
from ..core.segment_classes import classes_of, segment_names_of
from ..core.translation import _, sentence
from .case_checks import CaseChecks, error, in_words, quoted, warning
from .case_facts import VolumeFacts
from .case_rows import CaseRole, CaseRow, Finding, Severity

_FEW_LABELED = 3
_LINES_OF_FINDINGS = 4
# As on the page Environment.
_MARKS = {Severity.ERROR: "\u2716", Severity.WARNING: "\u26a0"}


@dataclass(frozen=True)
class Segment:
    """A segment that can be learned.

    Attributes:
        name: by which it is known in all cases.
        learned: whether it is to be learned.
        cases, of: in how many of the cases with a segmentation it occurs.
        is_renamable: whether only label maps on disk have it, which do not name it themselves.
    """

    name: str
    learned: bool
    cases: int
    of: int
    is_renamable: bool = False


@dataclass(frozen=True)
class CaseReport:
    """What is derived from the rows: the rows with what was found about each, segments, and all findings, errors first.

    The segments are those of the labeled and validation cases, in order of first appearance.
    """

    rows: tuple[CaseRow, ...]
    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...]

    @staticmethod
    def of(
        rows: Sequence[CaseRow], not_learned: Collection[str], checks: CaseChecks, left_out: Sequence[str] = ()
    ) -> CaseReport:
        """Look at all rows; `left_out` lay beside the cases and is not used, a sentence each."""
        segments = _segments(rows, not_learned, checks)
        findings = _findings(rows, [segment.name for segment in segments if segment.learned], checks)
        findings += [Finding(Severity.WARNING, _("left out"), sentence(text)) for text in left_out]
        own: dict[str, list[Finding]] = {}
        for finding in findings:
            own.setdefault(finding.key, []).append(finding)
        examined = tuple(replace(row, findings=tuple(own.get(row.key, ()))) for row in rows)
        return CaseReport(examined, segments, tuple(findings))

    @property
    def summary(self) -> str:
        """How many cases there are of each role."""
        if not self.rows:
            return _(
                "Add volumes: three to ten with a segmentation, the rest without. For a first try, load Sample Data > "
                "CoraNet phantom."
            )
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


def _findings(rows: Sequence[CaseRow], learned: Sequence[str], checks: CaseChecks) -> list[Finding]:
    """All findings, errors first, in the order of the rows; ignored cases have none."""
    used = [row for row in rows if row.role is not CaseRole.IGNORED]
    owners = {node.GetID(): row for row in rows for node in row.nodes if node is not row.segmentation}
    findings = list(_numbers(used, learned)) if rows else []
    for row in used:
        findings += checks.findings(row, learned, owners)
    findings += name_differences([row for row in used if row.role.needs_label], learned)
    findings += _same_images(used, checks)
    findings += _scan_outliers([(row, checks.scan(row)) for row in used])
    findings += _structures(used, learned, checks)
    if learned and not any(finding.severity is Severity.ERROR for finding in findings):
        findings += _contradictions(used, learned)
    return sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)


def _line(alike: Sequence[Finding]) -> str:
    first, others = alike[0], len(alike) - 1
    text = f"{_MARKS[first.severity]} {first.text}"
    if not others:
        return text
    if others == 1:
        return _("{text} (1 more case: {short})").format(text=text, short=first.short)
    return _("{text} ({count} more cases: {short})").format(text=text, count=others, short=first.short)


def _segments(rows: Sequence[CaseRow], not_learned: Collection[str], checks: CaseChecks) -> tuple[Segment, ...]:
    sources = [row.segmentation for row in rows if row.role.needs_label and row.segmentation is not None]
    names = [segment_names_of(source) for source in sources]
    counts = {name: sum(has_name(name, own) for own in names) for name in distinct_names(names)}
    fixed = [name for source in sources if not checks.is_renamable(source) for name in segment_names_of(source)]
    return tuple(
        Segment(name, name not in not_learned, count, len(sources), not has_name(name, fixed))
        for name, count in counts.items()
    )


def _numbers(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    labeled = [row for row in rows if row.role is CaseRole.LABELED]
    if not labeled:
        text = _("No case is labeled. Give at least one volume a segmentation; three to ten are a good start.")
        yield Finding(Severity.ERROR, _("no labeled case"), text)
    elif len(labeled) < _FEW_LABELED:
        text = _("Only {count} labeled. With more, the result is more reliable; three to ten are a good start.")
        yield Finding(Severity.WARNING, _("few labeled cases"), text.format(count=len(labeled)))
    if labeled and not learned and not any(row.unnamed_label for row in labeled):
        yield Finding(
            Severity.ERROR, _("no segment to learn"), _("No segment is checked. Check at least one to learn.")
        )
    if not any(row.role is CaseRole.UNLABELED for row in rows):
        text = _(
            "No case is unlabeled. The training will use the labeled cases alone. Add volumes without a segmentation "
            "to learn from them, too."
        )
        yield Finding(Severity.WARNING, _("no unlabeled case"), text)


def name_differences(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    """Errors about segments that are missing, that hardly any other case has, or that there are twice.

    A name that fewer than half of the cases have is reported where it is, any other where it is missing: of ten
    cases, the one with the misspelt name is named, not the nine others.
    """
    named = [row for row in rows if row.segmentation is not None and not row.unnamed_label]
    names = [(row, segment_names_of(row.segmentation)) for row in named]
    owners = {name: sum(has_name(name, own) for _row, own in names) for name in learned}
    rare = {name for name, count in owners.items() if 2 * count < len(names)}
    for row, own in names:
        missing = [name for name in learned if not has_name(name, own) and name not in rare]
        stray = [name for name in own if has_name(name, rare)]
        doubled = sorted({name for name in learned if own.count(name) > 1})
        if not own:
            text = _("'{segmentation}' has no segment. Paint at least one, or make '{name}' unlabeled.")
            yield error(row, _("no segments"), text)
        elif missing:
            text = _(
                "'{segmentation}' lacks {missing}. It has {present}. Give a structure the same name in all cases, or "
                "uncheck it under Learn. If a case has none of it, add an empty segment."
            )
            yield error(row, _("segment names"), text, missing=quoted(missing), present=quoted(own))
        elif stray:
            text = _(
                "'{segmentation}' has the segment {stray}, which most of the {cases} cases do not have. Rename it, or "
                "uncheck it under Learn."
            )
            yield error(row, _("segment names"), text, stray=quoted(stray), cases=len(names))
        if doubled:
            text = _("'{segmentation}' has more than one segment {doubled}. Rename or merge them.")
            yield error(row, _("name twice"), text, doubled=quoted(doubled))


def _same_images(rows: Sequence[CaseRow], checks: CaseChecks) -> Iterator[Finding]:
    by_file: dict[str, CaseRow] = {}
    copies: list[CaseRow] = []
    by_digest: dict[str, list[CaseRow]] = {}
    for row in rows:
        facts = VolumeFacts(file=row.volume) if row.is_file else checks.facts.of_volume(row.volume)
        file = path_key(facts.file) if facts.file else ""
        same = by_file.setdefault(file, row) if file else row
        if same is row and row.is_file:
            same = next((other for other in copies if checks.files.are_same_scan(other.volume, row.volume)), row)
            copies.append(row)
        if same is row and facts.digest:
            alike = by_digest.setdefault(facts.digest, [])
            same = next((other for other in alike if checks.facts.are_same_image(other.volume, row.volume)), row)
            alike.append(row)
        if same is not row:
            text = _("'{name}' is the same image as '{other}'. Remove or ignore one of them.")
            yield error(row, _("same image"), text, other=same.name)


def _scan_outliers(scans: Sequence[tuple[CaseRow, VolumeFacts]]) -> Iterator[Finding]:
    """Warnings about scans whose spacing or intensities are unlike the others', by the rules that the engine has, too.

    Scans that cannot be used are left out.
    """
    usable = [(row, facts) for row, facts in scans if not facts.problem]
    for index in other_spacings([facts.spacing_mm for _row, facts in usable]):
        row, facts = usable[index]
        yield _spacing_outlier(row, facts, [other for owner, other in usable if owner is not row])
    # The voxels of files were not read.
    read = [(row, facts) for row, facts in usable if facts.high > facts.low]
    ranges, lowest = ([facts.high - facts.low for _row, facts in read], [facts.lowest for _row, facts in read])
    for index in sorted({*other_modalities(lowest), *times_apart(ranges, INTENSITY_RANGE)}):
        row, facts = read[index]
        yield _intensity_outlier(row, facts, [other for owner, other in read if owner is not row])


def _spacing_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Finding:
    usual = [float(value) for value in np.median([sorted(other.spacing_mm) for other in others], axis=0)]
    text = _("'{name}' has voxels of {own} mm, the others of about {usual} mm. Check that it is a scan of that kind.")
    own = in_words(sorted(facts.spacing_mm))
    return warning(row, _("unusual spacing"), text, own=own, usual=in_words(usual))


def _intensity_outlier(row: CaseRow, facts: VolumeFacts, others: Sequence[VolumeFacts]) -> Finding:
    low, high = (float(value) for value in np.median([(other.low, other.high) for other in others], axis=0))
    text = _(
        "'{name}' has intensities from {own_low:.4g} to {own_high:.4g}, the others from about {low:.4g} to {high:.4g}. "
        "Check that it is a scan of that kind."
    )
    return warning(row, _("unusual intensity"), text, own_low=facts.low, own_high=facts.high, low=low, high=high)


def _structures(rows: Sequence[CaseRow], learned: Sequence[str], checks: CaseChecks) -> Iterator[Finding]:
    """Findings on all segmentations of the scene together."""
    drawn = [row for row in rows if row.role.needs_label and row.segmentation is not None and not row.is_file]
    facts = [(row, checks.facts.of_segmentation(row.segmentation)) for row in drawn]
    labeled = [row for row in rows if row.role is CaseRole.LABELED]
    empty = [row for row, own in facts if row in labeled and learned and set(learned) <= set(own.empty)]
    if labeled and len(empty) == len(labeled):
        text = _("The segmentations of all labeled cases are empty. Paint the structures to learn in at least one.")
        yield Finding(Severity.ERROR, _("all empty"), text)
    yield from _volume_outliers([(row, own.volumes_ml) for row, own in facts], learned)


def _volume_outliers(cases: Sequence[tuple[CaseRow, Mapping[str, float]]], learned: Sequence[str]) -> Iterator[Finding]:
    """Warnings about segments that are many times larger or smaller (in mL, by name) than in the other cases."""
    for name in learned:
        having = [(row, volumes[name]) for row, volumes in cases if name in volumes]
        volumes = [volume for _row, volume in having]
        for index in times_apart(volumes, VOLUME_ML):
            row, others = having[index][0], [*volumes[:index], *volumes[index + 1 :]]
            text = _(
                "'{segment}' of '{name}' has about {own:.2g} mL, in the others {least:.2g} to {most:.2g} mL. Check the "
                "segmentation and the spacing."
            )
            sizes = {"own": volumes[index], "least": min(others), "most": max(others)}
            yield warning(row, _("unusual size"), text, segment=name, **sizes)


def _contradictions(rows: Sequence[CaseRow], learned: Sequence[str]) -> Iterator[Finding]:
    sources = [row.segmentation for row in rows if row.role.needs_label]
    try:
        classes_of(sources, learned)
    except DataError as problem:
        yield Finding(Severity.ERROR, _("terminology"), sentence(str(problem)))
