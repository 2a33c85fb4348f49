"""What voxels of a label map may be."""

from __future__ import annotations

import numpy as np
import pytest

from coranet.contract.errors import DataError
from coranet.contract.label_values import require_label_volume, whole_label_values


@pytest.mark.parametrize("kind", ["bool", "u1", "i1", "u2", ">u2", "i2", "i4", "u4", "i8", "u8", "f4", ">f4", "f8"])
def test_whole_numbers_of_any_type_are_labels(kind):
    values = np.array([[0, 1], [1, 0]] if kind == "bool" else [[0, 1], [2, 100]]).astype(kind)
    read = whole_label_values(values, "a.nrrd")
    assert read.dtype == np.int32 and np.array_equal(read, values)


@pytest.mark.parametrize("kind", ["u2", "i4", "f4"])
def test_the_largest_value_is_65535(kind):
    assert whole_label_values(np.array([0, 65535], kind), "a.nrrd").max() == 65535


WRONG = {
    "fraction": (np.array([0, 1.5]), "got 1.5 in 1 voxel;"),
    "nearly-whole": (np.array([0, 1.9999999], np.float32), "got 1.99999988 in 1 voxel;"),
    "several-fractions": (np.array([0.25, 1, 3.75]), "got values from 0.25 to 3.75 in 2 voxels;"),
    "nan": (np.array([0, np.nan, np.nan]), "got NaN in 2 voxels;"),
    "nan-and-negative": (np.array([np.nan, -1.0]), "got -1 and NaN in 2 voxels;"),
    "infinite": (np.array([0, np.inf]), "got inf in 1 voxel;"),
    "negative": (np.array([0, -1], np.int16), "got -1 in 1 voxel;"),
    "hounsfield": (np.array([-1024, 0, 300], np.int16), "got -1024 in 1 voxel;"),
    "too-large": (np.array([0, 65536], np.int32), "got 65536 in 1 voxel;"),
    "huge": (np.array([0, 1e30]), "got 1e.30 in 1 voxel;"),
    "huge-unsigned": (np.array([0, 2**63], np.uint64), "in 1 voxel;"),
    "complex": (np.array([0, 1j]), "of the type complex128;"),
}


@pytest.mark.parametrize(("values", "sentence"), WRONG.values(), ids=WRONG)
def test_everything_else_is_refused_with_what_was_found(values, sentence):
    with pytest.raises(
        DataError, match=f"'a.nrrd' is not a label map: .*{sentence} give the segmentation, not an image"
    ):
        whole_label_values(values, "a.nrrd")


HEADERS = {
    "series": ("NRRD0004\ntype: short\ndimension: 4\nsizes: 4 4 4 2\nspacings: 1 1 1 1\n\n", "a.nrrd", "has 2 values"),
    "layers": (
        "NRRD0004\ndimension: 4\nsizes: 3 4 4 4\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n\n", "a.nrrd", "has 3",
    ),
    "channels": ("DimSize = 4 4 4\nElementNumberOfChannels = 3\nElementDataFile = LOCAL\n", "a.mha", "has 3"),
    "slice": ("NRRD0004\ndimension: 2\nsizes: 4 4\nspacings: 1 1\n\n", "a.nrrd", "is a single slice .4 x 4."),
    "one-slice": ("NDims = 3\nDimSize = 4 4 1\nElementDataFile = LOCAL\n", "a.mha", "is a single slice .4 x 4 x 1."),
}  # fmt: skip


@pytest.mark.parametrize(("header", "name", "sentence"), HEADERS.values(), ids=HEADERS)
def test_what_cannot_be_one_is_known_by_its_header(tmp_path, header, name, sentence):
    (tmp_path / name).write_bytes(header.encode("ascii"))
    with pytest.raises(DataError, match=f"{name}' {sentence}"):
        require_label_volume(tmp_path / name)


@pytest.mark.parametrize("sizes", ["4 4 4", "4 4 4 1"])
def test_one_volume_is_none_of_them(tmp_path, sizes):
    (tmp_path / "a.nrrd").write_text(f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\n\n", encoding="ascii")
    require_label_volume(tmp_path / "a.nrrd")
    require_label_volume(tmp_path / "absent.nrrd")
