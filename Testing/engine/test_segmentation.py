from __future__ import annotations

import numpy as np
import pytest
import torch
from scans import grid_of, labels_on, name_of_direction, scan_on, signed_permutations, tilted

from coranet.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.data.orientation import Orientation
from coranet.data.preprocessing import Preprocessing
from coranet.errors import CoraNetError, DataError, ModelError
from coranet.events import CaseDone, CaseFailed, Progress, Warned
from coranet.job import Case, Datalist, Job, JobKind, Label, Role
from coranet.networks import HeadLogits
from coranet.segmentation import Segmenter, arrays_of, on_own_grid, run_segmentation_job
from coranet.uncertainty import uncertainty_map
from coranet.volume import Volume, read_grid, read_image, read_label_map, write_volume

DIRECTIONS = signed_permutations()
NAMES = [name_of_direction(direction) for direction in DIRECTIONS]
MACHINE = MachineConfig(device="cpu", threads=1)
PREDICTIONS = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")


def labels_named(*values: int) -> tuple[Label, ...]:
    return tuple(Label(value, f"class {value}") for value in values)


def logits_that_name(classes: np.ndarray, count: int) -> torch.Tensor:
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(classes.astype(np.int64)), count)
    return one_hot.movedim(-1, 0).float()


def there_and_back(labels: Volume, spacing_mm, values: tuple[int, ...]) -> np.ndarray:
    """A label map through preprocessing, perfect logits, and back onto its own grid."""
    prepared = Preprocessing(tuple(spacing_mm), "zscore").prepare_labels(labels, values)
    logits = logits_that_name(prepared, len(values) + 1)
    return on_own_grid(HeadLogits(logits, logits, logits), labels, labels_named(*values)).segmentation


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize("direction", DIRECTIONS, ids=NAMES)
@pytest.mark.parametrize("values", [(1, 7), (2, 3, 300)], ids=str)
def test_labels_come_back_exactly_at_equal_spacing_however_a_scan_lies(direction, values):
    labels = labels_on(grid_of(direction=tilted(direction)), values)
    spacing = Orientation.of(labels.grid.direction).spacing_to_canonical(labels.grid.spacing_mm)
    np.testing.assert_array_equal(there_and_back(labels, spacing, values), labels.voxels)


@pytest.mark.parametrize("direction", DIRECTIONS[::5], ids=NAMES[::5])
@pytest.mark.parametrize("spacing", [(0.7, 0.8, 0.9), (1.4, 1.1, 1.3), (1.0, 1.0, 2.0)], ids=str)
def test_labels_come_back_nearly_at_other_spacing(direction, spacing):
    labels = labels_on(grid_of((32, 28, 24), (1.0, 1.2, 1.5), tilted(direction)))
    back = there_and_back(labels, spacing, (1, 7))
    assert back.shape == labels.voxels.shape
    for value in (1, 7):
        assert dice(back == value, labels.voxels == value) > 0.95


def random_heads(size=(5, 7, 6), classes: int = 3) -> HeadLogits:
    generator = torch.Generator().manual_seed(0)
    return HeadLogits(*(torch.randn(classes, *size, generator=generator) for _ in range(3)))


def test_every_result_lies_on_the_scans_grid_with_the_labels_values(an_oblique_scan):
    prediction = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    for name, voxels in arrays_of(prediction).items():
        assert voxels.shape == an_oblique_scan.voxels.shape, name
        assert voxels.flags["C_CONTIGUOUS"], name
    assert tuple(arrays_of(prediction)) == PREDICTIONS
    for head in (prediction.segmentation, prediction.conservative, prediction.radical):
        assert head.dtype == np.uint8 and set(np.unique(head)) == {0, 4, 9}


@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_label_maps_are_as_small_as_their_values_allow(an_oblique_scan, value, dtype):
    prediction = on_own_grid(random_heads(classes=2), an_oblique_scan, labels_named(value))
    assert prediction.segmentation.dtype == dtype and prediction.segmentation.max() == value


def test_uncertain_is_where_the_labels_differ_and_uncertainty_at_least_one_half(an_oblique_scan):
    prediction = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    differ = prediction.conservative != prediction.radical
    assert prediction.uncertain.dtype == np.uint8 and prediction.uncertainty.dtype == np.float32
    np.testing.assert_array_equal(prediction.uncertain, differ)
    np.testing.assert_array_equal(prediction.uncertainty >= 0.5, differ)
    assert prediction.uncertainty.min() >= 0 and prediction.uncertainty.max() <= 1


def test_slabs_give_what_the_whole_gives(an_oblique_scan, monkeypatch):
    whole = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    monkeypatch.setattr("coranet.segmentation._SLAB_VOXELS", 1)
    by_slice = on_own_grid(random_heads(), an_oblique_scan, labels_named(4, 9))
    for name, voxels in arrays_of(whole).items():
        np.testing.assert_allclose(arrays_of(by_slice)[name], voxels, atol=1e-6 if name == "uncertainty" else 0)


def test_uncertainty_of_a_scan_on_the_networks_grid_is_that_of_its_logits():
    volume = scan_on(grid_of(direction=np.eye(3)))
    heads = random_heads(size=(9, 12, 15))
    prediction = on_own_grid(heads, volume, labels_named(4, 9))
    expected = uncertainty_map(heads.conservative[None], heads.radical[None])[0].numpy()
    np.testing.assert_allclose(prediction.uncertainty, expected, atol=1e-6)


@pytest.fixture
def segment(tmp_path, a_random_model, a_reporter, an_oblique_grid):
    """Segments scans with an untrained model: `segment({"name": volume or bytes}, resume=False)` -> job, message."""

    def run(scans: dict, resume: bool = False):
        package = a_random_model()
        cases = []
        for name, scan in scans.items():
            path = tmp_path / f"{name}.nrrd"
            if isinstance(scan, bytes):
                path.write_bytes(scan)
            elif not path.exists():
                write_volume(path, scan.voxels, scan.grid)
            cases.append(Case(name, Role.INPUT, str(path)))
        folder = tmp_path / "job"
        if Job.exists(folder):
            job = Job.open(folder)
        else:
            config = SegmentConfig(str(package.folder), InferenceConfig(), MACHINE)
            job = Job.create(folder, JobKind.SEGMENT, config, Datalist(tuple(cases)))
        return job, run_segmentation_job(job, resume, a_reporter)

    return run


def test_a_job_writes_every_result_onto_the_scans_own_grid(segment, an_oblique_scan, a_reporter):
    job, message = segment({"Fall ä": an_oblique_scan})
    files = job.prediction("Fall ä")
    for name in PREDICTIONS:
        assert read_grid(getattr(files, name)).difference(an_oblique_scan.grid) == "", name
    result = files.read_result()
    heads = {name: read_label_map(getattr(files, name)).voxels for name in PREDICTIONS[:3]}
    for value, name in ((1, "organ"), (7, "lesion")):
        for head, voxels in heads.items():
            assert result["volumes_ml"][name][head] == pytest.approx((voxels == value).sum() * 0.0025)
    uncertain = read_label_map(files.uncertain).voxels
    assert result["uncertain_ml"] == pytest.approx(uncertain.sum() * 0.0025)
    np.testing.assert_array_equal(read_image(files.uncertainty).voxels >= 0.5, uncertain == 1)
    assert [label["value"] for label in result["labels"]] == [1, 7]
    assert "1 case is segmented" in message
    assert [type(event) for event in a_reporter.events if isinstance(event, (CaseDone, Progress))] == [
        CaseDone,
        Progress,
    ]


def test_a_case_that_fails_does_not_stop_the_others(segment, an_oblique_scan, a_reporter):
    with pytest.raises(CoraNetError, match=r"1 of 3 cases could not be segmented.* the first: .*broken\.nrrd"):
        segment({"a": an_oblique_scan, "broken": b"no scan", "c": an_oblique_scan})
    failed = [event.case for event in a_reporter.events if isinstance(event, CaseFailed)]
    done = [event.case for event in a_reporter.events if isinstance(event, CaseDone)]
    assert (failed, done) == (["broken"], ["a", "c"])


def test_a_single_case_that_fails_is_the_error(segment):
    with pytest.raises(DataError, match=r"broken\.nrrd' cannot be read as an image"):
        segment({"broken": b"no scan"})


def test_resuming_leaves_complete_cases_alone(segment, an_oblique_scan, a_reporter):
    scans = {"a": an_oblique_scan, "b": an_oblique_scan}
    job, _ = segment(scans)
    job.prediction("b").result.unlink()
    before = job.prediction("a").segmentation.stat().st_mtime_ns
    a_reporter.events.clear()
    segment(scans, resume=True)
    assert [event.case for event in a_reporter.events if isinstance(event, CaseDone)] == ["b"]
    assert job.prediction("a").segmentation.stat().st_mtime_ns == before
    assert job.prediction("b").result.exists()


def test_a_class_that_is_not_found_is_told(segment, an_oblique_grid, a_reporter, monkeypatch):
    def nothing(logits, volume, labels):
        return on_own_grid(HeadLogits(*(head * 0 for head in logits)), volume, labels)

    monkeypatch.setattr("coranet.segmentation.on_own_grid", nothing)
    segment({"a": scan_on(an_oblique_grid)})
    assert [event.code for event in a_reporter.events if isinstance(event, Warned)] == ["nothing_found"] * 2


def test_a_model_that_is_not_there_is_an_error(tmp_path, a_reporter):
    with pytest.raises(ModelError, match="neither a model nor a training job"):
        Segmenter(SegmentConfig(str(tmp_path), InferenceConfig(), MACHINE), a_reporter)


def test_the_same_scan_gives_the_same_result(a_random_model, a_reporter, an_oblique_scan):
    segmenter = Segmenter(SegmentConfig(str(a_random_model().folder), InferenceConfig(), MACHINE), a_reporter)
    first, second = (arrays_of(segmenter.predict(an_oblique_scan)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in PREDICTIONS)
