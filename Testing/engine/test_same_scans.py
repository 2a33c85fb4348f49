"""One scan under several names, whatever the files are called, and what that spoils."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scans import grid_of, scan_on, write_case

from coranet.contract import Case, Datalist, Job, JobKind, Label, Role
from coranet.contract.config import TrainConfig
from coranet.reporting import Reporter
from coranet.training_set.checked import checked_cases
from coranet.training_set.record import card_of_cases
from coranet.training_set.same_scans import (
    doubled,
    leakage_sentence,
    same_labels,
    same_scans,
    scans_by_role,
    seen_in_training,
)
from coranet.training_set.survey import survey_cases
from coranet.volume import read_image, read_label_map, write_volume

LABELS = (Label(1, "inner"), Label(7, "outer"))
quiet = Reporter(lambda event: None, lambda: False)


def turned(image: sitk.Image, axes: str) -> sitk.Image:
    return sitk.DICOMOrient(image, axes)


# Ways to save a scan anew that change no intensity at any place.
SAVED_ANEW = {
    "copied": (".nrrd", lambda image: image),
    "NIfTI": (".nii.gz", lambda image: image),
    "NIfTI, not compressed": (".nii", lambda image: image),
    "MetaImage": (".mha", lambda image: image),
    "float": (".nrrd", lambda image: sitk.Cast(image, sitk.sitkFloat32)),
    "double": (".mha", lambda image: sitk.Cast(image, sitk.sitkFloat64)),
    "32 bits": (".nii.gz", lambda image: sitk.Cast(image, sitk.sitkInt32)),
    "axes turned": (".nrrd", lambda image: turned(image, "SPL")),
    "axes reversed": (".nii.gz", lambda image: turned(image, "RAI")),
    "axes turned and reversed": (".mha", lambda image: turned(image, "ASR")),
}
LEAKED = "too good"
CONSEQUENCES = [
    (Role.TRAINING, Role.UNLABELED, "teaches nothing more"),
    (Role.TRAINING, Role.VALIDATION, "validation Dice is too good"),
    (Role.UNLABELED, Role.VALIDATION, "validation Dice is too good"),
    (Role.TRAINING, Role.TEST, "evaluation measures on it is too good"),
    (Role.UNLABELED, Role.TEST, "evaluation measures on it is too good"),
    (Role.VALIDATION, Role.TEST, "evaluation measures on it is too good"),
    (Role.TRAINING, Role.TRAINING, "counts twice"),
    (Role.UNLABELED, Role.UNLABELED, "counts twice"),
    (Role.VALIDATION, Role.VALIDATION, "counts twice"),
]


def saved_anew(case: Case, role: Role, how: str) -> Case:
    """The scan of a case in a new file, in another role."""
    ending, change = SAVED_ANEW[how]
    path = case.image.replace(".nrrd", f" anew{ending}")
    sitk.WriteImage(change(sitk.ReadImage(case.image)), path)
    return Case("anew", role, path, None if role is Role.UNLABELED else labels_of(case, path))


def labels_of(case: Case, image: str) -> str:
    """The label map of a case on the grid of its scan as it was saved anew."""
    label, like = sitk.ReadImage(case.label), sitk.ReadImage(image)
    path = case.image.replace(".nrrd", " anew-label.nrrd")
    sitk.WriteImage(sitk.Resample(label, like, sitk.Transform(), sitk.sitkNearestNeighbor), path)
    return path


def listed(*cases: Case) -> Datalist:
    return Datalist(cases, LABELS)


@pytest.mark.parametrize("how", SAVED_ANEW)
def test_a_scan_that_was_saved_anew_is_known_again(tmp_path, how):
    case, other = (write_case(tmp_path, f"c{n}", Role.TRAINING, seed=n) for n in (0, 1))
    datalist = listed(case, other, saved_anew(case, Role.UNLABELED, how))
    (warning,) = same_scans(survey_cases(datalist, quiet), datalist.cases)
    assert "c0.nrrd' (labeled)" in warning.message and "anew" in warning.message and "(unlabeled)" in warning.message


@pytest.mark.parametrize("role", [Role.UNLABELED, Role.TEST])
@pytest.mark.parametrize("link", [os.symlink, os.link, shutil.copy], ids=["symbolic link", "hard link", "copy"])
def test_a_link_or_a_copy_is_the_same_scan(tmp_path, link, role):
    case, other = (write_case(tmp_path, f"c{n}", Role.TRAINING, seed=n) for n in (0, 1))
    link(case.image, tmp_path / "again.nrrd")
    again = Case("again", role, str(tmp_path / "again.nrrd"), None if role is Role.UNLABELED else case.label)
    datalist = listed(case, other, again)
    (warning,) = same_scans(survey_cases(datalist, quiet), datalist.cases)
    assert "c0.nrrd' (labeled)" in warning.message and "again.nrrd'" in warning.message


@pytest.mark.parametrize(("first", "second", "consequence"), CONSEQUENCES, ids=lambda value: str(value).split(".")[-1])
def test_what_it_means_depends_on_what_the_names_are_used_for(tmp_path, first, second, consequence):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    again = saved_anew(case, second, "NIfTI")
    datalist = listed(write_case(tmp_path, "c1", Role.TRAINING, seed=1), replace(case, role=first), again)
    (warning,) = same_scans(survey_cases(datalist, quiet), datalist.cases)
    assert consequence in warning.message
    assert (warning.code == "same_scan_in_validation") == ("validation Dice" in consequence)


def changed(voxels: np.ndarray, how: str) -> np.ndarray:
    return {
        "one voxel": np.where(np.arange(voxels.size).reshape(voxels.shape) == 77, voxels + 1, voxels),
        "one more in all": voxels + 1,
        "mirrored": voxels[:, :, ::-1],
        "twice as bright": 2 * voxels,
    }[how]


@pytest.mark.parametrize("how", ["one voxel", "one more in all", "mirrored", "twice as bright"])
def test_another_scan_on_the_same_grid_is_another_one(tmp_path, how):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    volume = read_image(case.image)
    write_volume(tmp_path / "other.nrrd", changed(volume.voxels, how), volume.grid)
    datalist = listed(case, Case("other", Role.UNLABELED, str(tmp_path / "other.nrrd")))
    assert same_scans(survey_cases(datalist, quiet), datalist.cases) == []


def with_flair(case: Case, image: str) -> Case:
    return replace(case, more_images=(image,))


def flair(case: Case, seed: int) -> str:
    path = case.image.replace(".nrrd", "-flair.nrrd")
    write_volume(path, scan_on(grid_of(), seed).voxels, grid_of())
    return path


def test_the_images_of_all_channels_are_compared(tmp_path):
    """One patient's FLAIR beside another one's T1, one image as two channels, and channels in each other's place."""
    first, second, third, fourth = (write_case(tmp_path, f"c{n}", Role.TRAINING, seed=n) for n in range(4))
    flairs = [flair(case, seed) for case, seed in ((first, 10), (second, 10), (third, 12))]
    cases = [with_flair(case, path) for case, path in zip((first, second, third), flairs, strict=True)]
    cases.append(with_flair(fourth, shutil.copy(fourth.image, tmp_path / "copy.nrrd").as_posix()))
    cases.append(Case("swapped", Role.UNLABELED, flairs[2], more_images=(third.image,)))
    datalist = Datalist(tuple(cases), LABELS, ("T1", "FLAIR"))
    survey = survey_cases(datalist, quiet)
    warnings = same_scans(survey, datalist.cases, datalist.channel_names)
    assert [warning.code for warning in warnings] == ["same_scan", "same_scan", "same_channel"]
    assert f"'{flairs[0]}' (FLAIR, labeled) and '{flairs[1]}' (FLAIR, labeled) are the same scan" in warnings[0].message
    assert f"'{third.image}' (T1, labeled) and '{third.image}' (FLAIR, unlabeled)" in warnings[1].message
    assert "(FLAIR, labeled) are the same image, voxel for voxel: case 'c3' learns nothing" in warnings[2].message
    assert doubled(survey) == {"c0", "c1", "c2", "swapped"}
    assert len(scans_by_role(survey, datalist.cases)["training"]) == 6


def test_one_scan_with_two_labels_is_said(tmp_path):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    labels = read_label_map(case.label)
    write_volume(tmp_path / "reader2.nrrd", np.roll(labels.voxels, 1, 0), labels.grid)
    datalist = listed(case, replace(saved_anew(case, Role.TRAINING, "copied"), label=str(tmp_path / "reader2.nrrd")))
    assert "with different labels" in same_scans(survey_cases(datalist, quiet), datalist.cases)[0].message


def test_a_test_scan_of_another_size_is_not_read(tmp_path, monkeypatch):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    write_volume(tmp_path / "large.nrrd", np.zeros((9, 12, 16), np.float32), grid_of((16, 12, 9)))
    datalist = listed(case, Case("large", Role.TEST, str(tmp_path / "large.nrrd"), case.label))
    assert "large" not in survey_cases(datalist, quiet).cases


def test_one_label_map_on_two_scans_is_said(tmp_path):
    datalist = listed(*(write_case(tmp_path, f"c{n}", Role.TRAINING, seed=n) for n in range(2)))
    (warning,) = same_labels(survey_cases(datalist, quiet))
    assert warning.code == "same_label" and "c0-label" in warning.message and "c1-label" in warning.message
    for case in datalist.cases:
        write_volume(case.label, np.zeros((9, 12, 15), np.uint8), grid_of())
    assert same_labels(survey_cases(datalist, quiet)) == []  # that there is nothing is no label map of another scan


def test_the_record_of_a_training_holds_the_scans_and_what_was_said(tmp_path, a_reporter):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    datalist = listed(
        write_case(tmp_path, "c1", Role.TRAINING, seed=1), case, saved_anew(case, Role.VALIDATION, "MetaImage")
    )  # fmt: skip
    job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig(), datalist)
    checked_cases(job, job.read_datalist(), TrainConfig(), a_reporter)
    card = card_of_cases(job)
    assert [len(card["scans"][role]) for role in ("training", "validation")] == [2, 1]
    assert card["scans"]["validation"][0] in card["scans"]["training"]
    assert (
        card["validation_caution"] == "the validation Dice is too good, because 1 validation scan was learned from, too"
    )


@pytest.mark.parametrize(
    ("scan", "known"), [("a", "training"), ("b", "unlabeled"), ("c", "validation"), ("d", "earlier"), ("e", "")]
)
def test_a_model_knows_the_scans_of_its_training(scan, known):
    scans = {"earlier": ["d", "a"], "training": ["a"], "unlabeled": ["b", "a"], "validation": ["c"]}
    assert seen_in_training([scan], scans) == known
    assert (LEAKED in leakage_sentence({"x": known} if known else {})) == bool(known)


def test_of_many_known_scans_some_are_named():
    sentence = leakage_sentence({f"c{number}": "unlabeled" for number in range(80)} | {"x": "training", "y": ""})
    assert "'c0'" in sentence and "'c79'" not in sentence and " more: " in sentence and "'x': the model" in sentence
    assert len(sentence) < 400 and "'y'" not in sentence


def test_scans_are_kept_by_role_without_those_of_tests(tmp_path):
    case = write_case(tmp_path, "c0", Role.TRAINING)
    datalist = listed(case, saved_anew(case, Role.TEST, "copied"))
    assert list(scans_by_role(survey_cases(datalist, quiet), datalist.cases)) == ["training"]


@pytest.mark.parametrize("seed", range(4))
def test_a_scan_with_two_names_is_never_set_aside(tmp_path, a_reporter, seed):
    cases = [write_case(tmp_path, f"c{number}", Role.TRAINING, seed=number) for number in range(6)]
    datalist = listed(*cases, saved_anew(cases[2], Role.UNLABELED, "NIfTI"), replace(cases[4], id="again"))
    config = TrainConfig().with_overrides({"seed": seed, "data.validation_cases": 3})
    job = Job.create(tmp_path / "job", JobKind.TRAIN, config, datalist)
    chosen = checked_cases(job, job.read_datalist(), config, a_reporter).datalist.with_role(Role.VALIDATION)
    assert len(chosen) == 3 and {case.id for case in chosen} <= {"c0", "c1", "c3", "c5"}
    assert "same_scan_in_validation" not in [getattr(event, "code", "") for event in a_reporter.events]
