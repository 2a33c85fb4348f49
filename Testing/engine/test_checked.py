"""The cases that a training works with: bad ones are named at once, empty ones teach, some are set aside."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scans import grid_of, write_case

from coranet.contract import Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.contract.errors import DataError
from coranet.training_set.checked import checked_cases
from coranet.volume import read_image, read_label_map, write_volume

LABELS = (Label(1, "inner"), Label(7, "outer"))
NOTHING = np.zeros((9, 12, 15), np.uint8)


@pytest.fixture
def a_job(tmp_path):
    """Makes a job: `a_job(labeled=3, unlabeled=2, validation=0)`; cases are c0, c1, ... in this order."""

    def make(labeled: int = 3, unlabeled: int = 2, validation: int = 0) -> Job:
        roles = [Role.TRAINING] * labeled + [Role.UNLABELED] * unlabeled + [Role.VALIDATION] * validation
        cases = [write_case(tmp_path, f"c{n}", role, seed=n) for n, role in enumerate(roles)]
        return Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), Datalist(tuple(cases), LABELS))

    return make


def empty(job: Job, *numbers: int) -> None:
    for number in numbers:
        write_volume(job.read_datalist().cases[number].label, NOTHING, grid_of())


def remove(job: Job, *numbers: int) -> None:
    for number in numbers:
        os.remove(job.read_datalist().cases[number].image)


def check(job: Job, reporter, **settings):
    config = TrainConfig().with_overrides({name.replace("__", "."): value for name, value in settings.items()})
    return checked_cases(job, job.read_datalist(), config, reporter)


def codes(reporter) -> list[str]:
    return [event.code for event in reporter.events if hasattr(event, "code")]


def message(reporter, code: str) -> str:
    return next(event.message for event in reporter.events if getattr(event, "code", "") == code)


def test_unlabeled_cases_that_cannot_be_used_are_left_out_and_named_together(a_job, a_reporter):
    job = a_job(3, 4)
    remove(job, 3, 5)
    checked = check(job, a_reporter)
    assert [case.id for case in checked.datalist.with_role(Role.UNLABELED)] == ["c4", "c6"]
    text = message(a_reporter, "left_out")
    assert text.startswith("2 unlabeled cases cannot be used: (1) '") and "c3.nrrd" in text and "c5.nrrd" in text
    assert len(job.read_datalist().cases) == 7  # the list itself stays what it was


def test_what_was_left_out_stays_so_when_the_training_is_resumed(a_job, a_reporter):
    job = a_job()
    remove(job, 4)
    first = check(job, a_reporter).datalist
    write_volume(job.read_datalist().cases[4].image, np.ones((9, 12, 15), np.float32), grid_of())
    for path in (job.last_checkpoint_path, job.plan_path):
        path.touch()
    assert check(job, a_reporter).datalist == first
    remove(job, 1, 2)
    with pytest.raises(DataError, match="c1.nrrd' and 1 more files cannot be found; bring back what is missing"):
        check(job, a_reporter)


@pytest.mark.parametrize(("bad", "named"), [((0, 2), 2), ((0, 1, 2), 3), ((1, 4), 1)], ids=["two", "all", "one each"])
def test_all_labeled_cases_that_cannot_be_used_are_refused_together(a_job, a_reporter, bad, named):
    job = a_job()
    remove(job, *bad)
    with pytest.raises(DataError) as refused:
        check(job, a_reporter)
    assert sum(f"c{number}.nrrd" in str(refused.value) for number in (0, 1, 2)) == named
    assert ("left_out" in codes(a_reporter)) == (4 in bad)


def test_unlabeled_ones_are_refused_with_the_labeled_ones_where_that_is_asked_for(a_job, a_reporter):
    job = a_job()
    remove(job, 1, 3, 4)
    with pytest.raises(DataError, match=r"^3 cases cannot be used: \(1\) .*c1\.nrrd.*c3\.nrrd.*c4\.nrrd"):
        check(job, a_reporter, data__unusable_unlabeled="refuse")


def test_of_many_bad_cases_each_is_named(a_job, a_reporter):
    job = a_job(1, 15)
    remove(job, *range(1, 16))
    check(job, a_reporter)
    assert all(f"c{number}.nrrd" in message(a_reporter, "left_out") for number in range(1, 16))
    assert "no_unlabeled" in codes(a_reporter)


@pytest.mark.slow
@pytest.mark.parametrize(("labeled", "none_in", "set_aside"), [(3, (0,), 0), (20, (0,), 0), (23, (3, 7, 9), 2)])
def test_cases_without_a_structure_are_said_and_never_set_aside(a_job, a_reporter, labeled, none_in, set_aside):
    job = a_job(labeled)
    empty(job, *none_in)
    checked = check(job, a_reporter)
    chosen = {case.id for case in checked.datalist.with_role(Role.VALIDATION)}
    assert len(chosen) == set_aside and not chosen & {f"c{number}" for number in none_in}
    text = message(a_reporter, "no_structure")
    assert all(f"c{number}-label" in text for number in none_in) and "there is none" in text
    assert job.read_datalist().with_role(Role.VALIDATION) == checked.datalist.with_role(Role.VALIDATION)


@pytest.mark.parametrize("labeled", [1, 2, 5])
def test_a_training_of_empty_labels_alone_is_refused(a_job, a_reporter, labeled):
    job = a_job(labeled)
    empty(job, *range(labeled))
    with pytest.raises(DataError, match=f"labels of all {labeled} labeled cases are empty.*segment the structures"):
        check(job, a_reporter)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_label_that_leaves_no_background_is_named(a_job, a_reporter, number):
    job = a_job(3, 1, validation=1)
    write_volume(job.read_datalist().cases[number].label, NOTHING + 7, grid_of())
    check(job, a_reporter)
    assert f"c{number}-label" in message(a_reporter, "no_background")


def test_a_label_with_a_little_background_is_not_named(a_job, a_reporter):
    job = a_job(2, 1)
    nearly = NOTHING + 7
    nearly[0, 0, 0] = 0
    write_volume(job.read_datalist().cases[0].label, nearly, grid_of())
    check(job, a_reporter)
    assert "no_background" not in codes(a_reporter)


@pytest.mark.parametrize(("numbers", "more"), [((0,), ""), ((1, 2), " (and 1 more label map)")])
def test_labels_that_are_inside_out_are_named(a_job, a_reporter, numbers, more):
    job = a_job(3, 1)
    for number in numbers:
        path = job.read_datalist().cases[number].label
        inside = sitk.GetArrayFromImage(sitk.ReadImage(path)) > 0
        write_volume(path, np.where(inside, 0, 7).astype(np.uint8), grid_of())
    check(job, a_reporter)
    text = message(a_reporter, "inside_out")
    assert text.startswith("in '") and f"c{numbers[0]}-label.nrrd'{more}, 'outer' lies along the whole border" in text


def test_a_structure_that_runs_through_the_whole_scan_is_not_inside_out(a_job, a_reporter):
    job = a_job(2, 1)
    through = NOTHING.copy()
    through[:, 2:, 2:-2] = 7
    write_volume(job.read_datalist().cases[0].label, through, grid_of())
    check(job, a_reporter)
    assert "inside_out" not in codes(a_reporter)


@pytest.mark.parametrize(("numbers", "more"), [((0,), ""), ((0, 2), " (and 1 more label map)")])
def test_a_structure_drawn_on_single_slices_is_named(a_job, a_reporter, numbers, more):
    job = a_job(3, 1)
    drawn = NOTHING.copy()
    drawn[::2, 2:8, 2:8] = 7
    for number in numbers:
        write_volume(job.read_datalist().cases[number].label, drawn, grid_of())
    check(job, a_reporter)
    slices = f"{len(drawn[::2])} of {2 * len(drawn[::2]) - 1} slices"
    text = message(a_reporter, "some_slices")
    assert "c0-label" in text and f"has 'outer' on {slices}{more}: those between teach" in text


def label_map_in_place_of(case, dtype=np.uint8) -> None:
    voxels = NOTHING.astype(dtype)
    voxels[2:5, 3:8, 4:9] = 1
    voxels[3, 4:6, 5:7] = 7
    write_volume(case.image, voxels, grid_of())


@pytest.mark.parametrize("count", [1, 2])
def test_label_maps_among_the_unlabeled_images_are_left_out_and_named(a_job, a_reporter, count):
    job = a_job(3, 3)
    wrong = job.read_datalist().with_role(Role.UNLABELED)[:count]
    for case in wrong:
        label_map_in_place_of(case)
    checked = check(job, a_reporter)
    text = message(a_reporter, "left_out")
    assert all(f"'{case.image}' is a label map, not an image" in text for case in wrong)
    assert len(checked.datalist.with_role(Role.UNLABELED)) == 3 - count
    with pytest.raises(DataError, match="is a label map, not an image"):
        check(job, a_reporter, data__unusable_unlabeled="refuse")


def test_a_label_map_as_the_image_of_a_labeled_case_is_refused(a_job, a_reporter):
    job = a_job(3, 1)
    case = job.read_datalist().cases[1]
    label_map_in_place_of(case)
    with pytest.raises(DataError, match="'.*c1.nrrd' is a label map, not an image"):
        check(job, a_reporter)


def test_labeled_images_that_look_like_label_maps_are_warned_of(a_job, a_reporter):
    """Of a type with fractions, they may be something else."""
    job = a_job(3, 1)
    case = job.read_datalist().cases[1]
    label_map_in_place_of(case, np.float32)
    check(job, a_reporter)
    assert f"'{case.image}' looks like a label map, not like a scan" in message(a_reporter, "label_map_as_image")


@pytest.mark.parametrize("role", [Role.TRAINING, Role.VALIDATION])
def test_an_image_that_is_the_label_of_another_case_is_refused(a_job, a_reporter, role):
    job = a_job(3, 1, validation=1)
    case = job.read_datalist().with_role(role)[0]
    other = job.read_datalist().cases[2]
    labels = read_label_map(other.label)
    labels.voxels[0, 0, 0] = 7  # not the label of the case itself, which is another message
    write_volume(other.label, labels.voxels, labels.grid)
    write_volume(case.image, labels.voxels.astype(np.float32), labels.grid)
    with pytest.raises(
        DataError, match=r"has the voxels of the label map '.*c2-label.*so it is no scan; name the image"
    ):
        check(job, a_reporter)


def test_an_empty_image_is_not_an_empty_label(a_job, a_reporter):
    job = a_job(3, 1)
    empty(job, 1)
    write_volume(job.read_datalist().cases[0].image, NOTHING, grid_of())
    check(job, a_reporter)
    assert "label_map_as_image" not in codes(a_reporter)


def test_a_mask_may_be_a_channel(a_job, a_reporter):
    job = a_job(2, 1)
    (case,) = job.read_datalist().with_role(Role.UNLABELED)
    mask = replace(case, image=case.image + " mask.nrrd")
    label_map_in_place_of(mask)
    cases = [replace(case, more_images=(mask.image,)) for case in job.read_datalist().cases]
    datalist = Datalist(tuple(cases), LABELS, channels=("image", "mask"))
    checked = checked_cases(job, datalist, TrainConfig(), a_reporter)
    assert len(checked.datalist.cases) == 3 and "left_out" not in codes(a_reporter)


def test_validation_has_structures_but_training_has_none(a_job, a_reporter):
    job = a_job(2, 1, validation=1)
    empty(job, 0, 1)
    with pytest.raises(DataError, match="labels of all 2 labeled cases are empty"):
        check(job, a_reporter)


def test_an_empty_validation_case_says_how_it_counts(a_job, a_reporter):
    job = a_job(2, 1, validation=2)
    empty(job, 4)
    check(job, a_reporter)
    assert "counts as a Dice of 0" in message(a_reporter, "no_structure_in_validation")


def test_what_is_thin_is_warned_of(a_job, a_reporter):
    check(a_job(2, 0), a_reporter)
    assert codes(a_reporter) == ["same_label", "no_validation", "no_unlabeled"]


@pytest.mark.parametrize(
    ("turned", "reason"),
    [((), None), ((4,), "RPI ('c4')"), ((0, 4), "RPI ('c0' and others)"), (range(5), None)],
    ids=str,
)
def test_cases_that_store_their_axes_otherwise_are_noted(a_job, a_reporter, turned, reason):
    job = a_job(3, 2)
    for number, case in enumerate(job.read_datalist().cases):
        grid = grid_of(direction=np.diag([-1.0, 1.0, -1.0]) if number in turned else np.eye(3))
        for path in case.files:
            write_volume(path, read_image(path).voxels.astype(np.uint16), grid)
    check(job, a_reporter)
    assert ("other_axes" in codes(a_reporter)) == (reason is not None)
    assert reason is None or reason in message(a_reporter, "other_axes")


@pytest.mark.parametrize("has_record", [True, False], ids=["now", "by a version that kept none"])
def test_a_training_that_was_begun_is_not_looked_at_again(a_job, a_reporter, has_record):
    job = a_job()
    first = check(job, a_reporter).datalist
    if not has_record:
        job.training_set_path.unlink()
    for case in job.read_datalist().cases[:3]:
        Path(case.image).write_bytes(b"no image")
    for path in (job.last_checkpoint_path, job.plan_path):
        path.touch()
    assert check(job, a_reporter).datalist == first


def test_cases_of_several_grids_are_noted(a_job, a_reporter, tmp_path):
    job = a_job(1, 1)
    other = grid_of(spacing_mm=(1.0, 1.25, 1.5))
    write_volume(tmp_path / "flair.nrrd", np.ones((9, 12, 15), np.float32), other)
    cases = tuple(replace(case, more_images=(str(tmp_path / "flair.nrrd"),)) for case in job.read_datalist().cases)
    job.write_datalist(replace(job.read_datalist(), cases=cases))
    check(job, a_reporter)
    assert message(a_reporter, "other_grids").startswith("2 cases, such as 'c0', have images on different grids")


def test_test_cases_that_cannot_be_used_are_told(a_job, a_reporter, tmp_path):
    job = a_job(2, 1)
    test = replace(write_case(tmp_path, "t", Role.TEST), image=str(tmp_path / "gone.nrrd"))
    job.write_datalist(replace(job.read_datalist(), cases=(*job.read_datalist().cases, test)))
    check(job, a_reporter)
    assert "gone.nrrd' does not exist" in message(a_reporter, "test_unusable")


def test_label_maps_that_are_read_by_their_names_are_told(a_job, a_reporter):
    job = a_job(3, 1)
    for number in (0, 2):
        path = job.read_datalist().cases[number].label
        image = sitk.ReadImage(path)
        image = sitk.ChangeLabel(image, {1: 7, 7: 1})
        for index, (value, name) in enumerate(((7, "inner"), (1, "Outer"))):
            image.SetMetaData(f"Segment{index}_Name", name)
            image.SetMetaData(f"Segment{index}_LabelValue", str(value))
        sitk.WriteImage(image, path)
    check(job, a_reporter)
    assert message(a_reporter, "label_names").startswith("2 label maps, such as '")
