"""A plan that another training has made is followed as it is, steps included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_jobs import tiny_phantoms, training_job

from coranet.contract import Label, read_json, write_json_atomic
from coranet.contract.errors import ConfigError, DataError
from coranet.job_process.worker import work_on
from coranet.planning.plan import Plan
from coranet.planning.steps import StepPlan
from coranet.planning.taken_over import plan_taken_over

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planner(tmp_path_factory):
    """A finished training of ten steps, whose plan says three."""
    folder = tmp_path_factory.mktemp("planner ü")
    job = training_job(folder / "train", tiny_phantoms(folder / "scans"))
    assert work_on(job, False) == 0
    plan = replace(Plan.from_dict(read_json(job.plan_path)), steps=StepPlan(1, 2, 3, 2, 0), sentences=("Three steps.",))
    write_json_atomic(job.plan_path, plan.to_dict())
    return job


def follower(planner, folder, **changes):
    return training_job(
        folder, planner.folder.parent / "scans" / "dataset.json", plan_of=str(planner.folder), **changes
    )


def test_network_patch_and_steps_are_those_of_the_other_training(planner, tmp_path):
    job = follower(
        planner, tmp_path / "job", training__method="supervised", network__base_filters="4",
        data__patch_size_kji="[8, 8, 8]",
    )  # fmt: skip
    assert work_on(job, False) == 0
    other, own = read_json(planner.plan_path), read_json(job.plan_path)
    assert {**own, "history": [], "reviewed_regions": None} == {**other, "history": [], "reviewed_regions": None}
    card = read_json(job.model_folder / "model.json")
    assert card["card"]["steps"] == 3 and card["card"]["plan"] == ["Three steps."]
    assert card["architecture"] == other["architecture"]


def test_without_plan_of_there_is_none(planner):
    assert plan_taken_over(planner.read_config(), planner.read_datalist()) is None


def test_a_training_that_has_not_planned_yet(planner, tmp_path):
    waiting = follower(planner, tmp_path / "waiting")
    config = replace(waiting.read_config(), plan_of=str(waiting.folder))
    with pytest.raises(ConfigError, match="has no plan to take over yet"):
        plan_taken_over(config, waiting.read_datalist())


def test_a_plan_for_other_labels(planner, tmp_path):
    job = follower(planner, tmp_path / "job")
    datalist = job.read_datalist()
    more = replace(datalist, labels=(*datalist.labels, Label(9, "vessel")))
    with pytest.raises(DataError, match="is for 2 labels and 1 channels, the datalist has 3 and 1"):
        plan_taken_over(job.read_config(), more)
