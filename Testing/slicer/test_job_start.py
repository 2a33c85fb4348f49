"""From a click to a running job: whatever goes wrong on the way, it is told, and nothing is busy for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from queued_application import QueuedApplication

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError, JobError, StorageError
from CoraNetSlicerLib.core.case_files import CaseFiles
from CoraNetSlicerLib.core.export import SegmentExport
from CoraNetSlicerLib.jobs.job_start import JobStart

ERRORS = {
    "data": DataError("a wrong image; check it."),
    "storage": StorageError("the disk is full; make room."),
    "permission": PermissionError(13, "denied"),
    "memory": MemoryError(),
    "vtk": RuntimeError("a filter failed"),
    "type": TypeError("None"),
    "key": KeyError("Liver"),
    "index": IndexError("list index out of range"),
    "attribute": AttributeError("'NoneType' object has no attribute 'GetName'"),
    "text": UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"),
    "recursion": RecursionError(),
}


class Files:
    """Files of a job: two steps, of which one may fail."""

    def __init__(self, fails_at: int = -1, error: Exception | None = None) -> None:
        self.job: Job | None = None
        self.closed = False
        self._fails_at, self._error = fails_at, error

    def steps(self):
        try:
            for number in range(2):
                if number == self._fails_at:
                    raise self._error
                yield f"part {number}"
            if self._fails_at == 2:
                raise self._error
            self.job = Job(Path("job"), JobKind.SEGMENT)
        finally:
            self.closed = True


class Logic:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def start(self, job):
        if self.error is not None:
            raise self.error
        return f"handle of {job.folder}"


class Stage:
    def __init__(self, context, error_of_logic: Exception | None = None) -> None:
        self.told, self.done, self.failed = [], [], []
        self.application = QueuedApplication(context.scene)
        self.start = JobStart(Logic(error_of_logic), self.application, self.told.append)

    def begin(self, files: Files) -> None:
        self.start.begin(files, self.done.append, self.failed.append)
        self.application.run()


def test_it_writes_then_starts(context):
    stage = Stage(context)
    stage.begin(Files())
    assert stage.told == ["part 0", "part 1"] and stage.done == ["handle of job"] and stage.failed == []
    assert not stage.start.is_busy


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
def test_an_error_while_writing_is_told_and_the_next_one_can_begin(context, error, at):
    stage, files = Stage(context), Files(at, error)
    stage.begin(files)
    assert not stage.start.is_busy and files.closed
    assert len(stage.failed) == 1 and stage.failed[0] and stage.done == []
    stage.begin(Files())
    assert stage.done == ["handle of job"]


@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
def test_an_error_of_the_process_is_told(context, error):
    stage = Stage(context, error_of_logic=error)
    stage.begin(Files())
    assert not stage.start.is_busy and len(stage.failed) == 1 and stage.failed[0]


def test_an_error_of_who_waits_for_the_job_is_told(context):
    stage = Stage(context)

    def watch(handle):
        raise JobError("its files cannot be read.")

    stage.start.begin(Files(), watch, stage.failed.append)
    stage.application.run()
    assert stage.failed == ["its files cannot be read."] and not stage.start.is_busy


def test_cancelled_it_calls_nobody(context):
    stage, files = Stage(context), Files()
    stage.start = JobStart(Logic(), stage.application, lambda text: stage.start.cancel())
    stage.begin(files)
    stage.start.cancel()
    assert files.closed
    assert stage.done == stage.failed == [] and not stage.start.is_busy


class TestWhatIsLeft:
    """A folder that was made for a job goes with its files; one that was there before stays."""

    @pytest.mark.parametrize("steps", range(4))
    def test_nothing_of_a_job_that_was_stopped(self, context, a_volume_node, tmp_path, steps):
        from CoraNetSlicerLib.jobs.arguments import segment_config

        export = SegmentExport(tmp_path / "jobs" / "job", [a_volume_node] * 1, segment_config(tmp_path))
        writing = export.steps()
        for _step in range(steps):
            next(writing, None)
        if export.job is None:
            writing.close()
            assert list(tmp_path.rglob("*")) in ([], [tmp_path / "jobs"])

    def test_a_folder_of_somebody_else_stays(self, context, a_volume_node, tmp_path):
        (tmp_path / "job").mkdir()
        job = Job(tmp_path / "job", JobKind.SEGMENT)
        with pytest.raises(RuntimeError), CaseFiles(job) as files:
            files.write_image("a", a_volume_node)
            raise RuntimeError
        assert list(tmp_path.rglob("*")) == [tmp_path / "job"]

    def test_folders_of_images_and_labels_go_with_the_job(self, context, a_volume_node, tmp_path):
        import numpy as np

        job = Job(tmp_path / "job", JobKind.TRAIN)
        label = np.zeros(a_volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
        with pytest.raises(KeyError), CaseFiles(job) as files:
            files.write_image("a", a_volume_node)
            files.write_label("a", label, a_volume_node)
            raise KeyError
        assert list(tmp_path.rglob("*")) == []

    def test_all_of_it_stays_where_nothing_failed(self, context, a_volume_node, tmp_path):
        job = Job(tmp_path / "job", JobKind.TRAIN)
        with CaseFiles(job) as files:
            path = files.write_image("a", a_volume_node)
        case = Case("a", Role.UNLABELED, path)
        Job.create(job.folder, JobKind.TRAIN, TrainConfig(), Datalist((case,), (Label(1, "Liver"),)))
        assert (job.folder / path).is_file()
