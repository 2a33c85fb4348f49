"""Names of jobs: after what they do, free, and such as every system takes."""

from __future__ import annotations

import pytest

from CoraNetSlicerLib.jobs.listing import free_name, improved_name, name_error, segmentation_name, training_name


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
    ("wanted", "name"),
    [
        ("a/b: <c>?", "ab c"),
        ("", "Training"),
        (" Leber – 肝. ", "Leber – 肝"),
        ("CON", "CON job"),
        ("x" * 300, "x" * 76),
    ],
)
def test_a_proposal_has_nothing_that_a_folder_cannot_be_named(tmp_path, wanted, name):
    assert free_name(tmp_path, wanted) == name and name_error(tmp_path, name) == ""


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
