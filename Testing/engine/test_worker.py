"""The process of a job: its heart beats, every error becomes a last word, and no traceback reaches a person."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
from patience import wait_until
from small_jobs import errors_in, segmentation_job, training_job

from coranet import segmentation
from coranet.contract import Job, JobStatus, write_json_atomic
from coranet.contract.errors import DataError, JobCancelled, JobTakenError, StorageError
from coranet.contract.events import (
    Cancelled,
    CaseDone,
    CaseFailed,
    CheckpointSaved,
    Failed,
    Finished,
    Progress,
    Started,
    Warned,
)
from coranet.job_process import worker
from coranet.job_process.worker import UNEXPECTED, work_on


@pytest.fixture
def a_job(a_phantom_set, awkward_path) -> Job:
    """A training job that nobody has worked on."""
    return training_job(awkward_path / "job 1", a_phantom_set)


@pytest.fixture
def a_segmentation_job(a_trained_job, a_phantom_set, awkward_path) -> Job:
    """Three scans to be segmented, of which the second is no image."""
    folder = awkward_path / "scans"
    folder.mkdir()
    for name in ("a", "c"):
        shutil.copy(a_phantom_set.parent / "images" / "case001.nrrd", folder / f"{name}.nrrd")
    (folder / "b.nrrd").write_bytes(b"this is no image")
    return segmentation_job(awkward_path / "results", [folder], a_trained_job.folder)


def which_does(monkeypatch, action) -> None:
    """Let the work of a training job be something else."""
    monkeypatch.setattr(
        "coranet.training.job.run_training_job", lambda job, resume, reporter, team: action(reporter) or "done."
    )


def which_raises(monkeypatch, error: BaseException) -> None:
    def fail(reporter) -> None:
        raise error

    which_does(monkeypatch, fail)


def log_of(job: Job) -> str:
    return job.log_path.read_text(encoding="utf-8")


def contents_of(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def empty(folder) -> None:
    """As often as it takes: a heartbeat may lie between two files."""
    while any(folder.iterdir()):
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def remove(folder) -> None:
    empty(folder)
    folder.rmdir()


def kinds_of(job: Job) -> list[type]:
    return [type(event) for event in job.read_events() if not isinstance(event, Progress)]


def test_a_job_that_ends_well_says_so(a_job, monkeypatch):
    which_does(monkeypatch, lambda reporter: None)
    assert work_on(a_job, resume=False) == 0
    (last,) = a_job.read_events()
    assert isinstance(last, Finished) and last.message == "done." and last.seconds >= 0
    assert "done." in log_of(a_job)


def test_what_was_left_out_of_the_input_is_told_first_and_once(a_job, monkeypatch):
    which_does(monkeypatch, lambda reporter: None)
    a_job.write_datalist(replace(a_job.read_datalist(), left_out=("'notes.txt' is left out: it is no image.",)))
    assert a_job.read_datalist().left_out and work_on(a_job, resume=False) == 0
    first, last = a_job.read_events()
    assert isinstance(first, Warned) and (first.code, first.message[:11]) == ("left_out", "'notes.txt'")
    assert isinstance(last, Finished)
    work_on(a_job, resume=True)
    assert kinds_of(a_job) == [Warned, Finished, Finished]


def test_a_listener_is_told_every_event(a_job, monkeypatch):
    received = []
    which_does(monkeypatch, lambda reporter: reporter.emit(Warned("code", "careful.")))
    work_on(a_job, False, received.append)
    assert received == a_job.read_events()
    assert [type(event) for event in received] == [Warned, Finished]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("'a.nrrd' is empty."), 3, "'a.nrrd' is empty."),
        (StorageError("the disk is full."), 7, "the disk is full."),
        (
            OSError(28, "No space left on device", "last.pt"),
            7,
            "'last.pt' could not be written because the disk is full",
        ),
        (MemoryError(), 1, "this machine does not have enough memory; lower data.patch_voxels"),
        (
            RuntimeError("CUDA out of memory."),
            1,
            "this machine does not have enough memory; lower data.patch_voxels",
        ),
        # A team of one has no other process: what a library says of sockets is about something else.
        (RuntimeError("[gloo/pair.cc:534] Connection closed by peer"), UNEXPECTED, "RuntimeError: [gloo/pair.cc:534]"),
        (
            ZeroDivisionError("division by zero"),
            UNEXPECTED,
            "unexpected error ended the job (ZeroDivisionError: division",
        ),
        (RecursionError("too deep"), UNEXPECTED, "RecursionError: too deep"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_becomes_a_last_word_and_an_exit_code(a_job, monkeypatch, capsys, error, code, message):
    which_raises(monkeypatch, error)
    assert work_on(a_job, resume=False) == code
    (last,) = a_job.read_events()
    assert isinstance(last, Failed) and message in last.message
    assert "Traceback" in log_of(a_job) and type(error).__name__ in log_of(a_job)
    printed = capsys.readouterr()
    assert errors_in(printed.err + printed.out) == []


def test_an_unexpected_error_says_where_the_details_are(a_job, monkeypatch):
    which_raises(monkeypatch, ValueError("odd"))
    work_on(a_job, resume=False)
    assert str(a_job.log_path) in a_job.read_events()[-1].message


def test_a_cancelled_job_says_so_and_forgets_the_request(a_job, monkeypatch):
    which_raises(monkeypatch, JobCancelled("stopped on request."))
    a_job.request_cancel()
    assert work_on(a_job, resume=False) == 130
    assert isinstance(a_job.read_events()[-1], Cancelled)
    assert not a_job.cancel_requested()
    assert "Traceback" not in log_of(a_job)


@pytest.mark.slow
def test_a_request_to_stop_before_the_first_step_is_heard(a_job):
    a_job.request_cancel()
    assert work_on(a_job, resume=False) == 130
    assert kinds_of(a_job)[-1] is Cancelled
    assert work_on(a_job, resume=True) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signals that ask")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_asks_for_a_stop_at_the_next_safe_point(a_job, monkeypatch, number):
    def work(reporter) -> None:
        assert not reporter.should_stop()
        signal.raise_signal(number)
        assert reporter.should_stop()
        reporter.stop_if_requested()

    number = getattr(signal, number)
    which_does(monkeypatch, work)
    before = signal.getsignal(number)
    assert work_on(a_job, resume=False) == 130
    assert signal.getsignal(number) is before
    assert isinstance(a_job.read_events()[-1], Cancelled)


def test_a_job_can_be_worked_on_by_another_thread(a_job, monkeypatch):
    which_does(monkeypatch, lambda reporter: None)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(work_on(a_job, resume=False)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_the_heart_beats_while_the_work_lasts(a_job, monkeypatch):
    monkeypatch.setattr(worker, "HEARTBEAT_INTERVAL_S", 0.01)
    beats = set()

    def work(reporter) -> None:
        wait_until(lambda: len(beats.add(a_job.read_process()["heartbeat"]) or beats) >= 4)

    which_does(monkeypatch, work)
    assert work_on(a_job, resume=False) == 0, log_of(a_job)
    assert a_job.read_process()["pid"] == os.getpid()
    assert not [thread for thread in threading.enumerate() if "beat" in thread.name]


def test_a_missed_beat_does_no_harm(a_job, monkeypatch):
    monkeypatch.setattr(worker, "HEARTBEAT_INTERVAL_S", 0.01)
    missed = threading.Event()

    def miss(self, me) -> None:
        missed.set()
        raise StorageError("the disk is full.")

    def work(reporter) -> None:
        monkeypatch.setattr(Job, "renew", miss)
        assert missed.wait()

    which_does(monkeypatch, work)
    assert work_on(a_job, resume=False) == 0


def test_a_job_that_another_process_has_taken_is_left_to_it(a_job, monkeypatch):
    """As when this machine slept so long that another one has taken the job for one that was left."""
    monkeypatch.setattr(worker, "HEARTBEAT_INTERVAL_S", 0.01)
    received, before = [], []

    def work(reporter) -> None:
        other = {**(a_job.read_process() or {}), "host": "another machine", "heartbeat": 1.0}
        a_job.request_cancel()
        before.extend(a_job.read_events())
        while True:
            write_json_atomic(a_job.folder / "process.json", other)
            reporter.should_stop()
            time.sleep(0.01)

    which_does(monkeypatch, work)
    assert work_on(a_job, False, received.append) == JobTakenError.exit_code
    assert a_job.read_events() == before and a_job.read_process()["host"] == "another machine"
    assert a_job.cancel_requested(), "the request is the other one's"
    assert "has taken over the job" in received[-1].message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder in which files are open")
@pytest.mark.parametrize("writes", [True, False], ids=["writing", "computing"])
class TestAFolderThatIsNotThatOfTheJobAnyMore:
    @pytest.fixture
    def outcome(self, a_job, a_phantom_set, monkeypatch, writes):
        """Does something to the folder while the job is worked on: the exit code, and what was heard last."""
        monkeypatch.setattr(worker, "HEARTBEAT_INTERVAL_S", 0.01)

        def outcome_of(change) -> tuple[int, str]:
            received = []

            def work(reporter) -> None:
                change()
                while True:
                    if writes:
                        write_json_atomic(a_job.folder / "checkpoints" / "last.json", {})
                    reporter.stop_if_requested()
                    time.sleep(0.01)

            which_does(monkeypatch, work)
            return work_on(a_job, False, received.append), received[-1].message

        return outcome_of

    def test_deleted(self, a_job, outcome):
        code, message = outcome(lambda: remove(a_job.folder))
        assert code == StorageError.exit_code and "is gone; put it back" in message
        assert not a_job.folder.exists()

    def test_moved(self, a_job, outcome):
        there = a_job.folder.with_name("elsewhere")
        code, message = outcome(lambda: a_job.folder.rename(there))
        assert code == StorageError.exit_code and "is gone; put it back" in message
        assert not a_job.folder.exists()
        assert isinstance(Job.open(there).read_events()[-1], Failed)

    def test_replaced_by_another_job(self, a_job, a_phantom_set, outcome):
        other = training_job(a_job.folder.with_name("other"), a_phantom_set)
        before = contents_of(other.folder)

        def replace_folder() -> None:
            remove(a_job.folder)
            other.folder.rename(a_job.folder)

        code, message = outcome(replace_folder)
        assert code == JobTakenError.exit_code and "now holds another job" in message
        assert contents_of(a_job.folder) == before

    def test_emptied(self, a_job, outcome):
        """As by a person who takes away what is in it, or by a program that copies a folder anew."""

        code, _message = outcome(lambda: empty(a_job.folder))
        assert code == StorageError.exit_code and contents_of(a_job.folder) == {}


def test_nothing_is_left_of_the_logging(a_job, monkeypatch):
    which_does(monkeypatch, lambda reporter: None)
    before = list(logging.getLogger("coranet").handlers)
    work_on(a_job, resume=False)
    assert logging.getLogger("coranet").handlers == before


def test_a_last_word_that_finds_no_room_is_told_to_people(a_job, monkeypatch):
    received = []
    write = worker.EventWriter.write

    def full(writer, event):
        if isinstance(event, Failed):
            raise StorageError("the disk is full.")
        return write(writer, event)

    monkeypatch.setattr(worker.EventWriter, "write", full)
    which_raises(monkeypatch, DataError("'a.nrrd' is empty."))
    assert work_on(a_job, False, received.append) == 3
    assert [event.message for event in received] == ["'a.nrrd' is empty."]


@pytest.mark.slow
def test_a_stop_before_a_resumed_job_has_begun_does_not_say_that_nothing_was_done(a_job):
    def stop_at_a_checkpoint(event) -> None:
        if isinstance(event, CheckpointSaved) and event.step == 6:
            a_job.request_cancel()

    assert work_on(a_job, False, stop_at_a_checkpoint) == 130
    assert a_job.read_events()[-1].step == 6
    a_job.request_cancel()
    assert work_on(a_job, resume=True) == 130
    assert a_job.read_events()[-1].step == 6


# -- segmentation --


@pytest.mark.slow
def test_a_case_that_fails_does_not_stop_the_others(a_segmentation_job):
    assert work_on(a_segmentation_job, resume=False) == 1
    events = a_segmentation_job.read_events()
    assert [event.case for event in events if isinstance(event, CaseDone)] == ["a", "c"]
    (failed,) = (event for event in events if isinstance(event, CaseFailed))
    assert failed.case == "b" and "b.nrrd' cannot be read as an image" in failed.message
    assert isinstance(events[-1], Failed)
    assert "1 of 3 cases could not be segmented" in events[-1].message and "b.nrrd" in events[-1].message
    for case, complete in (("a", True), ("b", False), ("c", True)):
        assert a_segmentation_job.prediction(case).result.exists() is complete


@pytest.mark.slow
def test_resuming_leaves_complete_cases_alone(a_segmentation_job, a_phantom_set, monkeypatch):
    work_on(a_segmentation_job, resume=False)
    files = a_segmentation_job.prediction("a")
    before = files.segmentation.stat().st_mtime_ns, files.read_result()
    (damaged,) = (case for case in a_segmentation_job.read_datalist().cases if case.id == "b")
    shutil.copy(a_phantom_set.parent / "images" / "case002.nrrd", damaged.image)
    segmented = []
    read_channels = segmentation.read_channels

    def count(case):
        segmented.append(case.id)
        return read_channels(case)

    monkeypatch.setattr(segmentation, "read_channels", count)
    assert work_on(a_segmentation_job, resume=True) == 0
    assert segmented == ["b"]
    assert (files.segmentation.stat().st_mtime_ns, files.read_result()) == before
    starts = [
        (event.step, event.total_steps) for event in a_segmentation_job.read_events() if isinstance(event, Started)
    ]
    assert starts == [(0, 3), (2, 3)]
    assert isinstance(a_segmentation_job.read_events()[-1], Finished)


@pytest.mark.slow
def test_a_case_that_was_half_written_is_done_again(a_segmentation_job):
    work_on(a_segmentation_job, resume=False)
    files = a_segmentation_job.prediction("c")
    files.result.unlink()
    files.radical.write_bytes(b"half a file")
    work_on(a_segmentation_job, resume=True)
    assert files.read_result()["case"] == "c"
    assert files.radical.stat().st_size > 100


def test_a_segmentation_stops_between_two_cases(a_segmentation_job):
    def stop_after_the_first(event) -> None:
        if isinstance(event, CaseDone):
            a_segmentation_job.request_cancel()

    assert work_on(a_segmentation_job, False, stop_after_the_first) == 130
    last = a_segmentation_job.read_events()[-1]
    assert isinstance(last, Cancelled) and last.step == 1
    assert a_segmentation_job.prediction("a").result.exists()
    assert not a_segmentation_job.prediction("c").result.exists()


@pytest.mark.slow
def test_the_log_is_for_people(a_segmentation_job):
    work_on(a_segmentation_job, resume=False)
    log = log_of(a_segmentation_job)
    assert "'a' is segmented (1 of 3" in log and "'b' could not be segmented" in log
    assert json.dumps("step") not in log
    assert a_segmentation_job.status() is not JobStatus.CREATED
