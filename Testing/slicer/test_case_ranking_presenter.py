"""Which case of the table is how uncertain: from the latest segmentation of its volume, with the reason in words."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from queued_application import QueuedApplication
from synthetic_predictions import CASE_ID, synthetic_heads, write_regions, write_segmented_job, write_volumes

from coranet.contract import CaseQuality
from CoraNetSlicerLib.core.results import case_key, mark_as_case
from CoraNetSlicerLib.data.case_ranking import CaseRanking, CaseSorting, share_text
from CoraNetSlicerLib.data.case_rows import CaseRole, CaseRow
from CoraNetSlicerLib.logic import CoraNetLogic


@pytest.fixture
def logic(context, tmp_path):
    logic = CoraNetLogic(context, jobsFolder=tmp_path / "jobs")
    yield logic
    logic.close()


@pytest.fixture
def application(context):
    return QueuedApplication(context.scene)


@pytest.fixture
def ranking(logic, application):
    ranking = CaseRanking(logic, application)
    application.run()
    yield ranking
    ranking.close()


@pytest.fixture
def segment(logic, ranking, application):
    """Makes a finished segmentation; of `certain` heads, half of the doubt is gone."""

    def segment(name: str, is_certain: bool = False):
        heads = synthetic_heads()
        if is_certain:
            upper = np.arange(heads["radical"].shape[0])[:, None, None] > 6
            for head in ("conservative", "radical"):
                heads[head] = np.where(upper, heads["segmentation"], heads[head])
        job = write_segmented_job(logic.jobsFolder / name, heads)
        write_regions(job.prediction(CASE_ID), heads)
        write_volumes(job.prediction(CASE_ID), heads)
        ranking.look_again()
        application.run()
        return job

    return segment


def a_row(volume, key="1"):
    return CaseRow(key, CaseRole.UNLABELED, volume)


def test_a_volume_that_was_not_segmented_is_unknown(ranking, a_volume_node):
    assert ranking.of(a_row(a_volume_node)) is None
    assert share_text(None) == ""


def test_the_reason_is_said_in_words(ranking, segment, a_volume_node):
    job = segment("one")
    mark_as_case(a_volume_node, case_key(job, CASE_ID))
    found = ranking.of(a_row(a_volume_node))
    assert "% of the predicted" in found.reason and 0 < found.share < 1
    assert share_text(found) == f"{100 * found.share:.0f} %"
    poor = replace(found, quality=CaseQuality(None, "poor", ("far less sure.",), 0.5))
    assert share_text(poor) == f"poor, {100 * found.share:.0f} %"
    assert share_text(replace(found, quality=CaseQuality(0.9, "good"))) == share_text(found)


def test_a_file_is_known_by_its_path(ranking, segment):
    job = segment("one")
    image = job.read_datalist().cases[0].image
    assert ranking.of(a_row(image)).case == CASE_ID
    assert ranking.of(a_row("/elsewhere.nrrd")) is None


def test_a_file_that_was_written_after_its_result_may_be_another_scan(ranking, application, segment):
    job = segment("one")
    image = job.read_datalist().cases[0].image
    later = time.time() + 5
    os.utime(image, (later, later))
    ranking.look_again()
    application.run()
    assert ranking.of(a_row(image)) is None


def test_the_latest_segmentation_counts(ranking, application, segment, a_volume_node):
    first, second = segment("one"), segment("two", is_certain=True)
    for job in (first, second):
        mark_as_case(a_volume_node, case_key(job, CASE_ID))
    for job, age in ((first, 100), (second, 0)):
        moment = time.time() - age
        os.utime(job.folder, (moment, moment))
    ranking._logic.jobSummaries()
    ranking.look_again()
    application.run()
    assert ranking.of(a_row(a_volume_node)).folder == second.prediction(CASE_ID).folder
    os.utime(second.folder, (time.time() - 200,) * 2)
    ranking.look_again()
    application.run()
    assert ranking.of(a_row(a_volume_node)).folder == first.prediction(CASE_ID).folder


def test_news_are_told_once(ranking, segment, application):
    received = []
    ranking.changed.connect(lambda: received.append(1))
    segment("one")
    assert received == [1]
    ranking.look_again()
    application.run()
    assert received == [1]


def test_a_damaged_result_does_not_hide_the_others(ranking, segment, application):
    good, bad = segment("good"), segment("bad")
    bad.prediction(CASE_ID).result.write_text("{")
    ranking.look_again()
    application.run()
    assert ranking.of(a_row(good.read_datalist().cases[0].image)) is not None


def test_after_closing_nothing_is_told(ranking, segment):
    received = []
    ranking.changed.connect(lambda: received.append(1))
    ranking.close()
    segment("one")
    assert received == []


class TestSorting:
    def test_the_most_uncertain_first_then_the_least_then_as_added(self, ranking, segment):
        jobs = [segment("sure", is_certain=True), segment("unsure")]
        known = {}
        for key, job in zip("23", jobs, strict=True):
            row = CaseRow(key, CaseRole.UNLABELED, job.read_datalist().cases[0].image)
            files = {case.folder: case for case in ranking._known.values()}
            known[row.key] = files[job.prediction(CASE_ID).folder]
        rows = [CaseRow(key, CaseRole.UNLABELED, f"/{key}.nrrd") for key in "1234"]
        sorting = CaseSorting()
        orders = []
        for _click in range(4):
            orders.append("".join(row.key for row in sorting.sorted(rows, known)))
            sorting.click()
        assert orders == ["1234", "3214", "2314", "1234"]
