"""A handle shows how far a job is, waits without threads, and calls back once."""

from __future__ import annotations

import logging
import shutil

import pytest
from job_fixtures import a_training_job, fake_runner
from patience import PATIENCE_S, wait_until

from coranet.contract import Job, JobStatus
from coranet.contract.errors import JobError
from coranet.contract.events import Finished, Losses, Progress, Started
from CoraNetSlicerLib.jobs.handle import JobHandle


@pytest.fixture
def job(awkward_path):
    return a_training_job(awkward_path / "job 1")


class HandTicker:
    """Ticks when the test says so."""

    def __init__(self) -> None:
        self.callback = None

    def start(self, callback) -> None:
        self.callback = callback

    def stop(self) -> None:
        self.callback = None

    def tick_until_it_stops(self) -> None:
        def tick() -> bool:
            if self.callback:
                self.callback()
            return self.callback is None

        wait_until(tick)


def start(job, behaviour: str = "", ticker=None, **settings: str) -> JobHandle:
    runner = fake_runner(behaviour, **settings)
    return JobHandle(job, runner, runner.start(job), ticker=ticker)


def test_waiting_gives_the_status_at_the_end(job):
    handle = start(job)
    assert handle.wait(PATIENCE_S) is JobStatus.FINISHED
    assert handle.progress == 1.0
    assert handle.secondsLeft is None
    assert handle.message == "learned nothing in 5 steps: größer als 0."
    assert any(isinstance(event, Started) for event in handle.events) and isinstance(handle.events[-1], Finished)


def test_waiting_gives_up_after_the_timeout(job):
    handle = start(job, FAKE_STEPS="10000")
    assert handle.wait(0.05) is JobStatus.RUNNING
    handle.cancel()
    assert handle.wait(PATIENCE_S) is JobStatus.CANCELLED
    assert "can be resumed" in handle.message


def test_waiting_keeps_the_application_alive(job):
    runner, calls = fake_runner(), []
    JobHandle(job, runner, runner.start(job), processEvents=lambda: calls.append(1)).wait(PATIENCE_S)
    assert calls


def test_waiting_for_a_job_that_was_never_started_is_refused(job):
    with pytest.raises(JobError, match="has not been started"):
        JobHandle(job, fake_runner()).wait()


def test_progress_and_time_left_follow_the_events(job):
    handle = start(job, FAKE_STEPS="1000", FAKE_SECONDS_A_STEP="0.05")
    wait_until(lambda: handle.poll() and handle.progress > 0)
    assert 0 < handle.progress < 0.5
    assert 0 < handle.secondsLeft <= 50
    assert handle.phase == "pretraining"
    handle.cancel()
    handle.wait(PATIENCE_S)


def test_time_left_runs_on_between_two_events(job):
    with_events = job.open_events()
    with_events.write(Started(0, 10, "cpu", "1"))
    stamp = with_events.write(Progress("pretraining", 1, 10, 90.0)).time
    with_events.close()
    job.claim()  # this test's own process works on it
    handle = JobHandle(job, fake_runner(), clock=lambda: stamp + 30)
    assert 0 < handle.secondsLeft <= 60


def test_preparing_the_data_is_no_progress_of_the_whole(job):
    with_events = job.open_events()
    with_events.write(Started(0, 10, "cpu", "1"))
    with_events.write(Progress("preparing", 2, 2, 0.0))
    with_events.close()
    job.claim()
    handle = JobHandle(job, fake_runner())
    assert (handle.phase, handle.progress, handle.secondsLeft) == ("preparing", 0.0, None)


@pytest.mark.parametrize(
    ("events", "share"),
    [
        ([Started(4, 10, "cpu", "1"), Progress("preparing", 10, 10)], 0.4),
        ([Started(0, 10, "cpu", "1"), Progress("self-training", 7, 10), Started(5, 10, "cpu", "1")], 0.5),
        ([Started(0, 10, "cpu", "1"), Progress("self-training", 10, 10), Progress("error_model", 1, 40)], 1.0),
        ([Started(0, 0, "cpu", "1")], 0.0),
    ],
    ids=["prepared again", "resumed", "learning where it errs", "nothing to do"],
)
def test_progress_is_of_the_counted_steps(job, events, share):
    with_events = job.open_events()
    for event in events:
        with_events.write(event)
    with_events.close()
    job.claim()
    assert JobHandle(job, fake_runner()).progress == share


def test_a_ticker_brings_news_and_is_stopped_at_the_end(job):
    ticker, received, ended = HandTicker(), [], []
    handle = start(job, ticker=ticker)
    handle.onEvents(received.extend)
    handle.onFinished(ended.append)
    ticker.tick_until_it_stops()
    assert [event.step for event in received if isinstance(event, Losses)] == [1, 2, 3, 4, 5]
    assert ended == [handle]
    handle.poll()
    assert ended == [handle]


def test_who_asks_late_is_told_at_once(job):
    handle = start(job)
    handle.wait(PATIENCE_S)
    received, ended = [], []
    handle.onEvents(received.extend)
    handle.onFinished(ended.append)
    assert len(received) == len(handle.events)
    assert ended == [handle]


def test_a_callback_that_fails_does_not_silence_the_others(job, caplog):
    handle, ended = start(job), []

    def broken(_):
        raise ValueError("my own mistake")

    handle.onEvents(broken)
    handle.onFinished(broken)
    handle.onFinished(ended.append)
    with caplog.at_level(logging.ERROR):
        assert handle.wait(PATIENCE_S) is JobStatus.FINISHED
    assert ended == [handle]
    assert "my own mistake" in caplog.text


def test_an_error_of_the_job_is_its_message(job):
    handle = start(job, "fails")
    assert handle.wait(PATIENCE_S) is JobStatus.FAILED
    assert handle.message == "the label 'x.nrrd' has no voxel; paint one."


def test_a_process_that_dies_at_once_shows_the_end_of_its_log(job):
    handle = start(job, "dies at once")
    assert handle.wait(PATIENCE_S) is JobStatus.CRASHED
    assert "No module named 'torch' (ÄÖÜ)" in handle.message
    assert "No module named" in handle.logTail(1)


@pytest.mark.slow
def test_a_stopped_job_is_resumed_where_it_was(job):
    handle = start(job, FAKE_STEPS="40", FAKE_SECONDS_A_STEP="0.05")
    wait_until(lambda: handle.poll() and len(handle.events) > 6)
    handle.cancel()
    assert handle.wait(PATIENCE_S) is JobStatus.CANCELLED
    ended = []
    handle.onFinished(ended.append)
    handle.resume()
    assert handle.status is JobStatus.RUNNING
    with pytest.raises(JobError, match="is running"):
        handle.resume()
    assert handle.wait(PATIENCE_S) is JobStatus.FINISHED
    assert [event.step for event in handle.events if isinstance(event, Losses)] == list(range(1, 41))
    assert len(ended) == 2  # once for each end


def test_it_is_stopping_from_the_request_to_the_end_of_the_process(job, tmp_path):
    held = tmp_path / "held"
    held.touch()
    handle = start(job, FAKE_STEPS="100000", FAKE_HELD_BY=str(held))
    wait_until(lambda: handle.poll() and len(handle.events) > 1)
    assert not handle.isStopping
    job.request_cancel()
    assert handle.isStopping
    held.unlink()
    assert handle.wait(PATIENCE_S) is JobStatus.CANCELLED and not handle.isStopping
    handle.resume()
    assert not handle.isStopping
    handle.cancel()
    handle.wait(PATIENCE_S)


def test_it_is_stopping_although_the_engine_has_forgotten_the_request(job):
    job.claim()
    handle = JobHandle(job, fake_runner())
    job.request_cancel()
    assert handle.isStopping
    job.withdraw_cancel()
    assert handle.status is JobStatus.RUNNING and handle.isStopping
    job.add_event(Started(0, 10, "cpu", "1"))
    handle.poll()
    assert not handle.isStopping, "somebody has started it again"


def test_a_finished_job_is_not_resumed(job):
    handle = start(job)
    handle.wait(PATIENCE_S)
    with pytest.raises(JobError, match="is finished"):
        handle.resume()


def test_a_damaged_line_of_the_events_is_said_and_the_job_is_watched_on(job, caplog):
    ticker = HandTicker()
    handle = start(job, ticker=ticker, FAKE_STEPS="100000")
    wait_until(lambda: handle.poll() and len(handle.events) > 1)
    with open(job.events_path, "a", encoding="utf-8") as file:
        file.write("not an event\n")

    def tick() -> str:
        ticker.callback()
        return handle.trouble

    with caplog.at_level(logging.WARNING):
        wait_until(tick)
    assert "not an event of this version" in handle.trouble
    assert "cannot be watched at the moment" in caplog.text
    before = len(handle.events)
    wait_until(lambda: not tick() and len(handle.events) > before)
    handle.cancel()
    ticker.tick_until_it_stops()
    assert handle.status is JobStatus.CANCELLED and handle.trouble == ""


# What a look may meet while a file is being replaced, or a network folder is away.
MOMENTARY = [
    JobError("'process.json' cannot be read as JSON."),
    PermissionError(13, "used by another process"),
    OSError(116, "Stale file handle"),
    OSError(5, "Input/output error"),
]


@pytest.mark.parametrize("error", MOMENTARY, ids=lambda error: type(error).__name__)
def test_looks_that_fail_for_a_while_do_not_end_the_watch(job, monkeypatch, error):
    ticker, received = HandTicker(), []
    handle = start(job, ticker=ticker, FAKE_STEPS="100000")
    wait_until(lambda: handle.poll() and handle.progress > 0)
    before = handle.progress
    handle.onEvents(received.append)
    received.clear()

    def fails() -> JobStatus:
        raise error

    with monkeypatch.context() as away:
        away.setattr(handle._process, "poll", fails)
        away.setattr(handle._process, "status", fails)
        for _ in range(60):  # more than are forgiven to a script
            ticker.callback()
        assert handle.status is JobStatus.RUNNING and handle.progress == before
        assert (error.strerror or "") in handle.trouble if isinstance(error, OSError) else handle.trouble == str(error)
        with pytest.raises(JobError):
            handle.wait(PATIENCE_S)
        assert received == [[]], "who watches is told once that there is trouble"
    ticker.callback()
    assert handle.trouble == "" and ticker.callback is not None and len(received) == 2
    handle.cancel()
    ticker.tick_until_it_stops()
    assert handle.status is JobStatus.CANCELLED


def test_a_folder_that_is_removed_ends_the_watch_and_is_named(job):
    ticker, ended = HandTicker(), []
    handle = start(job, ticker=ticker, FAKE_STEPS="100000")
    handle.onFinished(ended.append)
    wait_until(lambda: handle.poll() and len(handle.events) > 1)
    job.request_cancel()
    wait_until(lambda: handle._process._child.poll() is not None)
    shutil.rmtree(job.folder)
    for _ in range(60):
        if ticker.callback:
            ticker.callback()
    assert ended == [handle] and handle.status is JobStatus.CRASHED
    assert f"'{job.folder}' of the job is gone" in handle.message


def test_a_process_that_works_for_a_deleted_job_is_ended(job):
    ticker, ended = HandTicker(), []
    handle = start(job, ticker=ticker, FAKE_STEPS="100000")
    handle.onFinished(ended.append)
    wait_until(lambda: handle.poll() and len(handle.events) > 1)
    shutil.rmtree(job.folder, ignore_errors=True)
    wait_until(lambda: not Job.exists(job.folder))
    job.folder.mkdir(exist_ok=True)  # as a heartbeat does
    for _ in range(60):
        if ticker.callback:
            ticker.callback()
    assert ended == [handle] and f"'{job.folder}' of the job is gone" in handle.message
    wait_until(lambda: handle._process._child.poll() is not None)


def test_a_handle_says_what_it_is(job):
    assert repr(JobHandle(job, fake_runner())).startswith("<JobHandle train")


def test_a_process_that_was_ended_by_force_says_what_may_have_ended_it(job):
    handle = start(job, FAKE_STEPS="10000")
    wait_until(lambda: len(job.read_events()) > 3)
    handle._process._child.kill()
    assert handle.wait(PATIENCE_S) is JobStatus.CRASHED
    assert "was killed" in handle.message and "memory" in handle.message
    assert "; its log ends with: " in handle.message
