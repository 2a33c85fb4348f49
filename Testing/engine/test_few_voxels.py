"""Structures that are a few voxels large at the working spacing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scans import grid_of, write_case

from coranet.contract import Datalist, Label, Role
from coranet.data.preprocessing import Preprocessing
from coranet.planning.few_voxels import few_voxels
from coranet.reporting import Reporter
from coranet.training_set.survey import survey_cases
from coranet.volume import write_volume

LABELS = (Label(1, "organ"), Label(7, "lesion"))
GRID = grid_of()  # 1 x 1.25 x 2 mm
quiet = Reporter(lambda event: None, lambda: False)


def cases_of(tmp_path, *sizes: int):
    """Cases with an organ of 400 voxels and a lesion of so many."""
    cases = []
    for number, size in enumerate(sizes):
        case = write_case(tmp_path, f"c{number}", Role.TRAINING, seed=number)
        labels = np.zeros(GRID.size_ijk[::-1], np.uint8).ravel()
        labels[:400], labels[800 : 800 + size] = 1, 7
        write_volume(case.label, labels.reshape(GRID.size_ijk[::-1]), GRID)
        cases.append(case)
    return cases


def measured(cases):
    return survey_cases(Datalist(tuple(cases), LABELS), quiet).of(cases)


@pytest.mark.parametrize(
    ("sizes", "spacing", "message"),
    [
        ((200, 300), (1.0, 1.25, 2.0), None),
        ((200, 300), (2.0, 2.5, 4.0), "in 1 of 2 cases"),  # an eighth of 200 is 25
        ((300, 300), (4.0, 5.0, 8.0), "in 2 of 2 cases"),
        ((5, 300), (1.0, 1.25, 2.0), "5 in its label map; check its label"),
        ((0, 300), (1.0, 1.25, 2.0), None),  # not there is not small
        ((26, 27), (1.0, 1.25, 2.0), "in 1 of 2 cases"),
        ((200, 60), (2.0, 2.5, 2.0), "a finer data.spacing_mm keeps more of it"),
        ((100, 100), (0.5, 0.6, 1.0), None),
    ],
    ids=str,
)
def test_what_is_small_is_named(tmp_path, sizes, spacing, message):
    messages = [
        event.message for event in few_voxels(measured(cases_of(tmp_path, *sizes)), LABELS[1:], _recipe(spacing))
    ]
    assert len(messages) == (message is not None)
    assert message is None or ("'lesion' is less than 27 voxels large" in messages[0] and message in messages[0])


def test_sizes_that_are_fixed_count_as_what_they_come_to(tmp_path):
    cases = measured(cases_of(tmp_path, 200))
    assert not list(few_voxels(cases, LABELS, _recipe((1.0, 1.25, 2.0))))
    assert list(few_voxels(cases, LABELS, replace(_recipe((1.0, 1.25, 2.0)), size_dhw=(3, 4, 5))))


def test_what_is_known_in_part_says_nothing_of_sizes(tmp_path):
    (case,) = cases_of(tmp_path, 5)
    write_volume(tmp_path / "known.nrrd", np.ones(GRID.size_ijk[::-1], np.uint8), GRID)
    partial = replace(case, known=str(tmp_path / "known.nrrd"))
    assert not list(few_voxels(measured([partial]), LABELS, _recipe((1.0, 1.25, 2.0))))


def _recipe(spacing) -> Preprocessing:
    return Preprocessing(spacing, "zscore")
