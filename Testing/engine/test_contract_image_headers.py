from __future__ import annotations

import struct

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import ImageHeader, read_image_header


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.nii", "a.nii.gz", "a.mha", "a.mhd", "A.NRRD"])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_the_engine_reads_is_what_the_header_says(awkward_path, name, compressed):
    image = sitk.GetImageFromArray(np.zeros((6, 5, 4), np.int16))
    image.SetSpacing((0.5, 1.25, 3.0))
    image.SetOrigin((-10.0, 20.0, 5.0))
    image.SetDirection((0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(awkward_path / name), compressed)
    header = read_image_header(awkward_path / name)
    assert header.size_ijk == (4, 5, 6)
    assert header.spacing_mm == pytest.approx((0.5, 1.25, 3.0))


def test_an_axis_that_is_not_of_space_is_left_out(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_text("NRRD0005\nsizes: 3 4 5 6\nspace directions: none (2,0,0) (0,0,3) (0,4,0)\n\n", encoding="utf-8")
    assert read_image_header(path) == ImageHeader((4, 5, 6), (2.0, 3.0, 4.0), volumes=3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_of_either_kind_and_order(tmp_path, order):
    first, second = bytearray(348), bytearray(540)
    struct.pack_into(order + "i", first, 0, 348)
    struct.pack_into(order + "8h", first, 40, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into(order + "8f", first, 76, -1, 0.5, 1.5, 2.5, 0, 0, 0, 0)
    struct.pack_into(order + "i", second, 0, 540)
    struct.pack_into(order + "8q", second, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into(order + "8d", second, 104, -1, 0.5, 1.5, 2.5, 0, 0, 0, 0)
    for head in (first, second):
        (tmp_path / "a.nii").write_bytes(head)
        assert read_image_header(tmp_path / "a.nii") == ImageHeader((4, 5, 6), (0.5, 1.5, 2.5))


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.dcm"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"NRRD0004\nsizes: x\n", b"DimSize = 1 a\n", bytes(400)])
def test_what_is_not_understood_says_nothing(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_image_header(tmp_path / name) is None


def test_a_folder_and_nothing_say_nothing(tmp_path):
    assert read_image_header(tmp_path) is None
    assert read_image_header(tmp_path / "nothing.nrrd") is None
