"""What a training keeps of its cases, and what the card of its model tells of them."""

from __future__ import annotations

import pytest

from coranet.contract import Datalist, Job, JobKind
from coranet.contract.config import TrainConfig
from coranet.contract.events import Warned
from coranet.training_set.record import add_to_record, card_of_cases, read_record, write_record


@pytest.fixture
def a_job(tmp_path) -> Job:
    return Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), Datalist(()))


def test_a_job_of_before_has_nothing_to_say(a_job):
    add_to_record(a_job, [Warned("few_voxels", "small")])
    assert read_record(a_job) == {}
    assert card_of_cases(a_job) == {"scans": {}, "cautions": [], "validation_caution": ""}


@pytest.mark.parametrize(
    ("counts", "cautions"),
    [
        ({}, []),
        ({"left_out": 1}, ["1 unlabeled case was unusable and left out"]),
        ({"left_out": 3, "no_structure": 2}, [
            "3 unlabeled cases were unusable and left out", "2 labeled cases hold no structure",
        ]),
        ({"no_validation": 1, "unlike_others": 2}, ["2 cases are unlike the others"]),
        ({"not_found": 2}, ["2 cases were not found by the coarse network"]),
        ({"same_scan": 1, "same_label": 1}, ["1 scan has several names", "1 label map lies on several scans"]),
    ],
    ids=str,
)  # fmt: skip
def test_the_card_counts_and_names_nobody(a_job, counts, cautions):
    write_record(a_job, {"Mr. Smith": "'/home/Smith.nrrd' is a single slice."}, {"training": ["01ab"]}, counts)
    card = card_of_cases(a_job)
    assert card == {"scans": {"training": ["01ab"]}, "cautions": cautions, "validation_caution": ""}
    assert read_record(a_job)["left_out"] == {"Mr. Smith": "'/home/Smith.nrrd' is a single slice."}


def test_what_is_found_later_is_added(a_job):
    write_record(a_job, {}, {}, {"no_structure": 1})
    add_to_record(a_job, [Warned("few_voxels", "a"), Warned("few_voxels", "b")])
    assert card_of_cases(a_job)["cautions"][-1] == "2 structures are a few voxels large in some case"
