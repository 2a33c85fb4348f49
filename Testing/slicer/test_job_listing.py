"""Jobs of a folder: found again by a scene, and names for new ones that every system takes."""

from __future__ import annotations

import pytest
from job_fixtures import a_training_job

from coranet.contract.events import EventWriter, Finished
from CoraNetSlicerLib.core.parameters import Parameters
from CoraNetSlicerLib.jobs.listing import (
    JobListing,
    RememberedJob,
    find_again,
    free_name,
    improved_name,
    name_error,
    segmentation_name,
    training_name,
)


class TestFindingAgain:
    """A scene remembers a job by its identifier, and by the folder in which it was."""

    @pytest.fixture
    def a_job(self, tmp_path):
        return a_training_job(tmp_path / "jobs" / "mine")

    def find(self, job, jobs_folder):
        return find_again(str(job.folder), job.identifier, jobs_folder)

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

    def test_one_that_cannot_be_read_is_taken_for_it_so_that_this_is_said(self, a_job, tmp_path):
        (a_job.folder / "job.json").write_text("{", encoding="utf-8")
        assert self.find(a_job, tmp_path / "jobs") == a_job.folder

    def test_the_panel_writes_it_into_the_scene(self, context, a_job, tmp_path):
        remembered = RememberedJob(Parameters(context.scene), "Training")
        assert remembered.folder == "" and remembered.find(tmp_path) is None
        remembered.write(a_job)
        a_job.folder.rename(tmp_path / "jobs" / "renamed")
        assert remembered.find(tmp_path / "jobs") == tmp_path / "jobs" / "renamed"
        remembered.write(None)
        assert remembered.find(tmp_path / "jobs") is None

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


@pytest.mark.parametrize(
    ("segments", "name"),
    [
        ((), "Training"),
        (("Left atrium",), "Left atrium"),
        (("Liver", "Tumor"), "Liver and Tumor"),
        (("Liver", "Tumor", "Spleen", "Aorta"), "Liver and 3 more"),
    ],
)
def test_a_training_is_called_after_what_it_learns(segments, name):
    assert training_name(segments) == name


def test_a_segmentation_is_called_after_what_it_segments():
    assert segmentation_name(["Patient 7"]) == "Segmentation of Patient 7"
    assert segmentation_name(["A", "B", "C"]) == "Segmentation of 3 volumes"


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    assert free_name(tmp_path, "Left atrium") == "Left atrium"
    for taken in ("Left atrium", "Left atrium 2"):
        (tmp_path / taken).mkdir()
    assert free_name(tmp_path, "Left atrium") == "Left atrium 3"


def test_what_improves_a_model_counts_on(tmp_path):
    assert improved_name(tmp_path, "Left atrium") == "Left atrium, improved 1"
    assert improved_name(tmp_path, "Left atrium, improved 1") == "Left atrium, improved 2"
    (tmp_path / "Left atrium, improved 1").mkdir()
    assert improved_name(tmp_path, "Left atrium") == "Left atrium, improved 2"


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        ("a/b: <c>?", "ab c"),
        ("", "Training"),
        (" Leber – 肝. ", "Leber – 肝"),
        ("CON", "CON job"),
        ("x" * 300, "x" * 76),
    ],
)
def test_a_proposal_has_nothing_that_a_folder_cannot_be_named(tmp_path, requested, name):
    assert free_name(tmp_path, requested) == name and name_error(tmp_path, name) == ""


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "Give the training a name."),
        ("  ", "Give the training a name."),
        ('a"b', 'A name cannot have "; leave them out.'),
        ("a\tb", "A name cannot have '\\t'; leave them out."),
        ("a ", "A name cannot begin or end with a space, or end with a dot."),
        ("a.", "A name cannot begin or end with a space, or end with a dot."),
        ("x" * 81, "A name has at most 80 characters, this one has 81."),
        ("COM1", "Windows reserves the name 'COM1'; choose another one."),
        ("nul.txt", "Windows reserves the name 'nul.txt'; choose another one."),
        ("taken", "There is a job 'taken' already; choose another name."),
        ("Jürgen's 例", ""),
        ("console", ""),
    ],
)
def test_a_name_must_be_one_that_every_system_takes(tmp_path, name, error):
    (tmp_path / "taken").mkdir()
    assert name_error(tmp_path, name) == error
