"""Which ways to use a training are compared, and how they are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from model_options import markdown, row_of, variants
from small_jobs import tiny_phantoms, training_job, weights_of

from coranet.contract import Datalist, Job, Role, read_datalist
from coranet.job_process.worker import work_on

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tiny_phantoms(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def a_training(tmp_path_factory, data) -> Job:
    """It mirrors and averages."""
    changes = {"training__averaged_share": "0.4", "augmentation__flip_axes": '["L"]'}
    job = training_job(tmp_path_factory.mktemp("trained") / "job", data, **changes)
    assert work_on(job, resume=False) == 0
    return job


def test_each_way_that_the_training_allows_is_compared(a_training, tmp_path):
    found = list(variants(a_training, tmp_path))
    other = {True: "one step", False: "mean of the last weights"}[found[2].model.name == "one-step"]
    assert [(variant.name, variant.mirroring) for variant in found] == [
        ("as it is", "off"), ("as it is, mirrored along L", "on"), (other, "off"), (f"{other}, mirrored along L", "on"),
    ]  # fmt: skip
    own, others = weights_of(a_training), torch.load(found[2].model / "weights.pt", weights_only=True)
    assert own.keys() == others.keys() and any(not torch.equal(own[name], others[name]) for name in own)


def test_a_variant_is_segmented_and_measured_once(a_training, data, tmp_path):
    listed = read_datalist(data)
    datalist = Datalist(listed.with_role(Role.TEST), listed.labels)
    variant = list(variants(a_training, tmp_path / "models"))[1]
    machine = {"threads": 1, "device": "cpu"}
    row = row_of(variant, datalist, machine, tmp_path / "out")
    assert row["cases"] == 1 and 0 <= row["dice"] <= 1 and row["seconds_a_case"] > 0
    assert row_of(replace(variant, model=tmp_path / "gone"), datalist, machine, tmp_path / "out") == row
    assert "| as it is, mirrored along L | 1 |" in markdown([row])
