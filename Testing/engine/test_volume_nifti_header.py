"""Headers of NIfTI files: one meaning, put right and told, or refused; nibabel is the second opinion."""

from __future__ import annotations

import re

import numpy as np
import pytest
from nifti_files import AFFINE, SPACING, voxels, write_nifti

from coranet.contract.errors import DataError
from coranet.volume import Volume, noted_by, read_grid, read_image, read_label_map

NAN, INF = float("nan"), float("inf")
QUARTER = (0.0, 0.0, 0.5**0.5, 1.0, 2.0, 3.0)
SHEARED = AFFINE + [[0, 0, 0.6, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
MIRRORED = AFFINE * [[-1], [1], [1]]


def read(path) -> tuple[Volume, list[str]]:
    notes: list[str] = []
    with noted_by(notes.append):
        volume = read_image(path)
        grid = read_grid(path)
    assert grid == volume.grid
    return volume, notes


def as_nibabel(path) -> np.ndarray:
    """Edges of a voxel as nibabel reads them, in LPS."""
    nibabel = pytest.importorskip("nibabel")
    return nibabel.load(path).affine[:3, :3] * [[-1], [-1], [1]]


def edges(volume: Volume) -> np.ndarray:
    return np.reshape(volume.grid.direction, (3, 3)) * volume.grid.spacing_mm


GOOD = [
    ("as it should be", {}),
    ("big endian", {"order": ">"}),
    ("qform alone", {"qform": QUARTER, "qform_code": 1}),
    ("qform, left-handed", {"qform": QUARTER, "qform_code": 1, "qfac": -1.0}),
    ("left-handed sform, as FSL writes it", {"sform": MIRRORED, "sform_code": 1}),
    ("both the same", {"sform": AFFINE, "sform_code": 1, "qform": (0, 0, 1, 10, 20, 30), "qform_code": 1}),
    ("sform of a template, larger", {"sform": AFFINE * 1.2, "sform_code": 4, "qform": QUARTER, "qform_code": 1}),
    ("sform of a template alone", {"sform": AFFINE, "sform_code": 4}),
    ("unit unknown", {"units": 0}),
    ("time in seconds", {"units": 10}),
    ("four dimensions of one volume", {"dim": (4, 5, 6, 7, 1)}),
    ("five dimensions of one volume", {"dim": (5, 5, 6, 7, 1, 1)}),
    ("seven dimensions of one volume", {"dim": (7, 5, 6, 7, 1, 1, 1, 1)}),
    ("slope 0", {"slope": 0.0}),
    ("rounded spacing", {"pixdim": (1.0004, 1.2496, 2.0009)}),
]


@pytest.mark.parametrize(("header"), [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_of_one_meaning_is_read_without_a_word(tmp_path, header, ending):
    path = write_nifti(tmp_path / f"a{ending}", **header)
    volume, notes = read(path)
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert not notes
    assert volume.grid.voxel_ml * 1000 == pytest.approx(2.5, rel=3e-3)
    if header.get("sform_code") != 4 or header.get("qform_code", 0) == 0:
        np.testing.assert_allclose(edges(volume), as_nibabel(path), rtol=2e-3, atol=1e-4)


PUT_RIGHT = [
    ("spacing 0 along k", {"pixdim": (1, 1.25, 0)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("spacing 0 everywhere", {"pixdim": (0, 0, 0)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("spacing NaN", {"pixdim": (1, NAN, 2)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("spacing infinite", {"pixdim": (INF, 1.25, 2)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("spacing negative", {"pixdim": (1, -1.25, 2)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("spacings negative", {"pixdim": (-1, -1.25, -2)}, "pixdim.*1 x 1.25 x 2 mm of its sform count"),
    ("metres", {"units": 1, "pixdim": (1e-3, 1.25e-3, 2e-3), "sform": AFFINE / 1e3, "sform_code": 1}, "in metres"),
    ("microns", {"units": 3, "pixdim": (1e3, 1.25e3, 2e3), "sform": AFFINE * 1e3, "sform_code": 1}, "in micrometres"),
    ("microns, spacing 0", {"units": 3, "pixdim": (1e3, 0, 2e3), "sform": AFFINE * 1e3, "sform_code": 1}, "micro"),
    ("no place", {"sform_code": 0}, "does not give its orientation in the patient"),
    ("sform of zeros", {"sform": AFFINE * 0, "sform_code": 1, "qform": QUARTER, "qform_code": 1}, "sform of zeros"),
    ("two places", {"sform": AFFINE, "sform_code": 1, "qform": QUARTER, "qform_code": 1}, "two positions that differ"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "message"), [row[1:] for row in PUT_RIGHT], ids=[row[0] for row in PUT_RIGHT])
def test_what_has_one_meaning_all_the_same_is_put_right_and_told(tmp_path, header, message):
    path = write_nifti(tmp_path / "a.nii.gz", **header)
    volume, notes = read(path)
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.grid.spacing_mm == pytest.approx(SPACING, rel=1e-5)
    assert re.search(message, notes[0]) and str(path) in notes[0]
    if header.get("sform_code", 1) and "zeros" not in message:
        expected = AFFINE * [[-1], [-1], [1]]
        np.testing.assert_allclose(edges(volume), expected[:, :3], atol=1e-5)
        np.testing.assert_allclose(volume.grid.origin_mm, expected[:, 3], atol=1e-3)


REFUSED = [
    ("two spacings", {"pixdim": (1, 1, 1)}, r"names two spacings: 1 x 1 x 1 \(pixdim\) and 1 x 1.25 x 2 \(sform\)"),
    ("two spacings along k", {"pixdim": (1, 1.25, 2.1)}, "names two spacings"),
    ("sform of 1 mm", {"sform": np.eye(4), "sform_code": 1}, "names two spacings"),
    ("axes of the spacing exchanged", {"pixdim": (2, 1.25, 1)}, "names two spacings"),
    ("two spacings, one of them 0", {"pixdim": (0, 1.25, 3)}, "names two spacings"),
    ("spacing 0, no place", {"pixdim": (1, 1.25, 0), "sform_code": 0}, "has a spacing of 1 x 1.25 x 0"),
    ("spacing NaN, no place", {"pixdim": (NAN, 1.25, 2), "sform_code": 0}, "has a spacing of nan x 1.25 x 2"),
    ("spacing 0, qform alone", {"pixdim": (0, 0, 0), "qform": QUARTER, "qform_code": 1}, "has a spacing of 0 x 0 x 0"),
    ("spacing negative, no place", {"pixdim": (1, -1.25, 2), "sform_code": 0}, "expected numbers above 0"),
    ("metres that are millimetres", {"units": 1}, "its unit as metres; then its voxels are 1000 x 1250 x 2000 mm"),
    ("sheared", {"sform": SHEARED, "sform_code": 1}, "sheared grid"),
    ("sheared a little", {"sform": AFFINE + [[0, 0, 5e-3, 0], [0] * 4, [0] * 4], "sform_code": 1}, "sheared"),
    ("sform of zeros alone", {"sform": AFFINE * 0, "sform_code": 1}, "does not say where it lies"),
    ("sform of NaN", {"sform": AFFINE * NAN, "sform_code": 1}, "does not say where it lies"),
    ("sform of a plane", {"sform": AFFINE * [[1], [1], [0]], "sform_code": 1}, "where it lies|two spacings"),
    ("qform NaN", {"qform": (NAN, 0, 0, 1, 2, 3), "qform_code": 1}, "qform that is not a rotation"),
    ("qform too long", {"qform": (1, 1, 1, 1, 2, 3), "qform_code": 1}, "qform that is not a rotation"),
    ("mirrored in one place",
     {"sform": AFFINE, "sform_code": 1, "qform": (0, 0, 1, 0, 0, 0), "qform_code": 1, "qfac": -1.0}, "are unclear"),
    ("version 2", {"version": 2}, "NIfTI-2 file, which ITK and Slicer do not read"),
    ("version 2, big endian", {"version": 2, "order": ">"}, "NIfTI-2"),
    ("intercept without slope", {"slope": 0.0, "inter": 5.0}, "by 0 and adds 5"),
    ("intercept with slope NaN", {"slope": NAN, "inter": 5.0}, "by nan and adds 5"),
    ("intercept NaN", {"slope": 2.0, "inter": NAN}, "by 2 and adds nan"),
    ("several volumes", {"dim": (4, 5, 6, 7, 2)}, "4 dimensions|2 values in each voxel|voxels are missing"),
    ("no dimensions", {"dim": (0, 5, 6, 7)}, "cannot be read|single slice"),
    ("eight dimensions", {"dim": (9, 5, 6, 7)}, "cannot be read|single slice|missing"),
    ("a single slice", {"dim": (3, 5, 6, 1)}, "single slice"),
    ("a plane", {"dim": (2, 5, 6)}, "single slice"),
    ("voxels from byte 0", {"offset": 0.0}, "begin at byte 0, which lies in its header, expected 352 or more"),
    ("voxels from the header's end", {"offset": 348.0}, "begin at byte 348"),
    ("voxels from before the file", {"offset": -1.0}, "begin at byte -1"),
    ("voxels from nowhere", {"offset": NAN}, "begin at byte 0"),
    ("larger than the file", {"dim": (3, 5, 6, 70)}, "voxels are missing at its end"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_has_two_meanings_is_refused(tmp_path, header, message):
    path = write_nifti(tmp_path / "a.nii.gz", **header)
    for look in (read_image, read_label_map):
        with pytest.raises(DataError, match=message) as caught:
            look(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(("slope", "inter"), [(2.0, -1024.0), (0.5, 0.0), (NAN, 0.0), (0.0, NAN), (1e-3, 3.0)])
def test_intensities_are_scaled_as_nibabel_scales_them(tmp_path, slope, inter):
    nibabel = pytest.importorskip("nibabel")
    path = write_nifti(tmp_path / "a.nii", slope=slope, inter=inter)
    expected = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
    np.testing.assert_allclose(read(path)[0].voxels, expected, rtol=1e-6)
