"""Jobs of a folder, and a job that a scene remembers."""

from __future__ import annotations

import pytest
from job_fixtures import a_training_job

from coranet.contract.events import EventWriter, Finished
from CoraNetSlicerLib.jobs.listing import JobListing, find_again


class TestFindingAgain:
    """A scene remembers a job by its identifier, and by the folder in which it was."""

    @pytest.fixture
    def a_job(self, tmp_path):
        return a_training_job(tmp_path / "jobs" / "mine")

    def find(self, job, jobs_folder, identifier=None):
        return find_again(str(job.folder), job.identifier if identifier is None else identifier, jobs_folder)

    def test_it_is_where_it_was(self, a_job, tmp_path):
        assert self.find(a_job, tmp_path / "jobs") == a_job.folder

    @pytest.mark.parametrize("name", ["renamed", "2026-01-01-train-1", "mine (copy)"])
    def test_a_renamed_one_is_found_among_the_jobs(self, a_job, tmp_path, name):
        a_job.folder.rename(tmp_path / "jobs" / name)
        assert self.find(a_job, tmp_path / "jobs") == tmp_path / "jobs" / name

    def test_another_job_in_its_folder_is_not_it(self, a_job, tmp_path):
        a_job.folder.rename(tmp_path / "elsewhere")
        a_training_job(a_job.folder)
        assert self.find(a_job, tmp_path / "jobs") is None
        assert self.find(a_job, tmp_path) == tmp_path / "elsewhere"

    def test_a_scene_of_an_earlier_version_goes_by_the_folder(self, a_job, tmp_path):
        assert self.find(a_job, tmp_path / "jobs", "") == a_job.folder

    def test_one_that_cannot_be_read_is_taken_for_it_so_that_this_is_said(self, a_job, tmp_path):
        (a_job.folder / "job.json").write_text("{", encoding="utf-8")
        assert self.find(a_job, tmp_path / "jobs") == a_job.folder

    def test_nothing_is_found_for_nothing(self, tmp_path):
        assert find_again("", "", tmp_path) is None
        assert find_again(str(tmp_path / "gone"), "x", tmp_path / "no folder") is None


def test_a_job_whose_clock_was_wrong_is_dated_by_its_files(tmp_path):
    for number, when in enumerate((1e300, -1e15)):
        job = a_training_job(tmp_path / f"job {number}")
        job.claim()
        writer = EventWriter(job.events_path, clock=lambda when=when: when)
        writer.write(Finished("well.", 1.0))
        writer.close()
    for summary in JobListing().look(tmp_path):
        assert 1e9 < summary.changed < 1e11
