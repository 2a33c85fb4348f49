"""One look at all cases: what is measured, and what cannot be used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scans import grid_of, labels_on, scan_on, write_case

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract.events import Progress
from coranet.reporting import Reporter
from coranet.training_set.survey import survey_cases
from coranet.volume import write_volume

LABELS = (Label(1, "inner"), Label(7, "outer"))
quiet = Reporter(lambda event: None, lambda: False)


@pytest.fixture
def a_set(tmp_path) -> Datalist:
    """Two labeled cases, one for validation, one unlabeled."""
    roles = (Role.TRAINING, Role.TRAINING, Role.VALIDATION, Role.UNLABELED)
    return Datalist(tuple(write_case(tmp_path, f"c{n}", role, seed=n) for n, role in enumerate(roles)), LABELS)


def test_labels_are_measured_and_unlabeled_scans_are_read(a_set):
    survey = survey_cases(a_set, quiet)
    assert not survey.unusable and survey.seconds == 0
    assert survey.cases["c0"].present == {1, 7} and not survey.cases["c0"].is_empty
    assert [scan.case_id for scan in survey.labeled_scans(a_set)] == ["c0", "c1"]
    assert survey.cases["c2"].structures is not None and survey.cases["c3"].scan is None


def test_a_case_is_timed_where_that_is_asked_for(a_set):
    assert survey_cases(a_set, quiet, is_timed=True).seconds > 0


def test_progress_is_told(a_set, a_reporter):
    survey_cases(a_set, a_reporter)
    assert [event.phase for event in a_reporter.events if isinstance(event, Progress)][-1] == "checking"


def nothing(case: Case) -> None:
    grid = grid_of()
    write_volume(case.label, np.zeros(grid.size_ijk[::-1], np.uint8), grid)


def test_a_case_without_any_structure_is_empty_and_can_be_used(a_set):
    nothing(a_set.cases[1])
    survey = survey_cases(a_set, quiet)
    assert survey.empty == {"c1"} and not survey.unusable
    assert survey.cases["c1"].scan.parts == () and survey.cases["c1"].present == frozenset()


def a_slice(case: Case) -> None:
    voxels = scan_on(grid_of()).voxels[:1]
    write_volume(case.image, voxels, grid_of((15, 12, 1)))


def no_image(case: Case) -> None:
    with open(case.image, "wb") as file:
        file.write(b"<html>504</html>")


def nothing_there(case: Case) -> None:
    with open(case.image, "wb"):
        pass


def not_a_number(case: Case) -> None:
    voxels = scan_on(grid_of()).voxels
    voxels[2, 3, 4] = np.nan
    write_volume(case.image, voxels, grid_of())


def gone(case: Case) -> None:
    import os

    os.remove(case.image)


def cut_short(case: Case) -> None:
    with open(case.image, "r+b") as file:
        file.truncate(900)


BAD_SCANS = [
    (a_slice, "is a single slice"),
    (no_image, "cannot be read"),
    (nothing_there, "cannot be read"),
    (not_a_number, "not numbers"),
    (gone, "does not exist"),
    (cut_short, "cannot be read"),
]


@pytest.mark.parametrize("which", [0, 3], ids=["labeled", "unlabeled"])
@pytest.mark.parametrize(("spoil", "reason"), BAD_SCANS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_scan_that_cannot_be_used_is_found(a_set, which, spoil, reason):
    spoil(a_set.cases[which])
    survey = survey_cases(a_set, quiet)
    assert list(survey.unusable) == [f"c{which}"]
    assert reason in survey.unusable[f"c{which}"] and f"c{which}.nrrd" in survey.unusable[f"c{which}"]


def on_another_grid(case: Case) -> None:
    other = grid_of(spacing_mm=(1.0, 1.25, 2.5))
    write_volume(case.label, labels_on(other).voxels.astype(np.uint8), other)


def with_another_value(case: Case) -> None:
    write_volume(case.label, 3 * np.ones((9, 12, 15), np.uint8), grid_of())


def with_fractions(case: Case) -> None:
    write_volume(case.label, np.full((9, 12, 15), 0.5, np.float32), grid_of())


def as_its_scan(case: Case) -> None:
    voxels = labels_on(grid_of()).voxels
    for path in (case.image, case.label):
        write_volume(path, voxels.astype(np.uint8), grid_of())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (on_another_grid, "different grids"),
        (with_another_value, "label value 3"),
        (with_fractions, "not a label map"),
        (as_its_scan, "has the voxels of its label"),
    ],
    ids=["grid", "value", "fractions", "scan"],
)
@pytest.mark.parametrize("which", [1, 2], ids=["labeled", "validation"])
def test_a_label_that_cannot_be_used_is_found(a_set, which, spoil, reason):
    spoil(a_set.cases[which])
    assert reason in survey_cases(a_set, quiet).unusable[f"c{which}"]


@pytest.mark.parametrize("which", [0, 3], ids=["labeled", "unlabeled"])
def test_files_that_may_not_be_opened_are_found(a_set, which, monkeypatch):
    from coranet.training_set import survey

    def refuse(case, *more):
        raise PermissionError(13, "Permission denied", case.image)

    monkeypatch.setattr(survey, "read_labeled_pair" if which == 0 else "read_channels", refuse)
    found = survey_cases(a_set, quiet)
    assert "Permission denied" in found.unusable[f"c{which}"]


def test_images_on_other_grids_are_seen(a_set, tmp_path):
    other = grid_of(spacing_mm=(1.0, 1.25, 1.5))
    write_volume(tmp_path / "flair.nrrd", scan_on(other).voxels, other)
    cases = tuple(replace(case, more_images=(str(tmp_path / "flair.nrrd"),)) for case in a_set.cases)
    survey = survey_cases(replace(a_set, cases=cases), quiet)
    assert all(case.has_other_grids for case in survey.cases.values())
