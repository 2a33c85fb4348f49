"""The figures of a report as a table: a row for each case and class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..contract.files import write_text_atomic
from .reported_case import ReportedCase

COLUMNS = (
    "rank", "case", "uncertain_share", "uncertain_ml", "regions", "reviewed", "reason",
    "class", "class_uncertain_share", "segmentation_ml", "conservative_ml", "radical_ml",
    "reviewed_ml", "reviewed_conservative_ml", "reviewed_radical_ml",
)  # fmt: skip


def write_table(path: Path, cases: Sequence[ReportedCase]) -> None:
    """Write the table.

    Args:
        path: CSV file, UTF-8. A figure that does not exist is empty; figures of the case are repeated for its classes.
        cases: in the order of their ranks.

    Raises:
        StorageError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for rank, case in enumerate(cases, start=1):
        writer.writerows(_rows(rank, case))
    write_text_atomic(path, text.getvalue())


def _rows(rank: int, case: ReportedCase) -> Iterator[dict[str, Any]]:
    ranked = case.uncertainty
    reviewed = {volume.name: volume for volume in case.reviewed_volumes}
    for volume in case.volumes:
        row = {
            "rank": rank, "case": ranked.case, "uncertain_share": ranked.share, "uncertain_ml": ranked.uncertain_ml,
            "regions": ranked.regions, "reviewed": ranked.reviewed, "reason": ranked.reason, "class": volume.name,
            "class_uncertain_share": ranked.shares[volume.name], "segmentation_ml": volume.segmentation,
            "conservative_ml": volume.conservative, "radical_ml": volume.radical,
        }  # fmt: skip
        if volume.name in reviewed:
            after = reviewed[volume.name]
            row["reviewed_ml"] = after.segmentation
            row["reviewed_conservative_ml"], row["reviewed_radical_ml"] = after.conservative, after.radical
        yield {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
