from __future__ import annotations

import threading
from dataclasses import replace

import dicom_files
import numpy as np
import pytest
import torch
from patience import PATIENCE_S
from scans import scan_on

from coranet.contract import Case, Datalist, Job, JobKind, RegionList, Role, write_json_atomic
from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
from coranet.contract.errors import CoraNetError, DataError, JobCancelled, JobError, ModelError
from coranet.contract.events import CaseDone, CaseFailed, CaseSkipped, Progress, Warned
from coranet.contract.slide import NOT_REACHABLE
from coranet.data.box import Box
from coranet.data.identity import identity_of
from coranet.data.scans import read_channels, read_scan
from coranet.inference.prediction import arrays_of
from coranet.networks import CoraNet, HeadLogits, MirrorMean
from coranet.plausibility.reference import Reference
from coranet.regions import finding
from coranet.regions.files import WrittenCase
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter, run_segmentation_job
from coranet.volume import Grid, Volume, read_grid, read_image, read_label_map, write_volume

MACHINE = MachineConfig(device="cpu", threads=1)
PREDICTIONS = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")


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
            config = SegmentConfig(str(package.folder), inference=InferenceConfig(), machine=MACHINE)
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
        members = np.array([voxels == value for voxels in heads.values()])
        assert result["volumes_ml"][name] == pytest.approx({
            "segmentation": members[0].sum() * 0.0025,
            "conservative": members.all(0).sum() * 0.0025,
            "radical": members.any(0).sum() * 0.0025,
        })  # fmt: skip
    uncertain = read_label_map(files.uncertain).voxels
    assert result["uncertain_ml"] == pytest.approx(uncertain.sum() * 0.0025)
    np.testing.assert_array_equal(read_image(files.uncertainty).voxels >= 0.5, uncertain == 1)
    assert [label["value"] for label in result["labels"]] == [1, 7]
    assert result["regions"] == len(RegionList.read(files.regions).regions)
    assert result["scan"] == identity_of(an_oblique_scan).to_dict()
    assert "1 case is segmented" in message
    # A slow machine tells how far the case is before it is done.
    events = [type(event) for event in a_reporter.events if isinstance(event, (CaseDone, Progress))]
    assert events[-2:] == [CaseDone, Progress]


def test_margins_are_those_of_the_label_map_that_is_written(segment, an_oblique_scan):
    job, _ = segment({"a": an_oblique_scan})
    files = job.prediction("a")
    case = WrittenCase.read(files)
    margins, labels = case.margins(), case.prediction.segmentation
    for path in (files.margin, files.second):
        assert read_grid(path).difference(an_oblique_scan.grid) == ""
    reached = margins.margin != NOT_REACHABLE
    assert reached.any() and margins.margin.dtype == np.uint8 and margins.second.dtype == labels.dtype
    assert not (margins.second == labels)[reached].any()
    assert not margins.second[~reached].any()


def test_regions_are_those_of_the_label_maps_that_are_written(segment, an_oblique_scan):
    job, _ = segment({"a": an_oblique_scan})
    files = job.prediction("a")
    regions = RegionList.read(files.regions)
    numbers = read_label_map(files.region_map)
    assert numbers.grid.difference(an_oblique_scan.grid) == ""
    counts = np.bincount(numbers.voxels.ravel(), minlength=len(regions.regions) + 1)
    assert [region.voxels for region in regions.regions] == counts[1:].tolist()
    differs = read_label_map(files.conservative).voxels != read_label_map(files.radical).voxels
    assert not np.any((numbers.voxels > 0) & ~differs)
    assert (regions.case, regions.caution) == ("a", files.read_result()["caution"])


def test_without_the_setting_there_are_no_regions_and_those_of_before_go(segment, an_oblique_scan, a_reporter):
    job, _ = segment({"a": an_oblique_scan})
    write_json_atomic(job.folder / "config.json", job.read_config().with_overrides({"regions": False}).to_dict())
    files = job.prediction("a")
    # Of a scan that has changed.
    files.result.unlink()
    segment({"a": an_oblique_scan}, resume=True)
    assert not files.regions.exists() and not files.region_map.exists()
    assert files.read_result()["regions"] is None


def test_too_much_doubt_for_regions_is_a_warning_and_the_result_is_there(
    segment, an_oblique_scan, a_reporter, monkeypatch
):
    monkeypatch.setattr(finding, "MOST_VOXELS", -1)
    job, _ = segment({"a": an_oblique_scan})
    files = job.prediction("a")
    assert not files.regions.exists() and files.read_result()["regions"] is None
    assert "no_regions" in [event.code for event in a_reporter.events if isinstance(event, Warned)]


def test_a_case_that_fails_does_not_stop_the_others(segment, an_oblique_scan, a_reporter):
    with pytest.raises(CoraNetError, match=r"1 of 3 cases could not be segmented.* the first: .*broken\.nrrd"):
        segment({"a": an_oblique_scan, "broken": b"no scan", "c": an_oblique_scan})
    failed = [event.case for event in a_reporter.events if isinstance(event, CaseFailed)]
    done = [event.case for event in a_reporter.events if isinstance(event, CaseDone)]
    assert (failed, done) == (["broken"], ["a", "c"])


@pytest.mark.slow
def test_each_image_of_a_dicom_series_is_segmented_under_its_name(tmp_path, a_random_model, a_reporter):
    folder, places = tmp_path / "MR", dicom_files.positions()
    for number, time in enumerate((4.6, 9.2)):
        dicom_files.write_series(folder, dicom_files.voxels(seed=number), places, name=f"e{number}-", EchoTime=time)
    config = SegmentConfig(str(a_random_model().folder), machine=MACHINE)
    cases = Datalist((Case("MR", Role.INPUT, str(folder)),))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, config, cases)
    assert "2 cases are segmented" in run_segmentation_job(job, False, a_reporter)
    results = [files.read_result() for files in job.complete_predictions()]
    assert [result["part"] for result in results] == ["echo time 4.6", "echo time 9.2"]
    assert [result["case"] for result in results] == ["MR_echo_time_4.6", "MR_echo_time_9.2"]
    for result, case in zip(results, job.read_datalist().cases, strict=True):
        assert result["scan"] == identity_of(read_scan(case)).to_dict()
    assert "series" in [event.code for event in a_reporter.events if isinstance(event, Warned)]
    # A job that goes on leaves them alone, and segments the one that is not there.
    job.prediction("MR_echo_time_9.2").result.unlink()
    run_segmentation_job(job, True, a_reporter)
    assert [files.folder.name for files in job.complete_predictions()] == ["MR_echo_time_4.6", "MR_echo_time_9.2"]


def test_a_single_case_that_fails_is_the_error(segment):
    with pytest.raises(DataError, match=r"broken\.nrrd' cannot be read as an image"):
        segment({"broken": b"no scan"})


def test_results_are_not_made_again_unasked(segment, an_oblique_scan):
    job, _ = segment({"a": an_oblique_scan})
    before = job.prediction("a").result.read_bytes()
    with pytest.raises(JobError, match="has results; add --resume to do what is missing"):
        segment({"a": an_oblique_scan})
    assert job.prediction("a").result.read_bytes() == before and job.prediction("a").regions.is_file()


@pytest.mark.slow
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
    monkeypatch.setattr("coranet.segmentation.OwnGridDecision.fill", lambda *_: None)
    segment({"a": scan_on(an_oblique_grid)})
    assert [event.code for event in a_reporter.events if isinstance(event, Warned)] == ["nothing_found"] * 2


def test_a_large_part_that_was_removed_is_told(segment, an_oblique_scan, a_reporter, monkeypatch):
    def removing(segmented, *_):
        return replace(segmented, removed_parts={7: 400})

    monkeypatch.setattr("coranet.segmentation.with_largest_kept", removing)
    job, _ = segment({"a": an_oblique_scan})
    (sentence,) = [event.message for event in a_reporter.events if getattr(event, "code", "") == "part_removed"]
    assert sentence.startswith("in 'a' a second part of 'lesion' was removed, 1 mL of which the network is sure")
    assert sentence in job.prediction("a").read_result()["warnings"]


@pytest.mark.slow
def test_what_is_told_of_a_scan_that_is_read_ahead_belongs_to_its_case(segment, an_oblique_scan, an_oblique_grid):
    empty = Volume(np.full_like(an_oblique_scan.voxels, 7), an_oblique_grid)
    job, _ = segment({"a": an_oblique_scan, "b": empty, "c": an_oblique_scan})
    warned = {name: str(job.prediction(name).read_result().get("warnings")) for name in "abc"}
    assert ["has the intensity 7 in every voxel" in warned[name] for name in "abc"] == [False, True, False]


def test_a_model_that_is_not_there_is_an_error(tmp_path, a_reporter):
    with pytest.raises(ModelError, match="neither a model nor a training job"):
        Segmenter(SegmentConfig(str(tmp_path), inference=InferenceConfig(), machine=MACHINE), a_reporter)


def test_the_same_scan_gives_the_same_result(a_random_model, a_reporter, an_oblique_scan):
    segmenter = Segmenter(
        SegmentConfig(str(a_random_model().folder), inference=InferenceConfig(), machine=MACHINE), a_reporter
    )
    first, second = (arrays_of(segmenter.predict(an_oblique_scan)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in PREDICTIONS)


@pytest.fixture
def a_model_with_caution(a_random_model, a_cpu):
    """Writes the folder of an untrained model whose card says where the dial stands."""

    def write(caution) -> str:
        package = a_random_model()
        replace(package, card={"caution": caution}).write(package.load_network(a_cpu))
        return str(package.folder)

    return write


@pytest.mark.parametrize(("stored", "chosen", "expected"), [(0.7, None, 0.7), (0.7, 0.0, 0.0), (None, None, 0.0)])
def test_the_dial_stands_where_it_was_set_else_where_the_model_says(
    a_model_with_caution, a_reporter, stored, chosen, expected
):
    config = SegmentConfig(a_model_with_caution(stored), inference=InferenceConfig(caution=chosen), machine=MACHINE)
    assert Segmenter(config, a_reporter).dial.caution == expected


@pytest.mark.parametrize(("requested", "is_measured"), [(True, True), (False, False)])
def test_nothing_is_measured_where_nobody_asks_for_the_quality(
    a_random_model, a_cpu, a_reporter, an_oblique_scan, requested, is_measured
):
    package = a_random_model()
    reference = Reference(tuple(label.name for label in package.labels), ())
    replace(package, card={"reference": reference.to_dict()}).write(package.load_network(a_cpu))
    segmenter = Segmenter(SegmentConfig(str(package.folder), machine=MACHINE, quality=requested), a_reporter)
    assert (segmenter.segmented(an_oblique_scan).measurement is not None) == is_measured


def test_a_model_whose_caution_is_no_number_is_an_error(a_model_with_caution, a_reporter):
    with pytest.raises(ModelError, match="cannot be read .*'much'.*copy its folder again"):
        Segmenter(SegmentConfig(a_model_with_caution("much"), machine=MACHINE), a_reporter)


def test_the_caution_and_its_threshold_are_told_with_the_result(
    a_model_with_caution, a_reporter, an_oblique_scan, tmp_path
):
    write_volume(tmp_path / "a.nrrd", an_oblique_scan.voxels, an_oblique_scan.grid)
    config = SegmentConfig(a_model_with_caution(0.1), machine=MACHINE)
    job = Job.create(
        tmp_path / "job", JobKind.SEGMENT, config, Datalist((Case("a", Role.INPUT, f"{tmp_path}/a.nrrd"),))
    )
    run_segmentation_job(job, False, a_reporter)
    files = job.prediction("a")
    result = files.read_result()
    assert result["caution"] == 0.1
    uncertain = read_label_map(files.uncertain).voxels == 1
    np.testing.assert_array_equal(read_image(files.uncertainty).voxels >= result["uncertainty_threshold"], uncertain)
    assert uncertain.sum() > (read_image(files.uncertainty).voxels >= 0.5).sum()


def test_a_scan_that_is_given_twice_is_told(segment, an_oblique_scan, an_oblique_grid, a_reporter):
    other = scan_on(an_oblique_grid, 3)
    job, _ = segment({"a": an_oblique_scan, "copy of a": an_oblique_scan, "b": other})
    messages = [event.message for event in a_reporter.events if getattr(event, "code", "") == "same_scan"]
    assert messages == ["'a' and 'copy of a' are the same scan, voxel for voxel; keep one of them."]
    assert job.prediction("copy of a").result.exists()


class TestSkipping:
    @pytest.fixture
    def a_job(self, tmp_path, a_random_model, an_oblique_scan):
        cases = []
        for name in ("a", "b"):
            write_volume(tmp_path / f"{name}.nrrd", an_oblique_scan.voxels, an_oblique_scan.grid)
            cases.append(Case(name, Role.INPUT, str(tmp_path / f"{name}.nrrd")))
        config = SegmentConfig(str(a_random_model().folder), machine=MACHINE)
        return Job.create(tmp_path / "job", JobKind.SEGMENT, config, Datalist(tuple(cases)))

    def outcomes(self, reporter) -> list[tuple[type, str]]:
        return [(type(event), event.case) for event in reporter.events if isinstance(event, (CaseDone, CaseSkipped))]

    def test_a_case_that_is_to_be_skipped_is_left_out_and_the_job_is_well(self, a_job, a_reporter):
        a_job.prediction("a").request_skip()
        message = run_segmentation_job(a_job, False, a_reporter)
        assert self.outcomes(a_reporter) == [(CaseSkipped, "a"), (CaseDone, "b")]
        assert not a_job.prediction("a").result.exists()
        assert "1 case is segmented" in message and "1 skipped on request" in message

    def test_a_case_under_way_is_left_between_two_windows(self, a_job, a_reporter, monkeypatch):
        windows = []

        def ask_at_the_second_window(self, network, patches):
            windows.append(len(patches))
            a_job.prediction("a").request_skip()
            return network(patches)

        monkeypatch.setattr("coranet.inference.network_pass.SlidingWindow._heads", ask_at_the_second_window)
        monkeypatch.setattr("coranet.segmentation.Segmenter.prepared", lambda *_: torch.zeros(1, 20, 24, 40))
        monkeypatch.setattr("coranet.segmentation.write_volume", lambda *_: pytest.fail("it was computed to its end"))
        a_job.prediction("b").request_skip()
        run_segmentation_job(a_job, False, a_reporter)
        assert self.outcomes(a_reporter) == [(CaseSkipped, "a"), (CaseSkipped, "b")]
        assert len(windows) == 1

    def test_a_request_that_is_withdrawn_is_forgotten(self, a_job, a_reporter):
        a_job.prediction("a").request_skip()
        a_job.prediction("a").withdraw_skip()
        run_segmentation_job(a_job, False, a_reporter)
        assert self.outcomes(a_reporter) == [(CaseDone, "a"), (CaseDone, "b")]


@pytest.fixture
def a_job_of_two(tmp_path, a_random_model, an_oblique_scan):
    cases = []
    for name in ("a", "b"):
        write_volume(tmp_path / f"{name}.nrrd", an_oblique_scan.voxels, an_oblique_scan.grid)
        cases.append(Case(name, Role.INPUT, str(tmp_path / f"{name}.nrrd")))
    config = SegmentConfig(str(a_random_model().folder), machine=MACHINE, surfaces=True)
    return Job.create(tmp_path / "job", JobKind.SEGMENT, config, Datalist(tuple(cases)))


@pytest.mark.slow
def test_progress_within_a_case_is_told(a_job_of_two, a_reporter, monkeypatch):
    monkeypatch.setattr("coranet.inference.account._QUIET_S", 0.0)
    run_segmentation_job(a_job_of_two, False, a_reporter)
    parts = [event.part for event in a_reporter.events if isinstance(event, Progress) and event.step == 0]
    assert parts == sorted(parts) and parts[0] == 0 and parts[-1] > 0.8
    shares = [event.share for event in a_reporter.events if isinstance(event, Progress)]
    assert shares == sorted(shares) and shares[-1] == 1


@pytest.mark.parametrize("where", [
    "segmentation.read_channels", "segmentation.Segmenter.boxes",
    "segmentation.Segmenter.prepared",
    "segmentation.with_largest_kept", "segmentation.slide_margins",
    "segmentation.write_volume",
    "segmentation.find_places", "segmentation.write_regions",
    "surfaces.closed_surface", "surfaces._write", "segmentation.result_content",
])  # fmt: skip
def test_a_job_stops_while_something_takes_long(a_job_of_two, a_reporter, monkeypatch, where):
    may_end, is_under_way = threading.Event(), threading.Event()

    def takes_long(*_):
        is_under_way.set()
        may_end.wait(PATIENCE_S)
        raise DataError("nobody waits for this.")

    monkeypatch.setattr(f"coranet.{where}", takes_long)
    with pytest.raises(JobCancelled):
        run_segmentation_job(a_job_of_two, False, Reporter(a_reporter.emit, is_under_way.is_set))
    may_end.set()
    assert not any(isinstance(event, CaseDone) for event in a_reporter.events)


@pytest.mark.slow
def test_a_case_is_skipped_while_it_is_read_and_the_next_one_is_done(a_job_of_two, a_reporter, monkeypatch):
    may_end = threading.Event()

    def slowly(case):
        if case.id == "a":
            a_job_of_two.prediction("a").request_skip()
            may_end.wait(PATIENCE_S)
        return read_channels(case)

    monkeypatch.setattr("coranet.segmentation.read_channels", slowly)
    run_segmentation_job(a_job_of_two, False, a_reporter)
    may_end.set()
    kinds = [(type(event), event.case) for event in a_reporter.events if isinstance(event, (CaseDone, CaseSkipped))]
    assert kinds == [(CaseSkipped, "a"), (CaseDone, "b")]


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 2**28])
def test_the_next_scan_is_read_while_this_one_is_computed_where_both_have_room(
    a_job_of_two, a_reporter, monkeypatch, room
):
    monkeypatch.setattr("coranet.segmentation._MOST_BYTES_AHEAD", room)
    read, known = [], []

    def reading(case):
        read.append(case.id)
        return read_channels(case)

    segmented = Segmenter.segmented

    def predicting(self, *args):
        result = segmented(self, *args)
        known.append(list(read))
        return result

    monkeypatch.setattr("coranet.segmentation.read_channels", reading)
    monkeypatch.setattr(Segmenter, "segmented", predicting)
    run_segmentation_job(a_job_of_two, False, a_reporter)
    assert read == ["a", "b"]
    assert known[0] == (["a", "b"] if room else ["a"])


@pytest.mark.parametrize(
    ("chosen", "card", "expected"),
    [
        ("auto", {"single_component": ["lesion"]}, ((7,), False)), ("auto", {"hangs_together": True}, ((), True)),
        ("on", {"hangs_together": True}, ((1, 7), False)), ("off", {"single_component": ["organ"]}, ((), False)),
    ],
)  # fmt: skip
def test_the_largest_component_is_kept_of_the_classes_that_were_one_in_training(
    a_random_model, a_cpu, a_reporter, chosen, card, expected
):
    package = a_random_model()
    replace(package, card=card).write(package.load_network(a_cpu))
    config = SegmentConfig(str(package.folder), inference=InferenceConfig(largest_component=chosen), machine=MACHINE)
    segmenter = Segmenter(config, a_reporter)
    assert (segmenter.kept.label_values, segmenter.kept.together) == expected


@pytest.fixture
def a_mirroring_segmenter(a_random_model, a_reporter, a_cpu):
    """A segmenter of an untrained model; `make(axes of its training, architecture=...)`."""

    def make(axes, mirroring="on", **architecture) -> Segmenter:
        package = a_random_model()
        network = package.load_network(a_cpu)
        shape = replace(package.architecture, **architecture)
        replace(package, architecture=shape, card={"mirrored_axes": axes}).write(
            CoraNet(shape) if architecture else network
        )
        return Segmenter(SegmentConfig(str(package.folder), InferenceConfig(mirroring=mirroring), MACHINE), a_reporter)

    return make


@pytest.mark.slow
def test_mirrored_it_is_decided_on_the_mean_of_all_views(a_mirroring_segmenter, an_oblique_scan):
    segmenter, plain = a_mirroring_segmenter(["L", "S"]), a_mirroring_segmenter(["L", "S"], "off")
    assert (segmenter.window.views.mirrored_axes, plain.window.views.mirrored_axes) == ((2, 0), ())
    found, without = segmenter.predict(an_oblique_scan), plain.predict(an_oblique_scan)
    plain.network = MirrorMean(plain.network, (0, 2))
    expected = plain.predict(an_oblique_scan)
    np.testing.assert_allclose(found.uncertainty, expected.uncertainty, atol=1e-5)
    assert not np.allclose(found.uncertainty, without.uncertainty, atol=1e-3)


def test_across_slices_that_are_looked_at_one_by_one_nothing_is_mirrored(a_mirroring_segmenter):
    slices = {"backbone": "unet", "slice_axis": 0, "patch_size_kji": (1, 12, 16), "strides": ((1, 2, 2),)}
    assert a_mirroring_segmenter(["L", "S"], kernels=((1, 3, 3), (1, 3, 3)), **slices).window.views.mirrored_axes == (
        2,
    )


def test_a_model_that_knows_no_mirrored_scans_is_not_asked_about_them(a_mirroring_segmenter):
    with pytest.raises(ModelError, match="trained without mirrored patches"):
        a_mirroring_segmenter([])


class BrightIsFound(torch.nn.Module):
    """Names what is bright class 1."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        logits = torch.cat([torch.zeros_like(images), images - 0.5, torch.full_like(images, -9.0)], dim=1)
        return HeadLogits(logits, logits, logits)


class Elsewhere:
    """A coarse network that takes a corner of each scan for the structure."""

    def boxes(self, volume, before_window=None):
        return [Box((0, 0, 0), (2, 3, 4))]


def test_where_nothing_is_in_the_boxes_the_whole_scan_is_looked_at(a_random_model, a_reporter):
    package = a_random_model()
    segmenter = Segmenter(SegmentConfig(str(package.folder), inference=InferenceConfig(), machine=MACHINE), a_reporter)
    segmenter.network, segmenter.coarse = BrightIsFound(), Elsewhere()
    voxels = np.zeros((8, 12, 16), np.float32)
    voxels[5:7, 8:11, 9:14] = 100
    volume = Volume(voxels, Grid((16, 12, 8), (1.0, 1.25, 2.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel())))
    found = segmenter.predict(volume).segmentation
    assert (found[5:7, 8:11, 9:14] > 0).any() and not found[:2, :3, :4].any()
    # What is found in a box stays all that is looked for.
    voxels[:2, :3, :4] = 100
    found = segmenter.predict(Volume(voxels, volume.grid)).segmentation
    assert (found[:2, :3, :4] > 0).any() and not found[5:7, 8:11, 9:14].any()
