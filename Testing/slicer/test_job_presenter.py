"""What the pages Train and Segment have in common, without a process."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from job_fixtures import a_training_job
from segmentation_parts import ReadyEnvironment
from training_stage import a_job_of_events

from coranet.contract import JobKind
from coranet.contract.errors import JobError
from coranet.contract.events import Cancelled, Finished, Started
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.jobs.job_presenter import JobPresenter
from CoraNetSlicerLib.logic import CoraNetLogic

APPLICATION = SimpleNamespace(later=lambda action, milliseconds=0: None)


@pytest.fixture
def make_presenter(context, tmp_path):
    """Makes a presenter on the same scene and folder of jobs, as a panel that is opened again does."""
    created = []

    def make(kind: JobKind = JobKind.TRAIN) -> JobPresenter:
        logic = CoraNetLogic(context, jobsFolder=tmp_path / "jobs")
        presenter = JobPresenter(kind, logic, ReadyEnvironment(), Parameters(context.scene), APPLICATION)
        presenter._attach_to_remembered()
        created.append(presenter)
        return presenter

    yield make
    for presenter in created:
        presenter.close()


@pytest.mark.parametrize(("kind", "name"), [(JobKind.TRAIN, "training"), (JobKind.SEGMENT, "segmentation")])
def test_reasons_name_the_kind_of_job(make_presenter, kind, name):
    presenter = make_presenter(kind)
    assert not presenter.is_active and presenter.reason_busy == "" and presenter.progress == 0
    assert presenter.reason_not_stoppable == f"No {name} is running."
    assert presenter.reason_not_resumable == f"There is no {name} yet."
    with pytest.raises(JobError, match="There is no"):
        presenter.resume()


@pytest.mark.parametrize(
    ("event", "reason"), [(Finished("done.", 3.0), "The training is finished."), (Cancelled(4), "")], ids=str
)
def test_what_is_not_finished_can_be_resumed(make_presenter, tmp_path, event, reason):
    presenter = make_presenter()
    job = a_job_of_events(tmp_path / "jobs" / "old", Started(0, 10, "cpu", "0"), event)
    presenter.attach(presenter._logic.attach(job.folder))
    assert presenter.reason_not_resumable == reason
    assert make_presenter().handle.folder == job.folder  # the scene remembers it
    assert make_presenter(JobKind.SEGMENT).handle is None  # that one has a memory of its own


def test_a_job_whose_folder_is_gone_cannot_be_resumed(make_presenter, tmp_path):
    presenter = make_presenter()
    job = a_training_job(tmp_path / "jobs" / "new")
    presenter.attach(presenter._logic.attach(job.folder))
    job.folder.rename(tmp_path / "elsewhere")
    assert presenter.reason_not_resumable == "The folder of the training is gone."


def test_news_of_a_job_that_is_not_followed_any_more_are_no_news(make_presenter, tmp_path):
    presenter, received = make_presenter(), []
    first, second = (presenter._logic.attach(a_training_job(tmp_path / "jobs" / name).folder) for name in "ab")
    presenter.attach(first)
    presenter.attach(second)
    presenter.changed.connect(lambda: received.append(1))
    presenter.ended.connect(received.append)
    presenter._on_events(first, [Started(0, 10, "cpu", "0")])
    presenter._on_ended(first)
    assert received == [] and presenter.handle is second
    presenter._on_ended(second)
    assert received == [1, second]
