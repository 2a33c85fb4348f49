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
from .contract.image_files import names_in_words
from .data.axes import on_axes_of
from .data.case_labels import read_case_labels
from .data.class_indices import class_indices, value_counts
from .data.identity import identity_of
from .experiments import experiments_module
from .metrics import (
    KnownErrors,
    mean_or_none,
    outside_share,
    overlap_per_class,
    surface_distances_per_class,
)
from .reporting import Reporter
from .training_set.same_scans import given_twice, images_of_results, leakage_sentence, seen_in_training
from .volume import Volume, read_grid, read_image, read_label_map

SCHEMA_VERSION = 1
COMPARING = "comparing"
# Of more structures than this that cases do not have, the sentence gives only the number.
_MOST_ABSENT = 3
# In the table; what has a name or a curve of its own stays in the JSON file.
_CLASS_COLUMNS = (
    "dice", "jaccard", "precision", "recall", "hausdorff_mm", "hd95_mm", "assd_mm", "missing", "in_truth",
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
        missing: 1 if the class is in one of segmentation and truth alone, so that there is no distance, else 0;
        in_truth: 1 if the truth has the class, else 0. Of the case: outside_share; csi, error_coverage, flagged_share
        (`detection`); coverage_curve and covered_at_5_percent (`metrics.covered`). Only where the configuration asks
        to compare uncertainties: calibration_error of each class (`expected_calibration_error`), and uncertainties
        {name: row} (`Comparison`).
        seen_in_training: {id: how} of the cases whose scan the model knows from its training: "training", "unlabeled",
        "validation" or "earlier" (from that of a model from which it went on).
        warnings: what else spoils the figures, a sentence each without its full stop.
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
    rows, truths = {}, {}
    for number, case in enumerate(cases, start=1):
        rows[case.id], truths[case.id] = _measure(job, case, comparison)
        if comparison:
            reporter.emit(Progress(COMPARING, number, len(cases)))
    mean = _mean(list(rows.values()))
    mean["mean_dice"] = mean_or_none(mean["dice"].values())
    images = images_of_results(job, cases)
    known_as = _seen_in_training(job, images)
    metrics = {
        "schema_version": SCHEMA_VERSION, "cases": rows, "mean": mean, "seen_in_training": known_as,
        "warnings": _warnings(rows, truths, images),
    }  # fmt: skip
    write_json_atomic(job.metrics_path, metrics)
    write_text_atomic(job.metrics_table_path, _table(rows, known_as))
    return metrics


def describe(metrics: dict[str, Any]) -> str:
    """The mean figures in one sentence; then how cases without a structure count, and what spoils the figures."""
    leakage = leakage_sentence(metrics.get("seen_in_training") or {})
    mean = metrics["mean"]
    dice = ", ".join(f"{name} {_shown(value)}" for name, value in mean["dice"].items())
    return (
        f"test Dice: {dice} (mean {_shown(mean['mean_dice'])}); "
        f"{_percent(mean['error_coverage'])} of the wrong voxels lie in the {_percent(mean['flagged_share'])} flagged "
        f"uncertain; {_percent(mean['outside_share'])} of the conservative foreground lie outside of the radical one."
        + "".join(f" {sentence}." for sentence in _absent_in_truth(metrics["cases"]))
        + "".join(f" Beware: {spoiled}." for spoiled in (leakage, *metrics.get("warnings", ())) if spoiled)
    )


def _absent_in_truth(cases: Mapping[str, Row]) -> list[str]:
    """For each class that the truth of some cases does not have, how these cases count in its mean Dice."""
    absent: dict[str, tuple[list[str], list[str]]] = {}
    for case, row in cases.items():
        for name, is_there in (row.get("in_truth") or {}).items():
            if not is_there:
                was_found = row["dice"][name] is not None
                absent.setdefault(name, ([], []))[was_found].append(case)
    sentences = []
    for name, (not_found, found) in list(absent.items())[:_MOST_ABSENT]:
        zero = f"its Dice is 0 in {names_in_words(found)}, where it was found" if found else ""
        excluded = f"its mean leaves out {names_in_words(not_found)}, where it was not found" if not_found else ""
        of_all = f"{len(found) + len(not_found)} of {len(cases)} cases"
        sentences.append(f"The truth of {of_all} has no '{name}': {', and '.join(filter(None, (zero, excluded)))}")
    more = len(absent) - _MOST_ABSENT
    return [*sentences, f"The same holds for {more} more structures"] if more > 0 else sentences


def _seen_in_training(job: Job, images: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By name of the case how the model knows its scan; cases that are new to it are left out."""
    config = job.read_config()
    try:
        scans = ModelCard.read(config.model).scans if isinstance(config, SegmentConfig) else {}
    except ModelError:
        return {}  # it is gone, and the predictions are there all the same
    known = {case: seen_in_training(hashes, scans) for case, hashes in images.items()}
    return {case: key for case, key in known.items() if key}


def _warnings(rows: Mapping[str, Row], truths: Mapping[str, str], images: Mapping[str, Sequence[str]]) -> list[str]:
    """What is wrong with a test set: one scan or one truth for several cases, a result that is its own truth.

    Args:
        rows: of the cases.
        truths: a hash of the truth of each case; "": it is empty.
        images: hashes of the images of each case.
    """
    warnings = [
        f"{names_in_words(group)} are the same scan, voxel for voxel, and count as {len(group)} cases"
        for group in given_twice(images)
    ]
    for group in given_twice({case: [truth] for case, truth in truths.items() if truth}):
        if len({tuple(images[case]) for case in group}) > 1:
            names = names_in_words(group)
            warnings.append(f"{names} have the same truth, voxel for voxel, on different scans; one may be of another")
    own = [case for case, row in rows.items() if set(row["dice"].values()) - {None} == {1.0}]
    if own:
        warnings.append(f"the truth of {names_in_words(own)} is the result itself, voxel for voxel")
    return warnings


def _measure(job: Job, case: Case, comparison: Comparison | None) -> tuple[Row, str]:
    """The figures of a case, and a hash of its truth; "" where that is empty."""
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
        "missing": [int(differs) for differs in _present(predicted, len(values)) != _present(true, len(values))],
        "in_truth": [int(is_there) for is_there in _present(true, len(values))],
    }
    row = {"outside_share": outside_share(conservative, radical), **errors.of_coranet()}
    if comparison:
        scan = ScanIdentity.from_dict(result.get("scan"), files.result)
        by_class["calibration_error"], row["uncertainties"] = comparison.figures(case, scan, errors, true)
    named = {key: dict(zip(names, column, strict=True)) for key, column in by_class.items()}
    return dict(_defined({**named, **row})), identity_of(truth).voxels if true.any() else ""


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


def _present(label_map: Array, classes: int) -> Array:
    """For each class, whether a map of class indices has it."""
    present: Array = np.pad(value_counts(label_map), (0, classes))[1 : classes + 1] > 0
    return present


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
