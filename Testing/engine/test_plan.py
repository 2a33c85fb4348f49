from __future__ import annotations

import math
from dataclasses import replace

import pytest
from small_jobs import training_job

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role, read_datalist
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError, DeviceError, JobError
from coranet.contract.events import CheckpointSaved, Noted, Warned
from coranet.contract.files import read_json, write_json_atomic
from coranet.job_process.worker import work_on
from coranet.machine.devices import Device
from coranet.planning import plan as planning
from coranet.planning import workplace
from coranet.planning.memory import BatchSizes
from coranet.planning.plan import Plan, PlanInput, checked_datalist, plan_training, require_possible_sizes
from coranet.planning.workplace import Workplace
from coranet.reporting import Reporter
from coranet.training_set.survey import survey_cases

# Bytes for a step with two and two patches of the whole phantom, where a voxel takes a thousand of them.
ENOUGH = 80_000_000
LABELS = (Label(1, "organ"),)
quiet = Reporter(lambda event: None, lambda: False)


@pytest.fixture
def plan(a_phantom_set, a_cpu, a_reporter, monkeypatch):
    """Plans a training on tiny phantoms: `plan(free_bytes, processes, device=..., **settings)`."""

    def make(free_bytes: int | None = None, processes: int = 1, device: Device = a_cpu, **settings):
        monkeypatch.setattr(workplace, "free_memory_bytes", lambda device: free_bytes)
        monkeypatch.setattr(planning, "activation_bytes_per_voxel", lambda architecture, device: 1000.0)
        chosen = {"time": "", **{name.replace("__", "."): value for name, value in settings.items()}}
        config = TrainConfig.from_preset("quick", chosen)
        datalist = read_datalist(a_phantom_set)
        inputs = PlanInput(survey_cases(datalist, quiet))
        return plan_training(config, datalist, Workplace(device, processes), a_reporter, inputs)

    return make


def notes_of(reporter) -> dict[str, str]:
    return {event.code: event.message for event in reporter.events if isinstance(event, Noted)}


def test_a_plan_fits_the_scans_and_says_what_was_decided(plan, a_reporter):
    plan_made = plan(data__patch_size_kji="[8, 12, 12]", training__labeled_batch_size="3")
    assert plan_made.architecture.patch_size_kji == (8, 12, 12) and plan_made.architecture.classes == 3
    assert plan_made.batch_sizes == BatchSizes(3, 3)
    assert plan_made.spacing_dhw == plan_made.preprocessing.spacing_mm[::-1]
    notes = notes_of(a_reporter)
    assert set(notes) == {"backbone", "patch"}
    assert notes["patch"] == "each step takes 3 labeled and 3 unlabeled patches of 8 x 12 x 12 voxels."


def test_a_2d_network_keeps_the_slices_of_the_scans(plan):
    plan_made = plan(network__backbone="unet")
    assert plan_made.architecture.slice_axis is not None
    assert plan_made.preprocessing.slice_axis == plan_made.architecture.slice_axis
    assert plan_made.architecture.patch_size_kji[plan_made.architecture.slice_axis] == 1


def test_little_memory_makes_patches_smaller_and_that_is_said(plan, a_reporter):
    large, small = (plan(free, data__patch_voxels="null") for free in (ENOUGH, ENOUGH // 10))
    assert math.prod(small.architecture.patch_size_kji) < math.prod(large.architecture.patch_size_kji)
    assert "of memory are free" in notes_of(a_reporter)["memory"]


def test_a_patch_that_was_set_and_cannot_fit_is_refused(plan):
    assert plan(10**9, data__patch_size_kji="[64, 64, 64]").batch_sizes == BatchSizes(1, 1)
    with pytest.raises(DeviceError, match=r"64 x 64 x 64 voxels needs at least 0\.5 GiB"):
        plan(10**8, data__patch_size_kji="[64, 64, 64]")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data.patch_size_kji": "[512, 512, 512]"}, r"1 labeled patch of 512 x 512 x 512 voxels needs at least"),
        ({"data.spacing_mm": "[0.01, 0.01, 0.01]"}, r"a scan at this spacing has \d+ x \d+ x \d+ voxels and needs"),
        ({"data.size_kji": "[4096, 4096, 4096]"}, r"a scan at this spacing has 4096 x 4096 x 4096 voxels and needs"),
    ],
)
def test_sizes_that_cannot_fit_are_refused_before_a_coarse_stage(a_phantom_set, a_cpu, settings, sentence, monkeypatch):
    for name in ("free_memory_bytes", "available_bytes"):
        monkeypatch.setattr(workplace, name, lambda *of: 2**32)
    datalist, config = read_datalist(a_phantom_set), TrainConfig.from_preset("quick", settings)
    survey = survey_cases(datalist, quiet)
    with pytest.raises(DeviceError, match=sentence):
        require_possible_sizes(config, datalist, survey, Workplace(a_cpu))
    require_possible_sizes(TrainConfig.from_preset("quick"), datalist, survey, Workplace(a_cpu))


def test_the_processes_of_a_machine_share_its_memory(plan):
    assert plan(ENOUGH, processes=2) == plan(ENOUGH // 2)
    assert plan(ENOUGH, processes=2) != plan(ENOUGH)


def test_each_process_has_a_graphics_card_of_its_own(plan, a_cpu):
    class Card:
        type = "cuda"

    card = replace(a_cpu, torch_device=Card())
    assert plan(ENOUGH, processes=2, device=card) == plan(ENOUGH)


def test_a_method_that_uses_no_unlabeled_scans_gets_no_patches_of_them(plan):
    assert plan(training__method="supervised").batch_sizes.unlabeled == 0


def test_a_class_that_nobody_has_is_warned_of(a_phantom_set, a_cpu, a_reporter):
    datalist = read_datalist(a_phantom_set)
    more = replace(datalist, labels=(*datalist.labels, Label(9, "unicorn")))
    inputs = PlanInput(survey_cases(more, quiet))
    plan_training(TrainConfig.from_preset("quick", {"time": ""}), more, Workplace(a_cpu), a_reporter, inputs)
    assert [event.code for event in a_reporter.events if isinstance(event, Warned)] == ["label_absent"]


@pytest.mark.parametrize("margin_mm", [None, (4.0, 4.0, 4.0)], ids=["whole scans", "around structures"])
def test_a_case_without_a_structure_is_planned_with(a_phantom_set, a_cpu, a_reporter, margin_mm):
    datalist = read_datalist(a_phantom_set)
    survey = survey_cases(datalist, quiet)
    first, *others = datalist.with_role(Role.TRAINING)
    case = survey.cases[first.id]
    scan = replace(case.scan, parts=())
    nothing = replace(case, scan=scan, structures=replace(case.structures, crop=case.structures.crop[:0]))
    nothing = replace(nothing, present=frozenset())
    config = TrainConfig.from_preset("quick", {"time": ""})
    for measured in (survey.cases[first.id], nothing):
        inputs = PlanInput(replace(survey, cases={**survey.cases, first.id: measured}), margin_mm=margin_mm)
        plan_made = plan_training(config, datalist, Workplace(a_cpu), a_reporter, inputs)
        assert plan_made.architecture.patch_size_kji and plan_made.batch_sizes.labeled
    assert "label_absent" not in [event.code for event in a_reporter.events]


def test_a_plan_is_kept_as_it_is(plan, tmp_path):
    for made in (plan(), plan(network__backbone="unet", data__intensity="window")):
        write_json_atomic(tmp_path / "plan.json", made.to_dict())
        assert Plan.from_dict(read_json(tmp_path / "plan.json")) == made


@pytest.mark.parametrize("change", [{"schema_version": 0}, {"batch_sizes": [1]}, {"architecture": {}}])
def test_a_plan_of_another_version_is_an_error(plan, change):
    with pytest.raises(JobError, match="the plan of this training cannot be read"):
        Plan.from_dict({**plan().to_dict(), **change})


@pytest.mark.slow
def test_a_resumed_training_keeps_its_plan_whatever_memory_is_free(a_phantom_set, tmp_path, monkeypatch):
    job = training_job(tmp_path / "job", a_phantom_set, training__labeled_batch_size="null")

    def stop_at_a_checkpoint(event) -> None:
        if isinstance(event, CheckpointSaved) and event.step == 3:
            job.request_cancel()

    assert work_on(job, False, stop_at_a_checkpoint) == 130
    before = job.plan_path.read_bytes()
    monkeypatch.setattr(workplace, "free_memory_bytes", lambda device: 1)
    assert work_on(job, resume=True) == 0
    assert job.plan_path.read_bytes() == before


# -- datalist --


@pytest.fixture
def a_job(tmp_path, a_phantom_set):
    """A job with other cases: `a_job(cases, labels)`."""

    def make(cases, labels=LABELS) -> Job:
        return Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), Datalist(tuple(cases), labels))

    return make


def test_a_list_without_labeled_cases_or_labels_is_an_error(a_job):
    job = a_job([Case("a", Role.UNLABELED, "a.nrrd")])
    with pytest.raises(DataError, match="has no labeled case; add at least one"):
        checked_datalist(job)
    job.write_datalist(Datalist((Case("a", Role.TRAINING, "a.nrrd", "b.nrrd"),), ()))
    with pytest.raises(DataError, match="names no label"):
        checked_datalist(job)
