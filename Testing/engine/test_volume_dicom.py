"""DICOM folders as people have them: read as acquired, put right and told, or refused in a sentence."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import SPACING, positions, read, series, voxels, write_report, write_series, write_slice
from pydicom import dcmread
from pydicom.uid import RLELossless, generate_uid

from coranet.contract.errors import DataError
from coranet.volume import read_label_map

SCOUT = voxels(3, seed=9)


# -- what is read --


def plain(folder: Path) -> None:
    series(folder)


def with_other_files(folder: Path) -> None:
    series(folder)
    (folder / "notes.txt").write_text("DICM, but not here")
    (folder / "VERSION").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"\0" * 128 + b"DICM")


def with_a_report(folder: Path) -> None:
    series(folder)
    write_report(folder / "report")


def numbers_against_places(folder: Path) -> None:
    write_series(folder, voxels()[::-1], positions()[::-1])


def rounded_places(folder: Path) -> None:
    write_series(folder, voxels(), [tuple(round(value, 1) for value in place) for place in positions(7, 2.0)])


def jittered_places(folder: Path) -> None:
    write_series(folder, voxels(), [(x, y, z + 0.05 * (-1) ** k) for k, (x, y, z) in enumerate(positions())])


def a_number_that_is_none(folder: Path) -> None:
    series(folder, EchoTime="12.34567")
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes().replace(b"12.34567", b"12.three"))


def run_lengths(folder: Path) -> None:
    """Compressed as ITK's decoder does not take it; Slicer's does."""
    series(folder)
    for path in folder.iterdir():
        stored = dcmread(path)
        stored.compress(RLELossless)
        stored.save_as(path)


def one_acquisition_after_another(folder: Path) -> None:
    series(folder, AcquisitionNumber=[1, 1, 1, 1, 2, 2, 2], AcquisitionTime=[f"10000{k}" for k in range(7)])


def each_slice_of_another_study(folder: Path) -> None:
    """As ITK writes them where it was given no number."""
    series(folder, StudyInstanceUID=[f"1.2.{k}" for k in range(7)])


GOOD = [plain, run_lengths, with_other_files, with_a_report, numbers_against_places, rounded_places, jittered_places,
        one_acquisition_after_another, a_number_that_is_none, each_slice_of_another_study,
]  # fmt: skip


@pytest.mark.parametrize("make", GOOD, ids=lambda make: make.__name__)
def test_slices_are_read_where_they_lie(awkward_path, make):
    make(awkward_path / "s")
    volume, notes = read(awkward_path / "s")
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.voxels.dtype == np.float32 and not notes
    np.testing.assert_allclose(volume.grid.spacing_mm, SPACING, rtol=0.02)
    np.testing.assert_allclose(volume.grid.origin_mm, positions()[0], atol=0.06)
    np.testing.assert_allclose(volume.grid.direction, np.eye(3).ravel(), atol=1e-6)


def test_the_way_across_the_slices_is_that_of_their_normal(tmp_path):
    """Slices whose rows run to the right and down: their normal points to the feet."""
    axes = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    series(tmp_path / "s", ImageOrientationPatient=axes)
    volume, _ = read(tmp_path / "s")
    np.testing.assert_array_equal(volume.voxels, voxels()[::-1])
    np.testing.assert_allclose(np.reshape(volume.grid.direction, (3, 3))[:, 2], (0, 0, -1), atol=1e-9)
    assert volume.grid.origin_mm == pytest.approx(positions()[-1])
    assert volume.grid.voxel_ml == pytest.approx(2.5e-3)


def test_each_slice_has_its_own_scale(tmp_path):
    """As in PET; half values must not be rounded to the whole numbers of the first slice."""
    slopes = [1, 0.5, 0.25, 2, 1, 0.125, 3]
    series(tmp_path / "s", RescaleSlope=slopes, RescaleIntercept=[0, 0.5, 0, 0, -1024, 0, 7])
    volume, _ = read(tmp_path / "s")
    expected = voxels() * np.reshape(slopes, (7, 1, 1)) + np.reshape([0, 0.5, 0, 0, -1024, 0, 7], (7, 1, 1))
    np.testing.assert_allclose(volume.voxels, expected, rtol=1e-6)


def bits_of_an_overlay(folder: Path) -> np.ndarray:
    """12 bits of intensities, above them a mask, as files of before 2004 have it."""
    array = np.abs(voxels()) % 1000
    write_series(folder, array, positions(), BitsStored=12, HighBit=11, PixelRepresentation=0)
    for path in folder.iterdir():
        stored = dcmread(path)
        plane = array[stored.InstanceNumber - 1].astype("<u2")
        stored.PixelData = (plane | (plane % 3 == 0).astype("<u2") << 15).tobytes()
        for element, kind, value in ((0x10, "US", 5), (0x11, "US", 6), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
                                     (0x100, "US", 16), (0x102, "US", 15)):  # fmt: skip
            stored.add_new(0x60000000 + element, kind, value)
        stored.save_as(path)
    return array


def signed_12_bits(folder: Path) -> np.ndarray:
    """Negative numbers whose highest bits are 0."""
    write_series(folder, voxels(), positions(), BitsStored=12, HighBit=11)
    for path in folder.iterdir():
        stored = dcmread(path)
        stored.PixelData = (voxels()[stored.InstanceNumber - 1].astype("<u2") & 0x0FFF).tobytes()
        stored.save_as(path)
    return voxels()


def signed_12_bits_and_a_mask(folder: Path) -> np.ndarray:
    """As ITK does not take them either."""
    expected = signed_12_bits(folder)
    for path in folder.iterdir():
        stored = dcmread(path)
        stored.PixelData = (np.frombuffer(stored.PixelData, "<u2") | 1 << 15).tobytes()
        for element, kind, value in ((0x10, "US", 5), (0x11, "US", 6), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
                                     (0x100, "US", 16), (0x102, "US", 15)):  # fmt: skip
            stored.add_new(0x60000000 + element, kind, value)
        stored.save_as(path)
    return expected


@pytest.mark.parametrize("make", [bits_of_an_overlay, signed_12_bits, signed_12_bits_and_a_mask])
def test_bits_above_those_of_an_intensity_are_no_part_of_it(tmp_path, make):
    expected = make(tmp_path / "s")
    np.testing.assert_array_equal(read(tmp_path / "s")[0].voxels, expected)


def test_label_maps_may_be_series(tmp_path):
    labels = np.abs(voxels()) % 3
    write_series(tmp_path / "s", labels, positions())
    assert read_label_map(tmp_path / "s").voxels.dtype == np.int32
    np.testing.assert_array_equal(read_label_map(tmp_path / "s").voxels, labels)


# -- what is put right, and told --


def a_slice_twice(folder: Path) -> None:
    series(folder)
    write_slice(folder / "again", voxels()[3], positions()[3], InstanceNumber=4)


def a_file_copied(folder: Path) -> None:
    series(folder)
    first = sorted(folder.iterdir())[0]
    shutil.copy(first, folder / "zz-copy")


def all_slices_twice(folder: Path) -> None:
    series(folder)
    series(folder, name="again")


def a_scout_of_its_own_series(folder: Path) -> None:
    series(folder)
    other = {"SeriesInstanceUID": "1.2.3.9", "ImageType": ("ORIGINAL", "PRIMARY", "LOCALIZER")}
    write_series(folder, SCOUT, positions(3, 30.0), "scout", **other)


def a_scout_within(folder: Path) -> None:
    series(folder)
    axes = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    kind = ("ORIGINAL", "PRIMARY", "LOCALIZER")
    write_series(folder, SCOUT, positions(3, 30.0), "scout", ImageOrientationPatient=axes, ImageType=kind)


def a_picture_across(folder: Path) -> None:
    series(folder)
    write_slice(folder / "x", SCOUT[0], (0, 0, 0), ImageOrientationPatient=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0))


def a_picture_of_another_size(folder: Path) -> None:
    series(folder)
    write_slice(folder / "x", np.zeros((9, 8), np.int16), (0, 0, 0))


def _captures(folder: Path, kind: str, count: int, series_number: str = "1.2.9") -> None:
    """Pictures beside a series: "colour" or "sheet", which has neither a spacing nor a position."""
    for number in range(count):
        pixels = np.zeros((9, 8, 3), np.uint8)
        rgb = dict(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8)
        own = dict(rgb, BitsStored=8, HighBit=7, PixelData=pixels.tobytes()) if kind == "colour" else {}
        nowhere = dict(PixelSpacing=None, ImageOrientationPatient=None)
        path = folder / f"capture{number}"
        write_slice(path, pixels[..., 0].astype(np.int16), None, SeriesInstanceUID=series_number, **nowhere, **own)


def a_photograph_of_the_screen(folder: Path) -> None:
    series(folder)
    _captures(folder, "colour", 1)


def a_report_on_the_dose(folder: Path) -> None:
    series(folder)
    _captures(folder, "sheet", 2)


PUT_RIGHT = [
    (a_slice_twice, "has 1 slices twice .*taken once"),
    (a_file_copied, "has 1 slices twice"),
    (all_slices_twice, "has 7 slices twice"),
    (a_scout_of_its_own_series, r"has a scout \(series 1 \(3 slices\)\), which is left out"),
    (a_scout_within, "has 3 slices of a scout, which are left out"),
    (a_picture_across, "has 1 slices of another size or orientation \\('x'\\), which are left out"),
    (a_picture_of_another_size, "has 1 slices of another size or orientation"),
    (a_photograph_of_the_screen, r"has 1 pictures of other series \('capture0'\), which are left out"),
    (a_report_on_the_dose, r"has 2 pictures of other series \('capture0', 'capture1'\), which are left out"),
]


@pytest.mark.parametrize(("make", "message"), PUT_RIGHT, ids=lambda value: getattr(value, "__name__", ""))
def test_what_can_be_put_right_is_put_right_and_told(awkward_path, make, message):
    make(awkward_path / "s")
    volume, notes = read(awkward_path / "s")
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.grid.spacing_mm == pytest.approx(SPACING)
    assert len(notes) == 1
    assert re.search(message, notes[0])


@pytest.mark.parametrize(
    ("kind", "message"), [("colour", r"\(colour\), expected 1"), ("sheet", "how large its voxels")]
)
def test_pictures_are_not_left_out_where_they_may_be_the_scan(tmp_path, kind, message):
    series(tmp_path / "same")
    _captures(tmp_path / "same", kind, 1, dcmread(tmp_path / "same" / "im000").SeriesInstanceUID)
    (tmp_path / "alone").mkdir()
    _captures(tmp_path / "alone", kind, 3)
    series(tmp_path / "asked")
    _captures(tmp_path / "asked", kind, 1)
    for path in ("same", "alone", "asked/capture0"):
        with pytest.raises(DataError, match=rf"capture0' .*{message}"):
            read(tmp_path / path)
    assert read(tmp_path / "asked" / "im001")[0].voxels.shape == voxels().shape


def test_axes_turned_together_keep_the_voxel_volume(tmp_path):
    angle = np.radians(20)
    axes = (np.cos(angle), np.sin(angle), 0.0, 0.0, 0.0, -1.0)
    normal = np.cross(axes[:3], axes[3:])
    write_series(
        tmp_path / "s", voxels(), [tuple(5 + 2.0 * k * normal) for k in range(7)], ImageOrientationPatient=axes,
        SOPInstanceUID=[generate_uid() for _ in range(7)],
    )  # fmt: skip
    volume, _ = read(tmp_path / "s")
    assert volume.grid.voxel_ml == pytest.approx(2.5e-3, rel=1e-6)
    assert volume.grid.position_mm((0, 0, 6)) == pytest.approx(tuple(5 + 12.0 * normal), abs=1e-4)
