"""A training that finds first: it can be stopped anywhere, its model is whole, and old jobs are as they were."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_jobs import differing, segmentation_job, training_job, weights_of
from small_organs import small_organ_set

from coranet.coarse.finding import CoarseNetwork
from coranet.coarse.plan import plan_part
from coranet.coarse.turning import TurnedScan, quarter_turns
from coranet.contract import Datalist, Job, JobKind, Role, read_datalist
from coranet.contract.config import InferenceConfig, SegmentConfig, TrainConfig
from coranet.contract.events import Cancelled, Event, Losses, Noted, Progress, Started, Validation, Warned
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.inference.doubt import Segmented
from coranet.inference.prediction import OwnGridDecision
from coranet.job_process.worker import work_on
from coranet.machine.distributed import Team
from coranet.model_package import ModelPackage
from coranet.planning.steps import StepSeconds
from coranet.planning.workplace import Workplace
from coranet.plausibility.traits import Measurement
from coranet.segmentation import Segmenter
from coranet.training import coarse_stage
from coranet.training_set.survey import survey_cases
from coranet.volume import Volume, read_grid, read_image, read_label_map, write_volume

pytestmark = pytest.mark.slow

ON = {"data__coarse_stage": "on", "data__coarse_margin_mm": "3"}


@pytest.fixture(scope="session")
def a_small_organ_set(tmp_path_factory):
    """The dataset.json of 2 labeled, 2 unlabeled and 1 validation scan; to be read only."""
    return small_organ_set(tmp_path_factory.mktemp("organs"))


@pytest.fixture(scope="session")
def a_two_stage_job(tmp_path_factory, a_small_organ_set) -> Job:
    """A training with both stages that ran to its end; to be read only."""
    job = training_job(tmp_path_factory.mktemp("two stages") / "job", a_small_organ_set, **ON)
    assert work_on(job, resume=False) == 0
    return job


def of_kind(job: Job, *kinds: type[Event]) -> list:
    return [event for event in job.read_events() if isinstance(event, kinds)]


def coarse_weights_of(job: Job) -> dict[str, torch.Tensor]:
    return dict(torch.load(job.model_folder / "coarse.pt", weights_only=True))


def boxes_of(job: Job) -> dict[str, list]:
    return json.loads(job.coarse_plan_path.read_text(encoding="utf-8"))["boxes"]


def test_the_stage_is_told_apart_from_the_curves(a_two_stage_job):
    events = a_two_stage_job.read_events()
    started = next(number for number, event in enumerate(events) if isinstance(event, Started))
    finding = [
        number for number, event in enumerate(events) if isinstance(event, Progress) and event.phase == "finding"
    ]
    assert finding and max(finding) < started
    assert min(number for number, event in enumerate(events) if isinstance(event, (Losses, Validation))) > started
    codes = [event.code for event in of_kind(a_two_stage_job, Noted)]
    assert codes.index("coarse_stage") < codes.index("coarse_result") < codes.index("patch")


def test_labeled_cases_are_cut_around_their_labels(a_two_stage_job, a_small_organ_set):
    boxes = boxes_of(a_two_stage_job)
    for case in a_two_stage_job.read_datalist().cases:
        if case.role.value == "training":
            ((start, stop),) = boxes[case.id]
            # 5 x 8 x 9 voxels of 2, 1.25 and 1 mm with a margin of 3 mm, less where the scan ends.
            size = np.subtract(stop, start)
            assert (size <= (5 + 4, 8 + 6, 9 + 6)).all() and (size >= (5 + 2, 8 + 3, 9 + 3)).all()


def test_the_model_has_both_networks_and_can_be_copied(a_two_stage_job, tmp_path, a_cpu):
    copy = shutil.copytree(a_two_stage_job.model_folder, tmp_path / "copy")
    assert sorted(path.name for path in copy.iterdir()) == ["coarse.pt", "model.json", "weights.pt"]
    package = ModelPackage.read(copy)
    assert package.coarse is not None and package.coarse.margin_mm == (3.0, 3.0, 3.0)
    coarse = package.load_coarse(a_cpu, InferenceConfig())
    assert coarse is not None and not coarse.network.training


def test_a_model_without_the_key_has_one_network(a_trained_job, a_cpu):
    package = ModelPackage.read(a_trained_job.folder)
    assert package.coarse is None and package.load_coarse(a_cpu, InferenceConfig()) is None
    assert not a_trained_job.coarse_plan_path.exists()


@pytest.mark.parametrize("when", ["finding", "training"])
def test_a_training_stopped_in_either_stage_ends_as_if_it_had_not(a_two_stage_job, a_small_organ_set, tmp_path, when):
    job = training_job(tmp_path / "job", a_small_organ_set, **ON)

    def stop(event: Event) -> None:
        is_due = isinstance(event, Progress) and event.phase == "finding" and event.step < event.total_steps
        if is_due if when == "finding" else isinstance(event, Losses) and event.step == 5:
            job.request_cancel()

    assert work_on(job, False, stop) != 0
    assert of_kind(job, Cancelled) and job.coarse_checkpoint_path.exists()
    assert job.last_checkpoint_path.exists() == (when == "training")
    assert work_on(job, resume=False) != 0, "what was begun is not begun anew unasked"
    assert work_on(job, resume=True) == 0
    assert list(differing(weights_of(job), weights_of(a_two_stage_job))) == []
    assert list(differing(coarse_weights_of(job), coarse_weights_of(a_two_stage_job))) == []
    assert boxes_of(job) == boxes_of(a_two_stage_job)
    again = [event for event in of_kind(job, Noted) if event.code == "coarse_result"]
    assert len(again) == 1, "the boxes are found once"


def test_outside_of_the_boxes_is_background_that_is_certain(a_two_stage_job, a_small_organ_set, tmp_path, monkeypatch):
    boxes = [Box((2, 3, 4), (8, 12, 14)), Box((12, 18, 20), (18, 28, 34))]
    monkeypatch.setattr(CoarseNetwork, "boxes", lambda *_: boxes)
    monkeypatch.setattr("coranet.inference.doubt.keep_largest", lambda *_: None)
    image = a_small_organ_set.parent / "image1.nrrd"
    job = segmentation_job(tmp_path / "job", [image], a_two_stage_job.folder)
    assert work_on(job, resume=False) == 0
    files = job.prediction("image1")
    assert not read_label_map(files.segmentation).grid.difference(read_grid(image))
    inside = np.zeros((20, 30, 36), dtype=bool)
    for box in boxes:
        inside[box.slices] = True
    orientation = Orientation.of(read_grid(image).direction)
    uncertainty = orientation.to_canonical(read_image(files.uncertainty).voxels)
    assert not uncertainty[~inside].any() and (uncertainty[inside] > 0).mean() > 0.9
    for path in (files.segmentation, files.conservative, files.radical, files.uncertain):
        assert not orientation.to_canonical(read_label_map(path).voxels)[~inside].any()


def test_where_nothing_is_found_all_is_looked_at_and_it_is_said(
    a_two_stage_job, a_small_organ_set, tmp_path, monkeypatch
):
    monkeypatch.setattr(CoarseNetwork, "boxes", lambda *_: [])
    monkeypatch.setattr("coranet.inference.doubt.keep_largest", lambda *_: None)
    image = a_small_organ_set.parent / "image1.nrrd"
    job = segmentation_job(tmp_path / "job", [image], a_two_stage_job.folder)
    assert work_on(job, resume=False) == 0
    assert "finds nothing large enough in 'image1'" in next(
        e.message for e in of_kind(job, Warned) if e.code == "not_found"
    )
    assert "finds nothing large enough in 'image1'" in job.prediction("image1").read_result()["warnings"][0]
    assert (read_image(job.prediction("image1").uncertainty).voxels > 0).mean() > 0.9


def test_where_the_fine_network_finds_nothing_in_the_boxes_all_is_looked_at_and_it_is_said(
    a_two_stage_job, a_small_organ_set, tmp_path, monkeypatch
):
    looked_at = []

    def decided(segmenter: Segmenter, volume: Volume, boxes, _before) -> Segmented:
        looked_at.append(list(boxes))
        return Segmented(OwnGridDecision(volume.grid, segmenter.package.labels).prediction, Measurement(2))

    monkeypatch.setattr(CoarseNetwork, "boxes", lambda *_: [Box((2, 3, 4), (8, 12, 14))])
    monkeypatch.setattr(Segmenter, "_decided", decided)
    image = a_small_organ_set.parent / "image1.nrrd"
    job = segmentation_job(tmp_path / "job", [image], a_two_stage_job.folder)
    assert work_on(job, resume=False) == 0
    assert looked_at == [[Box((2, 3, 4), (8, 12, 14))], [Box.whole((20, 30, 36))]]
    events = [event for event in of_kind(job, Warned) if event.code == "nothing_in_boxes"]
    assert "finds nothing where the coarse one found something in 'image1'" in events[0].message
    result = job.prediction("image1").read_result()
    assert result["warnings"] == [event.message for event in events]
    assert "nothing_found" in [event.code for event in of_kind(job, Warned)]


def test_what_is_found_with_the_slices_turned_lies_where_it_is_in_the_scan(
    a_two_stage_job, a_small_organ_set, tmp_path, monkeypatch
):
    box = Box((2, 3, 4), (8, 12, 14))

    def turned(_: Segmenter, volume: Volume) -> TurnedScan:
        return TurnedScan(list(quarter_turns(volume, 0))[1], 180, (box,))

    monkeypatch.setattr(CoarseNetwork, "boxes", lambda *_: [])
    monkeypatch.setattr(Segmenter, "turned", turned)
    monkeypatch.setattr("coranet.inference.doubt.keep_largest", lambda *_: None)
    image = a_small_organ_set.parent / "image1.nrrd"
    job = segmentation_job(tmp_path / "job", [image], a_two_stage_job.folder)
    assert work_on(job, resume=False) == 0
    assert [e.code for e in of_kind(job, Warned) if e.code in ("found_turned", "not_found")] == ["found_turned"]
    files = job.prediction("image1")
    assert not read_label_map(files.segmentation).grid.difference(read_grid(image))
    uncertainty = Orientation.of(read_grid(image).direction).to_canonical(read_image(files.uncertainty).voxels)
    inside = np.zeros((20, 30, 36), dtype=bool)
    inside[box.slices] = True
    inside = np.rot90(inside, 2, (1, 2))
    assert not uncertainty[~inside].any() and (uncertainty[inside] > 0).mean() > 0.9


def test_going_on_from_a_model_takes_its_coarse_network_as_it_is(a_two_stage_job, a_small_organ_set, tmp_path):
    changes = {"training__initial_model": str(a_two_stage_job.folder), "data__coarse_stage": "off"}
    job = training_job(tmp_path / "job", a_small_organ_set, **changes)
    assert work_on(job, resume=False) == 0
    assert list(differing(coarse_weights_of(job), coarse_weights_of(a_two_stage_job))) == []
    own, other = (ModelPackage.read(training.folder).coarse for training in (job, a_two_stage_job))
    assert own == other
    assert not [event for event in of_kind(job, Progress) if event.phase == "finding"]
    assert boxes_of(job) == boxes_of(a_two_stage_job)


def test_who_takes_over_a_plan_takes_over_the_coarse_network(a_two_stage_job, a_small_organ_set, tmp_path):
    changes = {"plan_of": str(a_two_stage_job.folder), "training__method": "mean_teacher"}
    job = training_job(tmp_path / "job", a_small_organ_set, **changes)
    assert work_on(job, resume=False) == 0
    assert list(differing(coarse_weights_of(job), coarse_weights_of(a_two_stage_job))) == []
    assert boxes_of(job) == boxes_of(a_two_stage_job)
    assert not [event for event in of_kind(job, Progress) if event.phase == "finding"]


def test_a_model_with_one_network_gets_no_second_one(a_trained_job, a_phantom_set, tmp_path):
    changes = {"training__initial_model": str(a_trained_job.folder), "data__coarse_stage": "on"}
    job = training_job(tmp_path / "job", a_phantom_set, **changes)
    assert work_on(job, resume=False) == 0
    assert ModelPackage.read(job.folder).coarse is None


def test_uncertainties_are_compared_in_the_box(a_two_stage_job, a_small_organ_set, tmp_path):
    data = read_datalist(a_small_organ_set)
    case = replace(data.with_role(Role.VALIDATION)[0], role=Role.TEST)
    config = SegmentConfig(model=str(a_two_stage_job.folder), compare_uncertainties=True)
    config = config.with_overrides({"machine.threads": 1, "machine.device": "cpu"})
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, config, Datalist((case,), data.labels))
    assert work_on(job, resume=False) == 0
    metrics = json.loads(job.metrics_path.read_text(encoding="utf-8"))
    assert set(metrics["cases"][case.id]["uncertainties"]) >= {"coranet", "softmax", "dropout", "augmentation"}


def test_in_a_time_the_steps_are_timed_and_then_stay(a_small_organ_set, tmp_path, a_cpu, a_reporter, monkeypatch):
    monkeypatch.setattr(coarse_stage, "measure_steps", lambda *_: StepSeconds(0.5, 1.5))
    config = TrainConfig.from_preset("quick", {"time": "1 min", "data.coarse_stage": "on", "machine.threads": 1})
    datalist = read_datalist(a_small_organ_set)
    job = Job.create(tmp_path / "job", JobKind.TRAIN, config, datalist)
    survey = survey_cases(datalist, a_reporter)
    at_hand = coarse_stage.TrainingJob(job, config, Workplace(a_cpu), Team(), a_reporter, job.cache_folder, survey)
    regions = coarse_stage.find_regions(at_hand, datalist, None)
    assert regions.part is not None
    # A tenth of a minute: 6 steps of a second.
    assert torch.load(job.coarse_checkpoint_path, weights_only=True)["step"] == 6
    monkeypatch.setattr(coarse_stage, "measure_steps", None)
    again = coarse_stage.find_regions(at_hand, datalist, None)
    assert again.boxes == regions.boxes and again.part == regions.part


def test_a_network_that_has_not_learned_to_find_is_left_out(
    a_small_organ_set, tmp_path, a_cpu, a_reporter, monkeypatch
):
    monkeypatch.setattr(coarse_stage, "new_part", plan_part)
    monkeypatch.setattr(CoarseNetwork, "margins", lambda self, image: np.ones(image.shape[1:]))
    config = TrainConfig.from_preset("quick", {"training.pretraining_steps": 1, "training.self_training_steps": 1})
    datalist = read_datalist(a_small_organ_set)
    job = Job.create(tmp_path / "job", JobKind.TRAIN, config, datalist)
    survey = survey_cases(datalist, a_reporter)
    at_hand = coarse_stage.TrainingJob(job, config, Workplace(a_cpu), Team(), a_reporter, job.cache_folder, survey)
    assert coarse_stage.find_regions(at_hand, datalist, None) == coarse_stage.Regions()
    assert a_reporter.events[-1].message.endswith("That is no gain, so whole scans are used.")
    count = len(a_reporter.events)
    assert coarse_stage.find_regions(at_hand, datalist, None) == coarse_stage.Regions()
    assert len(a_reporter.events) == count
    taken = TrainConfig.from_preset("quick", {"plan_of": str(job.folder)})
    assert coarse_stage.inherited_part(taken, None) is None


@pytest.mark.parametrize("stage", ["on", "off"])
def test_a_case_without_a_structure_is_learned_from(tmp_path, stage):
    data = small_organ_set(tmp_path / "data", labeled=3, unlabeled=2, validation=1)
    job = training_job(tmp_path / "job", data, **{**ON, "data__coarse_stage": stage})
    empty = job.read_datalist().with_role(Role.TRAINING)[1]
    labels = read_label_map(empty.label)
    write_volume(empty.label, 0 * labels.voxels, labels.grid)
    assert work_on(job, resume=False) == 0
    assert "no_structure" in [event.code for event in of_kind(job, Warned)]
    card = ModelPackage.read(job.folder).card
    assert card["cautions"] == ["1 labeled case holds no structure"] and card["trained_on"]["training"] == 3


def test_it_learns_to_find(tmp_path):
    """Eighty steps suffice for what is bright."""
    data = small_organ_set(tmp_path / "data", labeled=4, unlabeled=3, validation=2)
    job = training_job(
        tmp_path / "job", data, data__coarse_stage="on", training__pretraining_steps="40",
        training__self_training_steps="40", training__validation_interval="80",
    )  # fmt: skip
    assert work_on(job, resume=False) == 0
    (note,) = [event.message for event in of_kind(job, Noted) if event.code == "coarse_result"]
    assert "on the 2 validation cases" in note
    assert not of_kind(job, Warned) or "not_found" not in {event.code for event in of_kind(job, Warned)}
