"""Which entries of a folder are scans."""

from __future__ import annotations

import os

import pytest

from coranet.contract.errors import DataError
from coranet.contract.image_files import find_images, image_name, is_image_file, require_readable, scans_in


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


def left_out(folder) -> str:
    return " ".join(scans_in(folder).left_out)


LEFT_OUT = {
    "hidden": (".scan.nrrd", b"x", "it begins with a dot"),
    "segmentation": ("a.seg.nrrd", b"x", "it is a segmentation by its ending"),
    "capitals": (
        "b.MHA",
        b"x",
        "an ending in capital letters, which image readers do not know; rename it in lower case",
    ),
    "mixed-capitals": ("b.Nii.Gz", b"x", "rename it in lower case"),
    "beside-nii": ("x.nii.gz", b"x", "has a file without '.gz' beside it"),
    "git-lfs": ("c.nii.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "'git lfs pull'"),
    "git-annex": ("c.nii.gz", b"/annex/objects/MD5E-s1--1.nii.gz\n", "'git annex get'"),
    "analyze": ("d.img", b"x", "convert it to .nii.gz or .nrrd"),
    "freesurfer": ("d.MGZ", b"x", "convert it to .nii.gz or .nrrd"),
    "bzip2": ("d.nii.bz2", b"x", "convert it to"),
    "archive": ("e.zip", b"x", "it is an archive; unpack it"),
    "text": ("notes.txt", b"x", "it has no image file ending"),
    "sub-folder": ("more/f.nrrd", b"x", "'more' is left out: it is a sub-folder without a DICOM series in it"),
    "in-a-series": ("series/f.nrrd", b"x", "'series/f.nrrd' is left out: it lies in a sub-folder that is read as"),
}


@pytest.mark.parametrize(("name", "content", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_each_file_that_is_left_out_is_named_with_its_reason(awkward_path, name, content, reason):
    put(awkward_path / "x.nii")
    put(awkward_path / "series" / "1.dcm", DICOM)
    assert not left_out(awkward_path)
    put(awkward_path / name, content)
    assert [path.name for _, path in find_images(awkward_path)] == ["series", "x.nii"]
    assert name.split("/")[0] in left_out(awkward_path) and reason in left_out(awkward_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_nothing_is_named(awkward_path):
    put(awkward_path / "a.nrrd")
    (awkward_path / "b.nrrd").symlink_to("../.git/annex/objects/b.nrrd")
    assert "'b.nrrd' is left out: it is a link to a file that is not there; fetch" in left_out(awkward_path)
    with pytest.raises(DataError, match=r"b.nrrd' is a link to a file that is not there"):
        require_readable(awkward_path / "b.nrrd")


def test_a_series_beside_image_files_is_a_scan_like_them(awkward_path):
    for name in ("p1.nrrd", "p2.nii.gz"):
        put(awkward_path / "mixed" / name)
    for name in ("1.dcm", "2.dcm", "DICOMDIR"):
        put(awkward_path / "mixed" / name, DICOM)
    assert [name for name, _ in find_images(awkward_path / "mixed")] == ["mixed", "p1", "p2"]
    assert not left_out(awkward_path / "mixed")


def test_the_index_of_a_dicom_export_is_no_scan(awkward_path):
    put(awkward_path / "DICOMDIR", DICOM + b"\0" * 50 + b"1.2.840.10008.1.3.10\0" + b"\0" * 50)
    with pytest.raises(DataError, match="holds no image"):
        scans_in(awkward_path)
    for series in ("CT", "PET"):
        put(awkward_path / series / "1", DICOM)
    assert [name for name, _ in find_images(awkward_path)] == ["CT", "PET"] and not left_out(awkward_path)
    put(awkward_path / "p1.nrrd")
    assert [name for name, _ in find_images(awkward_path)] == ["CT", "PET", "p1"]
    with pytest.raises(DataError, match="DICOMDIR' is the index of a DICOM export, not an image; give the folder"):
        require_readable(awkward_path / "DICOMDIR")
    (awkward_path / "DICOMDIR").rename(awkward_path / "INDEX")
    assert [name for name, _ in find_images(awkward_path)] == ["CT", "PET", "p1"]


@pytest.mark.parametrize("name", ["1.dcm", "IM0001", "slice.ima", "1.2.840.1", "x.123"])
@pytest.mark.parametrize(
    "content", [DICOM, b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + b"\0" * 200, b"\x08\0\0\0\4\0\0\0" + b"\0" * 200]
)
def test_a_slice_is_known_by_its_content_not_by_its_name(awkward_path, name, content):
    for number in range(20):
        put(awkward_path / f"A{number}.txt")
    put(awkward_path / name, content)
    assert [path for _, path in find_images(awkward_path)] == [awkward_path]


def test_voxels_beside_their_header_are_not_left_out(awkward_path):
    for name in ("a.mhd", "a.raw", "b.nhdr", "b.raw.gz", "c.mhd", "c.zraw"):
        put(awkward_path / name)
    assert not left_out(awkward_path)
    put(awkward_path / "lonely.raw")
    assert "'lonely.raw'" in left_out(awkward_path)


def test_many_files_for_one_reason_are_one_sentence(awkward_path):
    put(awkward_path / "a.nrrd")
    for number in range(9):
        put(awkward_path / f"{number}.txt")
    (sentence,) = scans_in(awkward_path).left_out
    assert (
        "9 entries are left out, '0.txt', '1.txt', '2.txt', '3.txt', '4.txt' and 4 more: each has no image file ending"
        in sentence
    )


def test_what_systems_keep_for_themselves_is_not_told(awkward_path):
    for name in ("a.nrrd", ".DS_Store", "._a.nrrd", ".git/config"):
        put(awkward_path / name)
    assert not left_out(awkward_path)


def test_a_folder_of_folders_says_which_hold_images(awkward_path):
    put(awkward_path / "imagesTr" / "a.nrrd")
    put(awkward_path / "papers" / "a.pdf")
    with pytest.raises(DataError, match="holds no image itself, but 'imagesTr' does; give that folder"):
        find_images(awkward_path)


def test_of_several_folders_of_images_one_is_to_be_given(awkward_path):
    put(awkward_path / "images" / "a.nrrd")
    put(awkward_path / "labels" / "a.nrrd")
    with pytest.raises(DataError, match="but 'images' and 'labels' do; give one of these folders"):
        find_images(awkward_path)


def test_a_folder_without_a_scan_says_why_what_is_there_is_none(awkward_path):
    put(awkward_path / "a.mgz")
    with pytest.raises(DataError, match=r"holds no image; .* 'a.mgz' is left out: it has a format"):
        find_images(awkward_path)


@pytest.mark.parametrize("name", ["a.NII.GZ", "a.NRRD", "a.nii", "a.mha", "a.dcm", "folder.nrrd/"])
def test_what_readers_know_is_not_refused(awkward_path, name):
    if name.endswith("/"):
        (awkward_path / name).mkdir()
    else:
        put(awkward_path / name)
    require_readable(awkward_path / name)


@pytest.mark.parametrize(("name", "reason"), [("a.MHA", "lower case"), ("a.Nii", "lower case"), ("no.nrrd", "exist")])
def test_what_readers_would_not_read_is_refused(awkward_path, name, reason):
    if name != "no.nrrd":
        put(awkward_path / name)
    with pytest.raises(DataError, match=reason):
        require_readable(awkward_path / name)
