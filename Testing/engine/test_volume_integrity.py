"""Damaged files: cut at any place, one bit changed, something appended, voxels in a file that is not there."""

from __future__ import annotations

import bz2
import gzip
import random
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from nifti_files import write_nifti

from coranet.contract.errors import DataError
from coranet.volume import noted_by, read_image, read_label_map

VOXELS = np.random.default_rng(0).integers(0, 50, (7, 6, 5)).astype("<i2")
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 6 7\nendian: little\nspace: left-posterior-superior\n"
    "space directions: (1,0,0) (0,1.25,0) (0,0,2)\nspace origin: (0,0,0)\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1.25 2\nDimSize = 5 6 7\n"
    "ElementType = MET_SHORT\n"
)


def nrrd(folder: Path, encoding: str, pack, detached: bool = False) -> tuple[Path, Path]:
    """A file, and where its voxels are."""
    head, content = f"{NRRD}encoding: {encoding}\n", pack(VOXELS.tobytes())
    if not detached:
        path = folder / "a.nrrd"
        path.write_bytes(f"{head}\n".encode() + content)
        return path, path
    path, data = folder / "a.nhdr", folder / "voxels.raw"
    path.write_text(f"{head}data file: voxels.raw\n")
    data.write_bytes(content)
    return path, data


def meta(folder: Path, is_compressed: bool, detached: bool = False) -> tuple[Path, Path]:
    content = zlib.compress(VOXELS.tobytes()) if is_compressed else VOXELS.tobytes()
    head = META + (f"CompressedData = True\nCompressedDataSize = {len(content)}\n" if is_compressed else "")
    name = "a.mhd" if detached else "a.mha"
    if not detached:
        (folder / name).write_bytes(f"{head}ElementDataFile = LOCAL\n".encode() + content)
        return folder / name, folder / name
    (folder / name).write_text(f"{head}ElementDataFile = voxels.raw\n")
    (folder / "voxels.raw").write_bytes(content)
    return folder / name, folder / "voxels.raw"


def two_members(content: bytes) -> bytes:
    """As `bgzip` and `cat a.gz b.gz` make them."""
    return gzip.compress(content[:100]) + gzip.compress(content[100:])


FORMATS = {
    "nrrd raw": lambda folder: nrrd(folder, "raw", bytes),
    "nrrd gzip": lambda folder: nrrd(folder, "gzip", gzip.compress),
    "nrrd gz, two members": lambda folder: nrrd(folder, "gz", two_members),
    "nhdr raw": lambda folder: nrrd(folder, "raw", bytes, True),
    "nhdr gzip": lambda folder: nrrd(folder, "gzip", gzip.compress, True),
    "mha": lambda folder: meta(folder, False),
    "mha compressed": lambda folder: meta(folder, True),
    "mhd": lambda folder: meta(folder, False, True),
    "mhd compressed": lambda folder: meta(folder, True, True),
    "nii": lambda folder: (write_nifti(folder / "a.nii", VOXELS),) * 2,
    "nii.gz": lambda folder: (write_nifti(folder / "a.nii.gz", VOXELS),) * 2,
}
COMPRESSED = [name for name in FORMATS if "gz" in name or "compressed" in name]
PLAIN = [name for name in FORMATS if name not in COMPRESSED]


def read(path: Path) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    with noted_by(notes.append):
        return read_image(path).voxels, notes


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_read_without_a_word(awkward_path, name):
    path, _ = FORMATS[name](awkward_path)
    voxels, notes = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    assert not notes


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path, name):
    path, data = FORMATS[name](tmp_path)
    content = data.read_bytes()
    ends = {0, 1, 2, 3, 10, 100, 347, 348, 352, *range(0, len(content), max(1, len(content) // 12)), len(content) - 1}
    ends |= {len(content) - 8, len(content) - 4, len(content) - 2}
    for end in sorted(end for end in ends if 0 <= end < len(content)):
        data.write_bytes(content[:end])
        for look in (read_image, read_label_map):
            with pytest.raises(DataError) as caught:
                look(path)
            assert data.name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", COMPRESSED)
def test_one_changed_bit_of_a_compressed_stream_is_never_read_in_silence(tmp_path, name):
    path, data = FORMATS[name](tmp_path)
    content = data.read_bytes()
    start = max(content.rfind(b"\n\n"), content.find(b"LOCAL\n"), 0) + 12
    chance = random.Random(1)
    for _ in range(60):
        spoiled = bytearray(content)
        spoiled[chance.randrange(start, len(content))] ^= 1 << chance.randrange(8)
        data.write_bytes(spoiled)
        try:
            voxels, _ = read(path)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(voxels, VOXELS)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("extra", [b"x", b"more\n" * 30, b"\x1f\x8b garbage"], ids=["a byte", "text", "like gzip"])
def test_what_follows_the_voxels_is_told_or_refused(tmp_path, name, extra):
    path, data = FORMATS[name](tmp_path)
    data.write_bytes(data.read_bytes() + extra)
    try:
        voxels, notes = read(path)
    except DataError as error:
        assert extra.startswith(b"\x1f") and "damaged" in str(error) or "missing" in str(error)
    else:
        np.testing.assert_array_equal(voxels, VOXELS)
        assert len(notes) == 1 and re.search("left out", notes[0])


@pytest.mark.parametrize("name", COMPRESSED)
def test_zeros_after_a_stream_are_padding(tmp_path, name):
    path, data = FORMATS[name](tmp_path)
    data.write_bytes(data.read_bytes() + bytes(512))
    voxels, notes = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    assert not notes


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith(("nhdr", "mhd"))])
def test_voxels_in_a_file_that_is_not_there_are_named(awkward_path, name):
    path, data = FORMATS[name](awkward_path)
    data.unlink()
    with pytest.raises(DataError, match=r"has its voxels in '.*voxels\.raw', which does not exist"):
        read_image(path)


def test_slices_in_files_of_their_own_are_looked_at_each(tmp_path):
    for k, plane in enumerate(VOXELS):
        (tmp_path / f"s{k}.raw").write_bytes(plane.tobytes())
    listed = tmp_path / "list.nhdr"
    names = "\n".join(f"s{k}.raw" for k in range(7))
    listed.write_text(f"{NRRD}encoding: raw\ndata file: LIST 2\n{names}\n")
    numbered = tmp_path / "numbered.mhd"
    numbered.write_text(f"{META}ElementDataFile = s%d.raw 0 6 1\n")
    backwards = tmp_path / "backwards.nhdr"
    backwards.write_text(f"{NRRD}encoding: raw\ndata file: s%d.raw 6 0 -1\n")
    np.testing.assert_array_equal(read(backwards)[0], VOXELS[::-1])
    for path in (listed, numbered):
        np.testing.assert_array_equal(read(path)[0], VOXELS)
    (tmp_path / "s3.raw").write_bytes(b"short")
    for path in (listed, numbered, backwards):
        with pytest.raises(DataError, match=r"s3\.raw' cannot be read: voxels are missing"):
            read_image(path)


def test_a_damaged_bzip2_stream_is_refused(tmp_path):
    path, _ = nrrd(tmp_path, "bzip2", lambda content: bz2.compress(content)[:-6])
    with pytest.raises(DataError):
        read_image(path)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.nii", "a.nii.gz", "a.dcm"])
def test_an_empty_file_is_called_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"it is empty \(0 bytes\)"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("sizes", ["1000000 1000000 1000000", "5 6 0", "-5 6 7", "5 6", "x y z"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_sizes_that_no_file_has_are_refused_before_memory_is_asked_for(tmp_path, sizes, encoding):
    path, _ = nrrd(tmp_path, encoding, gzip.compress if encoding == "gzip" else bytes)
    path.write_bytes(path.read_bytes().replace(b"sizes: 5 6 7", f"sizes: {sizes}".encode()))
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_header_that_gives_its_stream_too_few_bytes_is_refused(tmp_path):
    path, _ = meta(tmp_path, True)
    content = path.read_bytes()
    length = len(content) - content.index(b"LOCAL\n") - 6
    path.write_bytes(content.replace(f"CompressedDataSize = {length}".encode(), b"CompressedDataSize = 100"))
    with pytest.raises(DataError, match=f"gives its compressed data 100 bytes, they are {length}"):
        read_image(path)


@pytest.mark.parametrize("kept", [210, 209, 100, 0])
def test_voxels_written_as_text_are_counted(tmp_path, kept):
    path = tmp_path / "a.nrrd"
    path.write_bytes(f"{NRRD}encoding: ascii\n\n".encode() + " ".join(map(str, VOXELS.ravel()[:kept])).encode())
    if kept == VOXELS.size:
        np.testing.assert_array_equal(read(path)[0], VOXELS)
    else:
        with pytest.raises(DataError, match="voxels are missing at its end"):
            read_image(path)


def test_pictures_are_no_scans(tmp_path):
    """ITK reads pages of a TIFF file as slices 1 mm apart."""
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(VOXELS.astype(np.uint8)), str(tmp_path / "a.tif"))
    with pytest.raises(DataError, match=r"its name ends with none of \.nii\.gz"):
        read_image(tmp_path / "a.tif")


def test_a_compressed_file_whose_name_does_not_say_so_is_to_be_renamed(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz").rename(tmp_path / "b.nii")
    with pytest.raises(DataError, match=r"is compressed, but its name does not say so.*rename it to 'b\.nii\.gz'"):
        read_image(path)
    write_nifti(tmp_path / "c.nii").rename(tmp_path / "d.nii.gz")
    read_image(tmp_path / "d.nii.gz")


def test_a_compressed_stream_of_unknown_length_in_a_metaimage_is_refused(tmp_path):
    content = zlib.compress(VOXELS.tobytes())
    head = f"{META}CompressedData = True\n"
    attached, detached = tmp_path / "a.mha", tmp_path / "b.mhd"
    attached.write_bytes(f"{head}ElementDataFile = LOCAL\n".encode() + content)
    with pytest.raises(DataError, match="does not say how long its compressed data are"):
        read_image(attached)
    (tmp_path / "voxels.zraw").write_bytes(content)
    detached.write_text(f"{head}ElementDataFile = voxels.zraw\n")
    np.testing.assert_array_equal(read(detached)[0], VOXELS)


@pytest.mark.parametrize("directions", ["(1,0,0) (0,1.25,0) none", "none (1,0,0) (0,1.25,0)", "none none none"])
def test_an_axis_without_a_direction_has_no_spacing(tmp_path, directions):
    path = tmp_path / "a.nrrd"
    head = NRRD.replace("(1,0,0) (0,1.25,0) (0,0,2)", directions)
    path.write_bytes(f"{head}encoding: raw\n\n".encode() + VOXELS.tobytes())
    with pytest.raises(DataError, match="does not say how large its voxels are|cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("dtype", "order"), [("f4", "<"), ("f8", "<"), ("f4", ">")])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_of_nifti_that_are_no_numbers_are_refused_which_itk_takes_for_zeros(
    tmp_path, monkeypatch, ending, dtype, order, value
):
    # So that numbers lie across the pieces that are looked at.
    monkeypatch.setattr("coranet.volume.integrity._CHUNK", 101)
    array = VOXELS.astype(dtype)
    path = write_nifti(tmp_path / f"whole{ending}", array, order=order, sform_code=1)
    np.testing.assert_array_equal(read_image(path).voxels, VOXELS)
    array[0, 0, 0] = array[3, 2, 1] = array[-1, -1, -1] = value
    path = write_nifti(tmp_path / f"a{ending}", array, order=order, sform_code=1)
    for read in (read_image, read_label_map):
        with pytest.raises(DataError, match=r"has 3 voxels that are not numbers .* which ITK and Slicer read as 0"):
            read(path)
