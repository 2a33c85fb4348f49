"""The files of a job that was not written to its end: what was made for it goes, what was there before stays."""

from __future__ import annotations

import numpy as np
import pytest

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from CoraNetSlicerLib.core.export import CaseFiles, SegmentExport
from CoraNetSlicerLib.jobs.arguments import segment_config


class TestWhatIsLeft:
    """A folder that was made for a job goes with its files; one that was there before stays."""

    @pytest.mark.parametrize("steps", range(4))
    def test_nothing_of_a_job_that_was_stopped(self, context, a_volume_node, tmp_path, steps):
        export = SegmentExport(tmp_path / "jobs" / "job", [a_volume_node] * 1, segment_config(tmp_path))
        writing = export.steps()
        for _step in range(steps):
            next(writing, None)
        if not Job.exists(tmp_path / "jobs" / "job"):
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
