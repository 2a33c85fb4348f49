from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scans import grid_of, labels_on, write_labeled_pair

from coranet import evaluation
from coranet.contract import Case, Datalist, Job, JobKind, Label, Role, write_json_atomic
from coranet.contract.config import MachineConfig, SegmentConfig
from coranet.contract.errors import DataError, JobCancelled, ModelError
from coranet.contract.events import Progress
from coranet.data.case_labels import with_classes_of
from coranet.evaluation import describe, evaluate_job
from coranet.metrics import FLAGGED_SHARES, coverage_curve, overlap_per_class, surface_distances_per_class
from coranet.segmentation import run_segmentation_job
from coranet.volume import read_image, write_volume

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
        doubt = np.random.default_rng(0).random(truth.shape, dtype=np.float32) / 2 + (missed != truth) / 2
        write_volume(files.uncertainty, doubt.astype(np.float32), GRID)
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


# What a test set calls its values, by the value that the structure has for the model (1 organ, 7 lesion, 9 cyst).
DESCRIBED = {
    "other order": {1: 7, 7: 1},
    "other values": {1: 300, 7: 4},
    "a structure more": {1: 2, 7: 7, 0: 0},
}


@pytest.mark.parametrize("values", DESCRIBED.values(), ids=DESCRIBED)
def test_classes_are_measured_by_their_names_whatever_values_a_test_set_gives_them(a_segmented_job, values):
    expected = evaluate_job(a_segmented_job)
    truth = labels_on(GRID).voxels
    turned = np.select([truth == 1, truth == 7], [values[1], values[7]], 0).astype(np.uint16)
    names = [Label(values[1], "Organ"), Label(values[7], "lesion "), Label(55, "cyst")]
    if 0 in values:
        names.append(Label(99, "spleen"))
        turned[0, 0, 0] = 99
    cases = a_segmented_job.read_datalist().cases
    for case in cases:
        write_volume(case.label, turned, GRID)
    labels = tuple(Label(**label) for label in LABELS)
    listed = with_classes_of(Datalist(cases, tuple(names)), labels, "the model 'm'")
    a_segmented_job.write_datalist(listed)
    assert evaluate_job(a_segmented_job) == expected


def test_metrics_of_a_case_are_those_of_the_metrics_package(a_segmented_job):
    truth = labels_on(GRID).voxels
    missed = truth.copy()
    missed[4] = 0
    classes = [np.select([voxels == 1, voxels == 7], [1, 2], 0) for voxels in (missed, truth)]
    expected = {
        **overlap_per_class(*classes, 3),
        **surface_distances_per_class(*classes, 3, GRID.spacing_mm[::-1]),
        "missing": [0, 0],
        "in_truth": [1, 1],
    }
    case = evaluate_job(a_segmented_job)["cases"]["a"]
    for key, values in expected.items():
        assert list(case[key]) == ["organ", "lesion", "cyst"]
        assert [case[key]["organ"], case[key]["lesion"]] == pytest.approx(values)
        assert case[key]["cyst"] == (0 if key in ("missing", "in_truth") else None)
    uncertainty = read_image(a_segmented_job.prediction("a").uncertainty).voxels
    curve = coverage_curve(uncertainty, missed != truth)
    assert list(case["coverage_curve"].values()) == pytest.approx(curve)
    assert [float(share) for share in case["coverage_curve"]] == list(FLAGGED_SHARES)
    assert case["covered_at_5_percent"] == case["coverage_curve"]["0.05"]
    assert case["csi"] == 1


def test_a_distance_counts_where_it_is_defined_and_its_absence_is_counted(a_segmented_job):
    files = a_segmented_job.prediction("b")
    without_lesion = labels_on(GRID).voxels.astype(np.uint8)
    without_lesion[without_lesion == 7] = 0
    write_volume(files.segmentation, without_lesion, GRID)
    metrics = evaluate_job(a_segmented_job)
    case, mean = metrics["cases"]["b"], metrics["mean"]
    assert case["hd95_mm"]["lesion"] is None and case["missing"] == {"organ": 0, "lesion": 1, "cyst": 0}
    assert case["recall"]["lesion"] == 0 and case["precision"]["lesion"] is None
    assert mean["hd95_mm"]["lesion"] == metrics["cases"]["a"]["hd95_mm"]["lesion"]
    assert mean["missing"] == {"organ": 0, "lesion": 0.5, "cyst": 0}
    assert mean["dice"]["lesion"] == pytest.approx(metrics["cases"]["a"]["dice"]["lesion"] / 2)


def test_cases_whose_truth_has_no_structure_are_told_and_how_they_count(a_segmented_job, awkward_path):
    """Where nothing is found either, Dice is not defined, and no mean counts it; where something is found, it is 0."""
    labels = labels_on(GRID).voxels.astype(np.uint8)
    without_lesion = np.where(labels == 7, 0, labels)
    write_volume(awkward_path / "a-truth.nrrd", np.zeros_like(labels), GRID)
    write_volume(awkward_path / "b-truth.nrrd", without_lesion, GRID)
    write_volume(a_segmented_job.prediction("b").segmentation, without_lesion, GRID)
    metrics = evaluate_job(a_segmented_job)
    first, second = metrics["cases"]["a"], metrics["cases"]["b"]
    assert first["dice"] == {"organ": 0, "lesion": 0, "cyst": None}
    assert second["dice"] == {"organ": 1, "lesion": None, "cyst": None}
    assert (first["in_truth"], second["in_truth"]) == (
        dict.fromkeys(first["dice"], 0),
        {**second["missing"], "organ": 1},
    )
    assert metrics["mean"]["dice"] == {"organ": 0.5, "lesion": 0, "cyst": None}
    assert metrics["mean"]["in_truth"] == {"organ": 0.5, "lesion": 0, "cyst": 0}
    sentence = describe(metrics)
    assert "The truth of 1 of 2 cases has no 'organ': its Dice is 0 in 'a', where it was found." in sentence
    assert "no 'lesion': its Dice is 0 in 'a', where it was found, and its mean leaves out 'b', where" in sentence
    assert "2 of 2 cases has no 'cyst': its mean leaves out 'a' and 'b', where it was not found." in sentence


def test_of_many_absent_structures_the_first_ones_are_told(a_segmented_job):
    absent = {f"class {number}": 0 for number in range(5)}
    row = {"in_truth": absent, "dice": dict.fromkeys(absent)}
    metrics = {**evaluate_job(a_segmented_job), "cases": {"a": row}}
    assert "'class 2'" in describe(metrics) and "'class 3'" not in describe(metrics)
    assert "The same holds for 2 more structures." in describe(metrics)


def test_the_curve_is_the_mean_over_the_cases_that_have_errors(a_segmented_job):
    metrics = evaluate_job(a_segmented_job)
    assert set(metrics["cases"]["b"]["coverage_curve"].values()) == {None}
    assert metrics["mean"]["coverage_curve"] == metrics["cases"]["a"]["coverage_curve"]


def test_metrics_are_written_as_json_and_as_a_table(a_segmented_job):
    metrics = evaluate_job(a_segmented_job)
    assert json.loads(a_segmented_job.metrics_path.read_text(encoding="utf-8")) == metrics
    with open(a_segmented_job.metrics_table_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["class"]) for row in rows] == [(case, label["name"]) for case in "ab" for label in LABELS]
    assert float(rows[0]["dice"]) == pytest.approx(metrics["cases"]["a"]["dice"]["organ"])
    assert rows[2]["dice"] == "" and rows[2]["hd95_mm"] == ""
    assert float(rows[1]["hd95_mm"]) == pytest.approx(metrics["cases"]["a"]["hd95_mm"]["lesion"])
    assert float(rows[1]["csi"]) == 1


def test_the_mean_is_told_in_a_sentence(a_segmented_job):
    sentence = describe(evaluate_job(a_segmented_job))
    assert "organ 0.9" in sentence and "cyst -" in sentence and "100 % of the wrong voxels" in sentence


def test_a_truth_on_another_grid_is_named(a_segmented_job, awkward_path):
    other = grid_of(spacing_mm=(1.0, 1.25, 2.5))
    write_volume(awkward_path / "b-truth.nrrd", labels_on(other).voxels.astype(np.uint8), other)
    with pytest.raises(DataError, match=r"b-truth\.nrrd' has a different grid than its image \(spacing"):
        evaluate_job(a_segmented_job)


def test_a_job_without_test_cases_has_no_figures(awkward_path):
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, SegmentConfig("model"), Datalist(()))
    metrics = evaluate_job(job)
    assert metrics["cases"] == {} and metrics["mean"]["mean_dice"] is None
    assert describe(metrics)


# -- comparing uncertainties --


@pytest.fixture
def a_comparing_job(tmp_path, a_random_model, a_reporter):
    """A test case that an untrained model has segmented, on an oblique grid of other spacing than the model's."""
    config = SegmentConfig(
        str(a_random_model((1.4, 1.5, 2.3)).folder),
        compare_uncertainties=True,
        machine=MachineConfig(device="cpu", threads=1),
    )
    image, label = write_labeled_pair(tmp_path, "a", GRID)
    case = Case("a", Role.TEST, str(image), str(label))
    labels = (Label(1, "organ"), Label(7, "lesion"))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, config, Datalist((case,), labels))
    run_segmentation_job(job, False, a_reporter)
    a_reporter.events.clear()
    return job


UNCERTAINTIES = {
    "coranet", "softmax", "softmax_0.5", "softmax_0.7", "softmax_0.9", "dropout", "augmentation", "chance",
}  # fmt: skip


def test_uncertainties_are_compared_on_the_same_errors_and_volume(a_comparing_job, a_reporter):
    metrics = evaluate_job(a_comparing_job, a_reporter)
    case = metrics["cases"]["a"]
    rows = case["uncertainties"]
    assert set(rows) == UNCERTAINTIES == set(metrics["mean"]["uncertainties"])
    for key, value in rows["coranet"].items():
        assert case[key] == value, key
    for name, row in rows.items():
        if "." not in name:
            assert row["flagged_share"] == rows["coranet"]["flagged_share"], name
            assert row["covered_at_5_percent"] == row["coverage_curve"]["0.05"]
        assert 0 <= row["csi"] <= 1 and 0 <= row["error_coverage"] <= 1
    shares = [rows[f"softmax_{threshold}"]["flagged_share"] for threshold in (0.5, 0.7, 0.9)]
    assert shares == sorted(shares) and shares[-1] > 0
    assert set(case["calibration_error"]) == {"organ", "lesion"}
    assert all(0 < value < 1 for value in case["calibration_error"].values())
    assert [event for event in a_reporter.events if isinstance(event, Progress)][-1].phase == "comparing"


@pytest.mark.slow
def test_a_comparison_gives_the_same_figures_again(a_comparing_job):
    assert evaluate_job(a_comparing_job) == evaluate_job(a_comparing_job)


def test_a_comparison_stops_when_asked(a_comparing_job):
    a_comparing_job.request_cancel()
    with pytest.raises(JobCancelled):
        evaluate_job(a_comparing_job)
    assert not a_comparing_job.metrics_path.exists()


def test_a_comparison_needs_the_model(awkward_path):
    config = SegmentConfig(str(awkward_path), compare_uncertainties=True)
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, config, Datalist(()))
    with pytest.raises(ModelError, match="neither a model nor a training job"):
        evaluate_job(job)


def test_without_being_asked_nothing_is_compared(a_segmented_job):
    assert not {"uncertainties", "calibration_error"} & set(evaluate_job(a_segmented_job)["mean"])


@pytest.mark.parametrize("role", ["training", "unlabeled", "validation", "earlier"])
def test_a_scan_that_the_model_knows_is_said_beside_the_figures(a_segmented_job, role, monkeypatch):
    files = a_segmented_job.prediction("a")
    write_json_atomic(files.result, {"labels": LABELS, "scan": {"voxels": "0123"}})
    card = SimpleNamespace(scans={role: ("4567", "0123")})
    monkeypatch.setattr(evaluation.ModelCard, "read", lambda folder: card)
    metrics = evaluate_job(a_segmented_job)
    assert metrics["seen_in_training"] == {"a": role}
    assert "Beware: these figures are too good" in describe(metrics) and "'a'" in describe(metrics)
    rows = list(csv.DictReader(a_segmented_job.metrics_table_path.read_text(encoding="utf-8").splitlines()))
    assert {row["case"]: row["seen_in_training"] for row in rows} == {"a": role, "b": ""}


def test_nothing_is_said_of_a_model_that_is_gone_or_tells_nothing(a_segmented_job):
    metrics = evaluate_job(a_segmented_job)
    assert metrics["seen_in_training"] == {} and "too good" not in describe(metrics)
    # What earlier versions wrote is described all the same.
    earlier = {key: value for key, value in metrics.items() if key not in ("seen_in_training", "warnings")}
    assert "Beware" not in describe(earlier)


def of_scan(voxels: str) -> dict:
    return {"labels": LABELS, "scan": {"voxels": voxels}}


def test_a_scan_that_is_there_twice_is_told(a_segmented_job):
    for name in "ab":
        write_json_atomic(a_segmented_job.prediction(name).result, of_scan("0123"))
    metrics = evaluate_job(a_segmented_job)
    assert metrics["warnings"][0] == "'a' and 'b' are the same scan, voxel for voxel, and count as 2 cases"
    assert "Beware: 'a' and 'b' are the same scan" in describe(metrics)
    assert not any("same truth" in warning for warning in metrics["warnings"])


def test_a_truth_of_two_scans_is_told(a_segmented_job, awkward_path):
    for name, scan in (("a", "0123"), ("b", "4567")):
        write_json_atomic(a_segmented_job.prediction(name).result, of_scan(scan))
    assert evaluate_job(a_segmented_job)["warnings"][0].startswith("'a' and 'b' have the same truth")
    for name in "ab":
        write_volume(awkward_path / f"{name}-truth.nrrd", np.zeros_like(labels_on(GRID).voxels, np.uint8), GRID)
    assert evaluate_job(a_segmented_job)["warnings"] == [], "two empty ones are no slip"


def test_a_truth_that_is_the_result_is_told(a_segmented_job):
    """The model's own segmentation is often exported again as the truth, without a look."""
    assert "the truth of 'b' is the result itself, voxel for voxel" in evaluate_job(a_segmented_job)["warnings"]
