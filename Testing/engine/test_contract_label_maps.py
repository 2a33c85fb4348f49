"""Label maps among scans: told by header or voxels, in each format, and no scan is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import is_label_map
from coranet.contract.label_maps import values_in

SHAPE = (24, 40, 40)
FORMATS = ("a.nrrd", "a.nii", "a.nii.gz", "a.mha")
RANDOM = np.random.default_rng(1)


def labels(values=(1, 2, 5), dtype=np.uint8) -> np.ndarray:
    array = np.zeros(SHAPE, dtype)
    for number, value in enumerate(values):
        array[8 + number % 14, 5:30, 5:30] = value
    return array


def far_inside() -> np.ndarray:
    array = np.zeros((260, 64, 64), np.uint8)
    array[200:210, 20:40, 20:40] = 3
    return array


LABEL_MAPS = {
    "uint8": labels(),
    "int8": labels(dtype=np.int8),
    "int16": labels(dtype=np.int16),
    "uint16": labels((1, 700, 65535), np.uint16),
    "int32": labels(dtype=np.int32),
    "uint32": labels((1, 100_000), np.uint32),
    "one structure": labels((1,)),
    "255 for one": labels((255,)),
    "forty": labels(tuple(range(1, 13)) * 3),
    "after many empty slices": far_inside(),
}
SCANS = {
    "ct": RANDOM.normal(0, 300, SHAPE).astype(np.int16),
    "ct with air as 0": np.maximum(RANDOM.normal(0, 300, SHAPE), 0).astype(np.int16),
    "mr": RANDOM.gamma(2, 90, SHAPE).astype(np.uint16),
    "8 bit": RANDOM.integers(0, 256, SHAPE).astype(np.uint8),
    "skull stripped": np.where(RANDOM.random(SHAPE) < 0.8, 0, RANDOM.integers(1, 900, SHAPE)).astype(np.uint16),
    "float": labels().astype(np.float32) * 1.5,
    "float map of whole numbers": labels().astype(np.float32),
    "all 0": np.zeros(SHAPE, np.uint8),
    "all 7": np.full(SHAPE, 7, np.int16),
    "below 0": labels().astype(np.int16) - 1000,
    "few grey values without background": RANDOM.integers(20, 50, SHAPE).astype(np.uint8),
}


def write(path, array, compressed=True):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.7, 2.5))
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", LABEL_MAPS)
def test_label_maps_are_found(tmp_path, kind, name):
    for compressed in (True, False):
        assert is_label_map(write(tmp_path / name, LABEL_MAPS[kind], compressed))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", SCANS)
def test_scans_are_none(tmp_path, kind, name):
    assert not is_label_map(write(tmp_path / name, SCANS[kind]))


def test_a_segmentation_of_slicer_says_so(tmp_path):
    path = write(tmp_path / "a.seg.nrrd", SCANS["all 0"], compressed=False)
    head, voxels = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(head + b"\nSegment0_ID:=Segment_1\n\n" + voxels)
    assert is_label_map(path)


def test_a_nifti_that_says_so_is_one_whatever_its_voxels(tmp_path):
    path = write(tmp_path / "a.nii", SCANS["float"])
    content = bytearray(path.read_bytes())
    content[68:70] = (1002).to_bytes(2, "little")
    path.write_bytes(bytes(content))
    assert is_label_map(path)


@pytest.mark.parametrize("name", [*FORMATS, "a.nhdr", "a.mhd", "a.txt"])
def test_what_cannot_be_read_is_none(tmp_path, name):
    for content in (b"", b"x", b"NRRD0004\n", b"\x1f\x8b\x08\x00", b"ObjectType = Image\n", b"\0" * 400):
        (tmp_path / name).write_bytes(content)
        assert not is_label_map(tmp_path / name), content
    assert not is_label_map(tmp_path) and not is_label_map(tmp_path / "absent.nrrd")


@pytest.mark.parametrize("name", FORMATS)
def test_one_that_is_cut_off_is_judged_by_what_is_there(tmp_path, name):
    path = write(tmp_path / name, LABEL_MAPS["uint8"])
    path.write_bytes(path.read_bytes()[:-40])
    assert is_label_map(path) in (True, False)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", [*LABEL_MAPS, "float map of whole numbers", "all 0", "all 7", "8 bit"])
def test_all_values_are_found(tmp_path, kind, name):
    array = {**LABEL_MAPS, **SCANS}[kind]
    expected = tuple(int(value) for value in np.unique(array) if value)
    is_one = len(expected) <= 255 and max(expected, default=0) <= 65535
    for compressed in (True, False):
        assert values_in(write(tmp_path / name, array, compressed)) == (expected if is_one else None)


def test_a_value_in_the_last_voxel_is_found(tmp_path):
    array = labels(dtype=np.uint16)
    array[-1, -1, -1] = 300
    assert values_in(write(tmp_path / "a.nrrd", array)) == (1, 2, 5, 300)


@pytest.mark.parametrize("kind", ["ct", "mr", "float", "below 0"])
def test_what_is_no_label_map_has_no_values(tmp_path, kind):
    assert values_in(write(tmp_path / "a.nii.gz", SCANS[kind])) is None
    assert values_in(tmp_path / "absent.nrrd") is None
