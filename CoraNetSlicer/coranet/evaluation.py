"""A segmentation job against the truth: Dice, and whether the uncertain region points at the errors."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import DataError
from .job import Case, Job, Role, write_json_atomic
from .job.files import atomic_path
from .metrics import dice_per_class, error_coverage, mean_or_none, outside_share
from .volume import read_grid, read_label_map

SCHEMA_VERSION = 1


def evaluate_job(job: Job) -> dict[str, Any]:
    """Measure the complete test cases of a segmentation job; writes metrics.json and metrics.csv.

    Args:
        job: its cases of role test have labels, its predictions are complete.

    Returns:
        cases: {id: {dice: {name: value or None}, outside_share, error_coverage, flagged_share}}; mean: the same over
        the cases, and mean_dice over the classes.

    Raises:
        DataError: a label map lies on another grid than its image.
    """
    rows = {case.id: _measure(job, case) for case in job.read_datalist().with_role(Role.TEST)}
    metrics = {"schema_version": SCHEMA_VERSION, "cases": rows, "mean": _mean(list(rows.values()))}
    write_json_atomic(job.metrics_path, metrics)
    with atomic_path(job.metrics_table_path) as temporary:
        temporary.write_text(_table(rows), encoding="utf-8", newline="")
    return metrics


def describe(metrics: dict[str, Any]) -> str:
    """The mean figures in one sentence."""
    mean = metrics["mean"]
    dice = ", ".join(f"{name} {_shown(value)}" for name, value in mean["dice"].items())
    return (
        f"test Dice: {dice} (mean {_shown(mean['mean_dice'])}); "
        f"{_percent(mean['error_coverage'])} of the wrong voxels lie in the {_percent(mean['flagged_share'])} flagged "
        f"uncertain; {_percent(mean['outside_share'])} of the conservative foreground lie outside of the radical one."
    )


def _measure(job: Job, case: Case) -> dict[str, Any]:
    files = job.prediction(case.id)
    labels = files.read_result()["labels"]
    truth = read_label_map(str(case.label))
    difference = truth.grid.difference(read_grid(files.segmentation))
    if difference:
        raise DataError(
            f"'{case.label}' lies on another grid than its image ({difference}); resample it to the image's grid."
        )
    values = [label["value"] for label in labels]
    names = [label["name"] for label in labels]
    segmentation, conservative, radical, uncertain = (
        read_label_map(path).voxels for path in (files.segmentation, files.conservative, files.radical, files.uncertain)
    )
    predicted_classes, true_classes = _classes(segmentation, values), _classes(truth.voxels, values)
    dice = dice_per_class(predicted_classes, true_classes, len(values) + 1)
    covered, flagged = error_coverage(predicted_classes, true_classes, uncertain > 0)
    return {
        "dice": {name: _or_none(value) for name, value in zip(names, dice, strict=True)},
        "outside_share": outside_share(conservative, radical),
        "error_coverage": _or_none(covered),
        "flagged_share": flagged,
    }


def _classes(voxels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    result = np.zeros(voxels.shape, dtype=np.uint8)
    for index, value in enumerate(values, start=1):
        result[voxels == value] = index
    return result


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = rows[0]["dice"] if rows else {}
    dice = {name: _mean_of([row["dice"][name] for row in rows]) for name in names}
    keys = ("outside_share", "error_coverage", "flagged_share")
    return {
        "dice": dice,
        "mean_dice": _mean_of(list(dice.values())),
        **{key: _mean_of([row[key] for row in rows]) for key in keys},
    }


def _mean_of(values: Sequence[float | None]) -> float | None:
    return mean_or_none([math.nan if value is None else value for value in values])


def _table(rows: dict[str, dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "class", "dice", "outside_share", "error_coverage", "flagged_share"])
    for case, row in rows.items():
        shared = [row["outside_share"], row["error_coverage"], row["flagged_share"]]
        writer.writerows([case, name, value, *shared] for name, value in row["dice"].items())
    return text.getvalue()


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" if value > 0.1 else f"{100 * value:.2g} %"
