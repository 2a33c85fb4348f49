"""Which entries of a folder are scans."""

from __future__ import annotations

import pytest

from coranet.errors import DataError
from coranet.job.image_files import find_images, image_name, is_image_file


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


DICOM = b"\0" * 128 + b"DICM" + b"\0" * 8


def test_image_files_are_found_and_others_are_not(awkward_path):
    for name in ("b.nii.gz", "a.NRRD", "c.mhd", "c.raw", "notes.txt", ".hidden.nrrd"):
        put(awkward_path / name)
    assert [name for name, _ in find_images(awkward_path)] == ["a", "b", "c"]
    assert find_images(awkward_path)[1][1] == awkward_path / "b.nii.gz"


def test_a_sub_folder_with_a_series_is_one_scan(awkward_path):
    put(awkward_path / "Patient Ä" / "README.txt")
    put(awkward_path / "Patient Ä" / "IM0001", DICOM)
    put(awkward_path / "Patient Ä" / "IM0002", DICOM)
    put(awkward_path / "papers" / "paper.pdf")
    assert find_images(awkward_path) == [("Patient Ä", awkward_path / "Patient Ä")]


def test_a_folder_that_is_itself_a_series_is_one_scan(awkward_path):
    put(awkward_path / "1.dcm", DICOM)
    assert find_images(awkward_path) == [(awkward_path.name, awkward_path)]


def test_a_folder_without_scans_says_what_was_expected(awkward_path):
    put(awkward_path / "notes.txt")
    with pytest.raises(DataError, match=r"holds no image; expected files ending with .*\.nrrd"):
        find_images(awkward_path)


def test_a_missing_folder_is_named(awkward_path):
    with pytest.raises(DataError, match="there is no folder"):
        find_images(awkward_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.nii.gz", "a"), ("b.NRRD", "b"), ("c.d.mha", "c.d"), ("series", "series"), ("x.gz", "x.gz"), (".nii", "")],
)
def test_the_name_of_a_scan_has_no_ending(name, expected):
    assert image_name(f"folder.nii/{name}") == expected


def test_a_folder_is_no_image_file_whatever_its_name(awkward_path):
    (awkward_path / "folder.nrrd").mkdir()
    assert not is_image_file(awkward_path / "folder.nrrd") and not is_image_file(awkward_path / "absent.nrrd")
