"""The report on a folder of results: one HTML file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..contract import CaseDoubt, Region
from ..contract.files import write_text_atomic
from ..html.page import opening, page, section, table
from ..html.png import data_uri
from ..html.slices import UNCERTAIN_COLOR
from .reported_case import ClassVolume, ReportedCase, ReportedCases
from .thumbnails import OUTLINE_COLORS, Picture

_HEAD_NAMES = {"segmentation": "result", "conservative": "conservative", "radical": "radical"}
_UNDRAWN = "The scan was moved or replaced, so the outlines are drawn on black."


def write_page(path: Path, reported: ReportedCases, folder: str) -> None:
    """Write the report.

    Args:
        path: HTML file, UTF-8.
        reported: what is shown.
        folder: what is reported on.

    Raises:
        StorageError: the file cannot be written.
    """
    cases = reported.cases
    sections = [_head(reported, folder), _ranking(cases), _volumes(cases), *(_regions(case) for case in cases)]
    write_text_atomic(path, page("CoraNet: what is uncertain", [section for section in sections if section]))


def _head(reported: ReportedCases, folder: str) -> str:
    cases = reported.cases
    decided = sum(case.uncertainty.reviewed for case in cases)
    total = sum(case.uncertainty.regions or 0 for case in cases)
    rows = {
        "folder": f"<code>{escape(folder)}</code>",
        "cases": str(len(cases)),
        "classes": escape(", ".join(dict.fromkeys(name for case in cases for name in case.names.values()))),
        "regions": f"{total}, {decided} of them reviewed",
    }
    without = sum(case.regions is None for case in cases)
    if without:
        rows["without regions"] = f"{without}; <code>coranet regions {escape(folder)}</code> finds them"
    if reported.unreadable:
        rows["not in this report"] = "<br>".join(map(escape, reported.unreadable.values()))
    promises = dict.fromkeys(sentence for case in cases if (sentence := case.doubt.sentence()))
    if promises:
        rows["promise"] = "<br>".join(map(escape, promises))
    note = (
        "Where the conservative and the radical head of the model name different labels. The bounds of a volume are "
        "the voxels that both heads and the result give to the class, and those that at least one of them gives to it."
    )
    return opening("What is uncertain", note, rows)


def _ranking(cases: Sequence[ReportedCase]) -> str:
    has_quality = any(case.doubt.quality for case in cases)
    rows = [
        [
            escape(case.uncertainty.case),
            _percent(case.uncertainty.share),
            f"{case.uncertainty.uncertain_ml:.3g}",
            "-" if case.uncertainty.regions is None else str(case.uncertainty.regions),
            _progress(case),
            *([_expected(case.doubt)] if has_quality else []),
            "<br>".join(map(escape, (case.uncertainty.reason, *case.warnings))),
        ]
        for case in cases
    ]
    note = (
        '<p class="soft">First the case that is most worth a look. Uncertain: undecided volume in which a class is in '
        "question, by its radical volume; mean over the classes. Cleared: share of the uncertain volume that is "
        "decided.</p>"
    )
    head = ["case", "uncertain", "uncertain, mL", "regions", "reviewed, cleared"]
    head += [*(["quality"] if has_quality else []), "why"]
    return section("What to look at next", table(head, rows), note)


def _expected(doubt: CaseDoubt) -> str:
    quality = doubt.quality
    if quality is None:
        return "-"
    return quality.verdict if quality.dice is None else f"{quality.dice:.2f} ({quality.verdict})"


def _progress(case: ReportedCase) -> str:
    if case.review is None or case.regions is None:
        return "-"
    count, cleared = case.review.progress(case.regions)
    choices = Counter(decision.choice.value for decision in case.review.decisions.values())
    how = ", ".join(f"{number} {choice}" for choice, number in sorted(choices.items()))
    return f"{count}, {100 * cleared:.0f} %" + (f" <small>{escape(how)}</small>" if how else "")


def _volumes(cases: Sequence[ReportedCase]) -> str:
    has_reviews = any(case.reviewed_volumes for case in cases)
    has_promises = any(case.doubt.promises for case in cases)
    rows = []
    for case in cases:
        reviewed = {volume.name: volume for volume in case.reviewed_volumes}
        for number, volume in enumerate(case.volumes):
            row = [escape(case.uncertainty.case) if not number else "", escape(volume.name), *_with_bounds(volume)]
            row += [_promised_bounds(case.doubt, volume.name)] if has_promises else []
            if has_reviews:
                row += _with_bounds(reviewed.get(volume.name))
            rows.append(row)
    head = ["case", "class", "volume, mL", "bounds, mL", *(["in 80 % of cases, mL"] if has_promises else [])]
    head += ["reviewed, mL", "bounds after review, mL"] if has_reviews else []
    return section("Volumes", table(head, rows))


def _promised_bounds(doubt: CaseDoubt, name: str) -> str:
    """Between which volumes the true one lies in 80 % of the cases."""
    bounds = doubt.promises[0].volume_bounds_ml.get(name) if doubt.promises else None
    return "-" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g}"


def _with_bounds(volume: ClassVolume | None) -> list[str]:
    if volume is None:
        return ["-", "-"]
    low, high = sorted((volume.conservative, volume.radical))
    return [f"{volume.segmentation:.4g}", f"{low:.4g} to {high:.4g}"]


def _regions(case: ReportedCase) -> str:
    if not case.pictures:
        return ""
    strip = "".join(_picture(picture, case.names) for picture in case.pictures)
    note = f'<p class="soft">{escape(case.uncertainty.reason)}.{"" if case.has_scan else f" {_UNDRAWN}"}</p>'
    return section(case.uncertainty.case, note, _keys(), f'<div class="strip">{strip}</div>')


def _picture(picture: Picture, names: dict[int, str]) -> str:
    region = picture.region
    text = escape(region_text(region, names))
    source = data_uri(picture.pixels)
    return f'<div><img src="{source}" alt="region {region.number}"><b>{region.number}</b>: {text}</div>'


def region_text(region: Region, names: dict[int, str]) -> str:
    """A region in words: its volume, what the heads name, how uncertain it is, and what each choice would change."""
    cautious, eager = (names.get(value, "background") for value in (region.conservative, region.radical))
    parts = [f"{region.volume_ml:.3g} mL, {cautious} or {eager}, {100 * region.mean_uncertainty:.0f} % uncertain"]
    for head, of_class in region.changes_ml.items():
        changes = [f"{names.get(value, value)} {ml:+.3g} mL" for value, ml in of_class.items() if ml]
        parts += [f"{head}: {', '.join(changes)}"] if changes else []
    return "; ".join(parts)


def _keys() -> str:
    colors = {**{_HEAD_NAMES[head]: color for head, color in OUTLINE_COLORS.items()}, "region": UNCERTAIN_COLOR}
    items = "".join(
        f'<li><span class="key" style="background: rgb{color}; outline: 1px solid #888"></span> {name}</li>'
        for name, color in colors.items()
    )
    return f'<ul class="legend keys">{items}</ul>'


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
