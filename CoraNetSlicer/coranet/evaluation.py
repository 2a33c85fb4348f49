"""A segmentation job against the truth: overlap, distances, and whether the uncertain region points at the errors."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .contract import Case, Job, ModelCard, PredictionFiles, Role, ScanIdentity, write_json_atomic
from .contract.config import SegmentConfig
from .contract.errors import DataError, ModelError
from .contract.events import Progress
from .contract.files import write_text_atomic
from .data.axes import on_axes_of
from .data.case_labels import read_case_labels
from .data.class_indices import class_indices, value_counts
from .experiments import experiments_module
from .metrics import (
    KnownErrors,
    mean_or_none,
    outside_share,
    overlap_per_class,
    surface_distances_per_class,
)
from .reporting import Reporter
from .training_set.same_scans import leakage_sentence, seen_in_training
from .volume import Volume, read_grid, read_image, read_label_map

SCHEMA_VERSION = 1
COMPARING = "comparing"
# In the table; what has a name or a curve of its own stays in the JSON file.
_CLASS_COLUMNS = (
    "dice", "jaccard", "precision", "recall", "hausdorff_mm", "hd95_mm", "assd_mm", "missing",
)  # fmt: skip
_CASE_COLUMNS = ("outside_share", "error_coverage", "flagged_share", "csi", "covered_at_5_percent")

Array = npt.NDArray[Any]
Row = dict[str, Any]


class Comparison(Protocol):
    """The interface of `coranet_experiments.comparison.ScanComparison`."""

    def figures(
        self, case: Case, scan: ScanIdentity | None, errors: KnownErrors, truth: Array
    ) -> tuple[list[float], dict[str, Row]]:
        """Calibration error of each class, and by name how well an uncertainty points at the errors."""


def evaluate_job(job: Job, reporter: Reporter | None = None) -> Row:
    """Measure the complete test cases of a segmentation job; writes metrics.json and metrics.csv.

    Args:
        job: its cases of role test have labels, its predictions are complete.
        reporter: gets the progress of the comparison of uncertainties; None: no progress, the job's request to stop
            counts all the same.

    Returns:
        cases: {id: row}; a value that is not defined is None. Of each class, as {name: value}: dice, jaccard,
        precision, recall (`overlap_per_class`); hausdorff_mm, hd95_mm, assd_mm (`surface_distances_per_class`);
        missing: 1 if the class is in one of segmentation and truth alone, so that there is no distance, else 0. Of the
        case: outside_share; csi, error_coverage, flagged_share (`detection`); coverage_curve and covered_at_5_percent
        (`metrics.covered`). Only where the configuration asks to compare uncertainties: calibration_error of each
        class (`expected_calibration_error`), and uncertainties {name: row} (`Comparison`).
        seen_in_training: {id: how} of the cases whose scan the model knows from its training: "training", "unlabeled",
        "validation" or "earlier" (from that of a model from which it went on).
        mean: the same, the mean over the cases in which a value is defined (each case counts alike, whatever its
        size or number of errors; missing is a share of the cases), and mean_dice over the classes.

    Raises:
        DataError: a label map lies on another grid than its image.
        ModelError, DeviceError: uncertainties are to be compared, and the model or the device cannot be used.
        PackageError: uncertainties are to be compared, and this installation cannot.
        JobCancelled: stopped on request while comparing.
    """
    reporter = reporter or Reporter(lambda event: None, job.cancel_requested)
    config = job.read_config()
    comparing = isinstance(config, SegmentConfig) and config.compare_uncertainties
    comparison = experiments_module("comparison").ScanComparison(config, reporter) if comparing else None
    cases = job.read_datalist().with_role(Role.TEST)
    rows = {}
    for number, case in enumerate(cases, start=1):
        rows[case.id] = _measure(job, case, comparison)
        if comparison:
            reporter.emit(Progress(COMPARING, number, len(cases)))
    mean = _mean(list(rows.values()))
    mean["mean_dice"] = mean_or_none(mean["dice"].values())
    known_as = _seen_in_training(job, [case.id for case in cases])
    metrics = {"schema_version": SCHEMA_VERSION, "cases": rows, "mean": mean, "seen_in_training": known_as}
    write_json_atomic(job.metrics_path, metrics)
    write_text_atomic(job.metrics_table_path, _table(rows, known_as))
    return metrics


def describe(metrics: dict[str, Any]) -> str:
    """The mean figures in one sentence, and what spoils them in another one."""
    leakage = leakage_sentence(metrics.get("seen_in_training") or {})
    mean = metrics["mean"]
    dice = ", ".join(f"{name} {_shown(value)}" for name, value in mean["dice"].items())
    return (
        f"test Dice: {dice} (mean {_shown(mean['mean_dice'])}); "
        f"{_percent(mean['error_coverage'])} of the wrong voxels lie in the {_percent(mean['flagged_share'])} flagged "
        f"uncertain; {_percent(mean['outside_share'])} of the conservative foreground lie outside of the radical one."
        + (f" Beware: {leakage}." if leakage else "")
    )


def _seen_in_training(job: Job, cases: Sequence[str]) -> dict[str, str]:
    """By name of the case how the model knows its scan; cases that are new to it are left out."""
    config = job.read_config()
    try:
        scans = ModelCard.read(config.model).scans if isinstance(config, SegmentConfig) else {}
    except ModelError:
        return {}  # it is gone, and the predictions are there all the same
    identities = {case: job.prediction(case).read_result().get("scan") or {} for case in cases}
    images = {case: [scan.get("voxels", ""), *(scan.get("more_voxels") or ())] for case, scan in identities.items()}
    known = {case: seen_in_training(hashes, scans) for case, hashes in images.items()}
    return {case: key for case, key in known.items() if key}


def _measure(job: Job, case: Case, comparison: Comparison | None) -> Row:
    files = job.prediction(case.id)
    result = files.read_result()
    labels = result["labels"]
    truth = _truth(case, files)
    values, names = [label["value"] for label in labels], [label["name"] for label in labels]
    segmentation, conservative, radical, uncertain = (
        read_label_map(path).voxels for path in (files.segmentation, files.conservative, files.radical, files.uncertain)
    )
    predicted, true = class_indices(segmentation, values), class_indices(truth.voxels, values)
    errors = KnownErrors(predicted != true, uncertain > 0, read_image(files.uncertainty).voxels)
    by_class: dict[str, list[Any]] = {
        **overlap_per_class(predicted, true, len(values) + 1),
        **surface_distances_per_class(predicted, true, len(values) + 1, truth.grid.spacing_mm[::-1]),
        "missing": _in_only_one(predicted, true, len(values)),
    }
    row = {"outside_share": outside_share(conservative, radical), **errors.of_coranet()}
    if comparison:
        scan = ScanIdentity.from_dict(result.get("scan"), files.result)
        by_class["calibration_error"], row["uncertainties"] = comparison.figures(case, scan, errors, true)
    named = {key: dict(zip(names, column, strict=True)) for key, column in by_class.items()}
    return dict(_defined({**named, **row}))


def _truth(case: Case, files: PredictionFiles) -> Volume:
    grid = read_grid(files.segmentation)
    truth = on_axes_of(read_case_labels(case), grid)
    difference = truth.grid.difference(grid)
    if difference:
        raise DataError(
            f"'{case.label}' has a different grid than its image ({difference}); give the label of this scan, or "
            "resample it to the image's grid."
        )
    return truth


def _in_only_one(predicted: Array, truth: Array, classes: int) -> list[int]:
    """For each class, 1 if it is in one of both alone."""
    present = [np.pad(value_counts(label_map), (0, classes))[1 : classes + 1] > 0 for label_map in (predicted, truth)]
    return [int(differs) for differs in present[0] != present[1]]


def _defined(content: Any) -> Any:
    """The same with None for numbers that are not defined."""
    if isinstance(content, dict):
        return {key: _defined(value) for key, value in content.items()}
    return None if math.isnan(content) else content


def _mean(rows: Sequence[Row]) -> Row:
    """Key by key the mean of what is defined; rows within rows alike."""
    if not rows:
        return {"dice": {}, **dict.fromkeys(_CASE_COLUMNS)}
    return {
        key: _mean([row[key] for row in rows]) if isinstance(value, dict) else mean_or_none(row[key] for row in rows)
        for key, value in rows[0].items()
    }


def _table(rows: dict[str, Row], known_as: Mapping[str, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "class", *_CLASS_COLUMNS, *_CASE_COLUMNS, "seen_in_training"])
    for case, row in rows.items():
        shared = [*(row[key] for key in _CASE_COLUMNS), known_as.get(case, "")]
        writer.writerows([case, name, *(row[key][name] for key in _CLASS_COLUMNS), *shared] for name in row["dice"])
    return text.getvalue()


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" if value > 0.1 else f"{100 * value:.2g} %"
