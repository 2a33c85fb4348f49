"""The figures of an experiment as files: a row for each case and class, a row for each method, and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coranet.contract.files import write_json_atomic, write_text_atomic

from .results import MethodResult, RunResult

SCHEMA_VERSION = 1
_LABELED_ALL, _CURVE = "all", "coverage_curve"


def write_results(path: Path, results: Sequence[RunResult]) -> None:
    """Write a row for each run, case and class, with every figure that the evaluation gave.

    Figures of the whole case (not of a class) are repeated in the rows of its classes. Curves are left out.

    Args:
        path: CSV file, UTF-8.
        results: runs; those without tested cases give no row.
    """
    _write_csv(path, [row for result in results for row in _case_rows(result)])


def write_summary(table: Path, data: Path, methods: Sequence[MethodResult]) -> None:
    """Write a row for each method and number of labeled cases: as CSV, and as JSON with the classes.

    Args:
        table: CSV file.
        data: JSON file.
        methods: results.
    """
    rows = [_summary_row(method) for method in methods]
    _write_csv(table, rows)
    names = methods[0].runs[0].class_names if methods else ()
    content = [
        {
            **row,
            "seeds": method.seeds,
            "dice_of_seeds": [result.figure() for result in method.runs],
            "dice_of_classes": {name: method.class_figure(name) for name in names},
        }
        for row, method in zip(rows, methods, strict=True)
    ]
    write_json_atomic(data, {"schema_version": SCHEMA_VERSION, "methods": content})


def _summary_row(method: MethodResult) -> dict[str, Any]:
    difference = method.difference
    return {
        "method": method.method,
        "labeled": _labeled(method.labeled),
        "seeds": len(method.runs),
        "mean_dice": method.figure(),
        "dice_sd": method.figure_spread(),
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "distance_closed": method.closed,
        "hd95_mm": method.figure("hd95_mm"),
        "error_coverage": method.figure("error_coverage"),
        "flagged_share": method.figure("flagged_share"),
        "csi": method.figure("csi"),
        "outside_share": method.figure("outside_share"),
        "training_seconds": method.seconds(),
        "steps": max(result.training.steps for result in method.runs),
    }


def _case_rows(result: RunResult) -> Iterator[dict[str, Any]]:
    run = result.run
    head = {"method": run.variant.name, "labeled": _labeled(run.labeled), "seed": run.seed}
    for case, figures in result.cases.items():
        for name in result.class_names:
            yield {**head, "case": case, "class": name, **dict(_figures_of(figures, name, result.class_names))}


def _figures_of(figures: Mapping[str, Any], class_name: str, class_names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Name and value of each single figure; a figure for each class gives that of this class."""
    for key, value in figures.items():
        if key == _CURVE:
            continue
        if isinstance(value, Mapping) and value and set(value) <= set(class_names):
            yield from _figures_of({key: value.get(class_name)}, class_name, class_names)
        elif isinstance(value, Mapping):
            inner = _figures_of(value, class_name, class_names)
            yield from ((f"{key}.{name}", part) for name, part in inner)
        elif not isinstance(value, (list, tuple)):
            yield key, value


def _labeled(labeled: int | None) -> int | str:
    return _LABELED_ALL if labeled is None else labeled


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _rounded(value) for name, value in row.items()} for row in rows)
    write_text_atomic(path, text.getvalue())


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
