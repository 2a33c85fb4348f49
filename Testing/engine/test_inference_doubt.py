"""With an error model the uncertain region is where an error is most probable; a result says its promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from region_cases import prediction_of
from scans import grid_of
from scipy.ndimage import distance_transform_edt

from coranet.contract import Case, CaseDoubt, Datalist, Job, JobKind, ModelCard, Role
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.contract.doubt import uncertainty_threshold
from coranet.error_model import ErrorCase, ErrorModel, Evidence
from coranet.error_model.quality import CaseFigures
from coranet.inference import doubt as doubt_of
from coranet.inference.doubt import (
    Dial,
    FoundDoubt,
    KeptComponents,
    ScanEvidence,
    Segmented,
    joined,
    near_structures_ml,
    with_largest_kept,
)
from coranet.inference.network_pass import JoinedRows
from coranet.networks import HeadLogits
from coranet.plausibility.traits import Measurement
from coranet.segmentation import Segmenter, run_segmentation_job
from coranet.volume import write_volume

MACHINE = MachineConfig(device="cpu", threads=1)
NAMES = ("organ", "lesion")


def random_logits(size, seed: int, classes: int = 3) -> HeadLogits:
    generator = torch.Generator().manual_seed(seed)
    return HeadLogits(*(4 * torch.randn(classes, *size, generator=generator) for _ in range(3)))


def an_error_case(seed: int, size=(8, 9, 10)) -> ErrorCase:
    evidence = Evidence.of_rows(random_logits(size, seed), torch.zeros(1, *size))
    truth = np.random.default_rng(seed).integers(0, 3, size)
    return ErrorCase(evidence, evidence.classes.numpy(), truth, None, (2.0, 1.25, 1.0))


@pytest.fixture(scope="module")
def an_error_model() -> ErrorModel:
    """Of five random cases, hardly fitted."""
    return ErrorModel.fit([an_error_case(seed) for seed in range(5)], NAMES, 1.5, steps=2)


@pytest.fixture
def a_model(a_random_model, an_error_model):
    package = a_random_model()
    package.write_error_model(an_error_model)
    return package


def segmented(package, volume, reporter, **inference):
    config = SegmentConfig(str(package.folder), inference=InferenceConfig(**inference), machine=MACHINE)
    segmenter = Segmenter(config, reporter)
    return segmenter, segmenter.segmented(volume)


def test_the_uncertain_region_is_as_large_as_the_model_says_and_where_the_heads_differ(
    a_model, an_oblique_scan, a_reporter
):
    segmenter, found = segmented(a_model, an_oblique_scan, a_reporter)
    result = found.prediction
    size = ModelCard.read(a_model.folder).error_model.promise(0.8).relative_size
    assert segmenter.dial == Dial(None, size)
    is_uncertain = result.uncertainty >= np.float32(uncertainty_threshold(found.caution))
    # The region holds as many voxels as the model says, or all in which an error is possible.
    expected = min(size * found.doubt.usual_voxels, np.count_nonzero(result.uncertainty))
    rest = result.uncertainty > result.uncertainty[is_uncertain].min()
    assert np.count_nonzero(rest) < expected <= np.count_nonzero(is_uncertain)
    assert np.array_equal(result.uncertain == 1, is_uncertain)
    assert np.array_equal(result.conservative != result.radical, is_uncertain)
    assert np.array_equal(result.conservative[~is_uncertain], result.segmentation[~is_uncertain])
    # The result itself is that of the network.
    _, plain = segmented(a_model, an_oblique_scan, a_reporter, doubt="heads")
    assert np.array_equal(plain.prediction.segmentation, result.segmentation)
    assert plain.doubt is None and not np.array_equal(plain.prediction.uncertainty, result.uncertainty)


def test_of_the_heads_it_is_what_a_model_without_an_error_model_says(
    a_model, a_random_model, an_oblique_scan, a_reporter
):
    _, heads = segmented(a_model, an_oblique_scan, a_reporter, doubt="heads")
    _, without = segmented(a_random_model(), an_oblique_scan, a_reporter)
    for name in ("segmentation", "conservative", "radical", "uncertain", "uncertainty"):
        assert np.array_equal(getattr(heads.prediction, name), getattr(without.prediction, name))


def test_a_caution_that_is_set_stands(a_model, an_oblique_scan, a_reporter):
    _, found = segmented(a_model, an_oblique_scan, a_reporter, caution=-1.0)
    assert found.caution == -1.0
    expected = found.prediction.uncertainty >= np.float32(uncertainty_threshold(-1.0))
    assert np.array_equal(found.prediction.uncertain == 1, expected)


@pytest.mark.slow
def test_a_result_says_its_promises(a_model, an_oblique_scan, a_reporter, tmp_path):
    path = tmp_path / "a.nrrd"
    write_volume(path, an_oblique_scan.voxels, an_oblique_scan.grid)
    config = SegmentConfig(str(a_model.folder), machine=MACHINE)
    cases = Datalist((Case("a", Role.INPUT, str(path)),))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, config, cases)
    run_segmentation_job(job, False, a_reporter)
    files = job.prediction("a")
    result = files.read_result()
    doubt = files.doubt(result)
    assert (doubt.doubt, doubt.tolerance_mm) == ("error_model", 1.5)
    assert [promise.share for promise in doubt.promises] == [0.8, 0.9, 0.95]
    assert [promise.promised for promise in doubt.promises] == pytest.approx(
        [0.7, 0.7667, 0.8], abs=1e-4
    )  # of five cases
    first = doubt.promises[0]
    assert first.caution == result["caution"] and first.flagged_ml == pytest.approx(result["uncertain_ml"])
    flagged = [promise.flagged_ml for promise in doubt.promises]
    assert flagged == sorted(flagged)
    for name, (low, high) in first.volume_bounds_ml.items():
        assert low <= result["volumes_ml"][name]["segmentation"] <= high
    assert doubt.quality.verdict in ("good", "look", "poor")
    # And of the heads nothing but that.
    plain = replace(config, inference=InferenceConfig(doubt="heads"))
    job = Job.create(tmp_path / "plain", JobKind.SEGMENT, plain, cases)
    run_segmentation_job(job, False, a_reporter)
    assert job.prediction("a").doubt(job.prediction("a").read_result()) == CaseDoubt()


def rows_of(logits: HeadLogits, *cuts: int) -> list[JoinedRows]:
    ends = [*cuts, logits.segmentation.shape[1]]
    # Each part begins with the last row of the one before.
    starts = [0, *(cut - 1 for cut in cuts)]
    parts = zip(starts, ends, strict=True)
    return [JoinedRows(start, HeadLogits(*(head[:, start:end] for head in logits))) for start, end in parts]


@pytest.mark.parametrize("most_bytes", [2**30, 0])
def test_evidence_of_rows_is_that_of_the_whole_in_memory_or_in_a_file(monkeypatch, most_bytes):
    monkeypatch.setattr(doubt_of, "_MOST_BYTES", most_bytes)
    size = (12, 5, 6)
    logits, image = random_logits(size, 3), torch.randn(1, *size)
    with ScanEvidence.of(image, 3) as scan:
        passed = list(scan.gathered(rows_of(logits, 4, 9)))
        expected = Evidence.of_rows(logits, image)
        assert torch.equal(scan.evidence.channels, expected.channels)
        assert torch.equal(scan.evidence.classes, expected.classes)
        assert torch.equal(scan.evidence.runner_up, expected.runner_up)
    assert [part.first for part in passed] == [0, 3, 8]


def test_only_what_lies_near_to_what_a_head_names_is_looked_at(an_error_model):
    size = (4, 6, 80)
    logits = HeadLogits(*(torch.zeros(3, *size) for _ in range(3)))
    for head in logits:
        head[0] = 9.0
    logits.radical[1, 2, 3, 30] = 12.0
    image = torch.zeros(1, *size)
    with ScanEvidence.of(image, 3) as scan:
        list(scan.gathered(rows_of(logits)))
        place, near = scan.near_named
        doubt = FoundDoubt(an_error_model)
        probability = doubt.probability(scan, (1.0, 1.0, 1.0))
    assert place[2] == slice(14, 47) and near.classes.shape == (4, 6, 33)
    assert probability.shape == size and len(doubt.figures) == 1
    assert not probability[..., :14].any() and not probability[..., 47:].any() and probability[..., 14:47].all()


def test_where_nothing_is_named_there_is_no_doubt(an_error_model):
    image = torch.zeros(1, 4, 4, 4)
    logits = HeadLogits(*(torch.stack([torch.ones(4, 4, 4), torch.zeros(4, 4, 4)]) for _ in range(3)))
    with ScanEvidence.of(image, 2) as scan:
        list(scan.gathered(rows_of(logits)))
        doubt = FoundDoubt(an_error_model)
        assert not doubt.probability(scan, (1.0, 1.0, 1.0)).any()
    assert doubt.quality() is None


def test_what_was_removed_is_not_in_doubt(an_error_model):
    labels, several = np.zeros((6, 6, 12), np.uint8), KeptComponents((1,))
    labels[1:5, 1:5, 1:5], labels[2:4, 2:4, 9:11] = 1, 1
    uncertainty = np.where(labels > 0, 0.9, 0.1)
    grid, heads = grid_of((12, 6, 6)), [labels.copy() for _ in range(6)]
    prediction = prediction_of(*heads[:3], uncertainty)
    doubted = Segmented(prediction, Measurement(2), FoundDoubt(an_error_model))
    result = with_largest_kept(doubted, grid, KeptComponents((1,), (1,)), Dial(0.0)).prediction
    assert not result.segmentation[..., 8:].any() and not result.uncertain[..., 8:].any()
    assert np.array_equal(result.uncertain[..., :6] == 1, labels[..., :6] > 0)
    # In doubt and named by both heads: the conservative one gives it up.
    assert not result.conservative.any() and np.array_equal(result.radical[..., :6], labels[..., :6])
    plain = Segmented(prediction_of(*heads[3:], uncertainty), Measurement(2))
    plain = with_largest_kept(plain, grid, several, Dial(0.0)).prediction
    assert plain.segmentation[..., 8:].any() and np.array_equal(plain.conservative, labels)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.6, 1.1, 4.0)])
def test_what_lies_near_is_about_what_distances_say(spacing):
    grid = grid_of((50, 45, 24), spacing)
    labels = np.zeros(grid.size_ijk[::-1], np.uint8)
    labels[8:14, 18:26, 20:28] = 7
    distance = distance_transform_edt(labels == 0, sampling=grid.spacing_mm[::-1])
    expected = np.count_nonzero(distance <= 9.0) * grid.voxel_ml
    assert near_structures_ml(labels, grid, 9.0) == pytest.approx(expected, rel=0.15)
    assert near_structures_ml(0 * labels, grid) == 0


def test_the_dial_goes_with_the_case_unless_it_is_set():
    uncertainty = np.array([0.5, 0.25, 0.125, 0.0], dtype=np.float32)
    for usual, flagged in ((0.5, 1), (1.0, 2), (9.0, 3)):
        threshold = uncertainty_threshold(Dial(None, 2.0).caution_of(uncertainty, usual))
        assert np.count_nonzero(uncertainty >= threshold) == flagged
    assert Dial(1.25, 2.0).caution_of(uncertainty, 1.0) == 1.25
    # Where nothing is found there is no threshold, but a caution that files can hold.
    nowhere = Dial(None, 2.0).caution_of(np.zeros_like(uncertainty), 0.0)
    assert np.isfinite(nowhere) and uncertainty_threshold(nowhere) == 1


def test_figures_of_boxes_are_those_of_the_scan():
    first = CaseFigures((0.9, 0.5), (30.0, 1.0), (3.0, 0.5), (1.0,) * 5)
    second = CaseFigures((0.6, 0.5), (10.0, 1.0), (2.0, 0.5), (2.0,) * 5)
    both = joined([first, second])
    assert both.volume_ml == (40.0, 2.0) and both.doubtful_ml == (5.0, 1.0)
    assert both.expected_dice == pytest.approx((0.825, 0.5)) and both.traits == first.traits
    assert joined([first]) is first
