"""What is segmented, by files and folders that are named: the same for the command line and for Slicer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import SimpleITK as sitk

from coranet.contract import Datalist, PredictionFiles, Role, find_cases, input_list, scans_in
from coranet.contract.errors import DataError


@pytest.fixture
def a_folder_of_scans(awkward_path) -> Path:
    for name in ("b.nii.gz", "a.nrrd", "A.mha"):
        sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkInt16), str(awkward_path / name))
    (awkward_path / "notes.txt").write_text("no scan", encoding="utf-8")
    (awkward_path / ".hidden.nrrd").write_text("no scan", encoding="utf-8")
    return awkward_path


def test_inputs_are_files_and_folders(a_folder_of_scans):
    cases = input_list([a_folder_of_scans]).cases
    assert {case.role for case in cases} == {Role.INPUT}
    assert sorted(Path(case.image).name for case in cases) == ["A.mha", "a.nrrd", "b.nii.gz"]
    assert len({case.id.lower() for case in cases}) == 3
    assert [case.id for case in input_list([a_folder_of_scans / "b.nii.gz"]).cases] == ["b"]


def test_results_are_no_scans(tmp_path):
    files = PredictionFiles(tmp_path / "case001")
    files.folder.mkdir()
    sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkUInt8), str(files.segmentation))
    files.result.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="'.*case001' holds results of a segmentation; give the scan"):
        input_list([files.folder])


def test_inputs_that_are_not_there_are_named(a_folder_of_scans, tmp_path):
    with pytest.raises(DataError, match=r"missing\.nrrd' does not exist"):
        input_list([a_folder_of_scans / "missing.nrrd"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no image; expected files ending with"):
        input_list([empty])


T1_FLAIR = ("T1", "FLAIR")


def test_inputs_of_several_channels_are_grouped_by_their_numbers(tmp_path):
    for name in ("b_0001", "a_0000", "a_0001", "b_0000"):
        (tmp_path / f"{name}.nrrd").touch()
    for inputs in ([tmp_path], sorted(tmp_path.iterdir())):
        cases = input_list(inputs, T1_FLAIR).cases
        assert [(case.id, [Path(image).stem for image in case.images]) for case in cases] == [
            ("a", ["a_0000", "a_0001"]), ("b", ["b_0000", "b_0001"]),
        ]  # fmt: skip
    assert len(input_list([tmp_path]).cases) == 4


def test_inputs_may_be_listed_in_a_file(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"channels": T1_FLAIR, "test": [["a.nrrd", "b.nrrd"]], "unlabeled": [["c", "d"]]}))
    cases = input_list([path], T1_FLAIR).cases
    assert [(case.id, len(case.images), case.role) for case in cases] == [("c", 2, Role.INPUT), ("a", 2, Role.INPUT)]
    with pytest.raises(DataError, match="has 2 channels .* the model 1"):
        input_list([path])


def test_an_input_without_its_second_channel_is_refused_by_name(tmp_path):
    for name in ("p03_0000", "p04_0000", "p04_0001"):
        (tmp_path / f"{name}.nrrd").touch()
    with pytest.raises(DataError, match=r"case 'p03' has no FLAIR \('p03_0001.nrrd'\)"):
        input_list([tmp_path], T1_FLAIR)
    sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkInt16), str(tmp_path / "single.nrrd"))
    with pytest.raises(DataError, match="single.nrrd' is one image, the model needs T1 and FLAIR"):
        input_list([tmp_path / "single.nrrd"], T1_FLAIR)


def test_an_input_of_four_dimensions_has_all_channels(tmp_path):
    image = sitk.JoinSeries([sitk.Image(4, 5, 6, sitk.sitkInt16)] * 2)
    sitk.WriteImage(image, str(tmp_path / "both.nii.gz"))
    (case,) = input_list([tmp_path], T1_FLAIR).cases
    assert case.images == (str(tmp_path / "both.nii.gz"),) * 2


def test_what_lies_beside_the_scans_goes_with_the_list(tmp_path):
    for name in ("a.nrrd", "b.seg.nrrd", "sub/c.nrrd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    datalist = input_list([tmp_path])
    assert [case.id for case in datalist.cases] == ["a"]
    segmentation, folder = datalist.left_out
    assert "'b.seg.nrrd' is left out: it is a segmentation" in segmentation and "'sub' is left out" in folder
    assert Datalist.from_dict(datalist.to_dict()) == datalist
    assert "left_out" not in input_list([tmp_path / "a.nrrd"]).to_dict()


def test_of_a_model_that_cannot_be_read_nobody_knows_the_channels(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"x")
    assert [case.id for case in input_list([tmp_path], ()).cases] == ["a"]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "a.nrrd").write_bytes(b"x")
    for entry in ("~", "~/a.nrrd"):
        assert [case.image for case in input_list([entry]).cases] == [str(tmp_path / "a.nrrd")]


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "scan.dat"])
def test_a_list_of_another_kind_is_told(tmp_path, name):
    (tmp_path / name).write_text("image,label\na.nrrd,b.nrrd\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}' is neither an image nor a dataset.json .*; give a dataset.json"):
        find_cases(tmp_path / name)


def test_a_scan_that_is_named_again_is_segmented_once_and_that_is_told(a_folder_of_scans, monkeypatch):
    first = sorted(scans_in(a_folder_of_scans).scans)[0][1]
    monkeypatch.chdir(a_folder_of_scans)
    listed = input_list([a_folder_of_scans, first, first.name, f"{a_folder_of_scans}/../{a_folder_of_scans.name}"])
    once = input_list([a_folder_of_scans])
    assert listed.cases[: len(once.cases)] == once.cases
    sentences = [sentence for sentence in listed.left_out if "is given twice; it is segmented once" in sentence]
    # The folder's three, and its first one twice.
    assert len(sentences) == 5 and {*once.left_out, *sentences} <= set(listed.left_out)
    assert len({case.image for case in listed.cases}) == len(listed.cases)


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_link_to_a_scan_is_the_same_scan(tmp_path, link):
    (tmp_path / "a.nrrd").write_bytes(b"x")
    (tmp_path / "c.nrrd").write_bytes(b"x")  # a copy is known by its voxels, once it has been read
    link(tmp_path / "a.nrrd", tmp_path / "b.nrrd")
    listed = input_list([tmp_path])
    assert [case.id for case in listed.cases] == ["a", "c"]
    assert listed.left_out == (
        f"'{tmp_path / 'b.nrrd'}' is the same file as '{tmp_path / 'a.nrrd'}'; it is segmented once.",
    )
