from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scans import grid_of, labels_on

from coranet.config import SegmentConfig
from coranet.errors import DataError
from coranet.evaluation import describe, evaluate_job
from coranet.job import Case, Datalist, Job, JobKind, Role, write_json_atomic
from coranet.volume import write_volume

GRID = grid_of()
LABELS = [{"value": 1, "name": "organ"}, {"value": 7, "name": "lesion"}, {"value": 9, "name": "cyst"}]


@pytest.fixture
def a_segmented_job(awkward_path):
    """Test cases 'a' (only the radical head finds all slices) and 'b' (all heads are right); nowhere a cyst."""
    truth = labels_on(GRID).voxels.astype(np.uint8)
    cases = []
    for name in "ab":
        write_volume(awkward_path / f"{name}-truth.nrrd", truth, GRID)
        cases.append(
            Case(name, Role.TEST, str(awkward_path / f"{name}.nrrd"), str(awkward_path / f"{name}-truth.nrrd"))
        )
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, SegmentConfig("model"), Datalist(tuple(cases)))
    for name in "ab":
        files = job.prediction(name)
        missed = truth.copy()
        if name == "a":
            missed[4] = 0
        heads = {"segmentation": missed, "conservative": missed, "radical": truth}
        for head, voxels in heads.items():
            write_volume(getattr(files, head), voxels, GRID)
        write_volume(files.uncertain, (missed != truth).astype(np.uint8), GRID)
        write_json_atomic(files.result, {"labels": LABELS})
    return job


def test_metrics_of_a_case_are_those_of_its_files(a_segmented_job):
    truth = labels_on(GRID).voxels
    missed = truth.copy()
    missed[4] = 0
    metrics = evaluate_job(a_segmented_job)
    case = metrics["cases"]["a"]
    for name, value in (("organ", 1), ("lesion", 7)):
        expected = 2 * (missed == value).sum() / ((missed == value).sum() + (truth == value).sum())
        assert case["dice"][name] == pytest.approx(expected)
        assert metrics["mean"]["dice"][name] == pytest.approx((1 + expected) / 2)
    assert case["dice"]["cyst"] is None
    assert case["error_coverage"] == 1
    assert case["flagged_share"] == pytest.approx((truth[4] > 0).sum() / truth.size)
    assert case["outside_share"] == 0
    assert metrics["cases"]["b"]["error_coverage"] is None
    assert metrics["mean"]["error_coverage"] == 1
    assert metrics["mean"]["mean_dice"] == pytest.approx(
        np.mean([metrics["mean"]["dice"][name] for name in ("organ", "lesion")])
    )


def test_metrics_are_written_as_json_and_as_a_table(a_segmented_job):
    metrics = evaluate_job(a_segmented_job)
    assert json.loads(a_segmented_job.metrics_path.read_text(encoding="utf-8")) == metrics
    with open(a_segmented_job.metrics_table_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["class"]) for row in rows] == [(case, label["name"]) for case in "ab" for label in LABELS]
    assert float(rows[0]["dice"]) == pytest.approx(metrics["cases"]["a"]["dice"]["organ"])
    assert rows[2]["dice"] == ""


def test_the_mean_is_told_in_a_sentence(a_segmented_job):
    sentence = describe(evaluate_job(a_segmented_job))
    assert "organ 0.9" in sentence and "cyst -" in sentence and "100 % of the wrong voxels" in sentence


def test_a_truth_on_another_grid_is_named(a_segmented_job, awkward_path):
    other = grid_of(spacing_mm=(1.0, 1.25, 2.5))
    write_volume(awkward_path / "b-truth.nrrd", labels_on(other).voxels.astype(np.uint8), other)
    with pytest.raises(DataError, match=r"b-truth\.nrrd' lies on another grid than its image \(spacing"):
        evaluate_job(a_segmented_job)


def test_a_job_without_test_cases_has_no_figures(awkward_path):
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, SegmentConfig("model"), Datalist(()))
    metrics = evaluate_job(job)
    assert metrics["cases"] == {} and metrics["mean"]["mean_dice"] is None
    assert describe(metrics)
