"""DICOM folders as people have them: read as acquired, put right and told, or refused in a sentence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import SPACING, item, positions, voxels, write_report, write_series, write_slice
from pydicom import dcmread
from pydicom.sequence import Sequence as Items
from pydicom.uid import RLELossless, generate_uid

from coranet.contract.errors import DataError
from coranet.contract.source_files import source_files
from coranet.volume import noted_by, parts_of, read_grid, read_image, read_label_map

SCOUT = voxels(3, seed=9)


def series(folder: Path, **more) -> Path:
    return write_series(folder, voxels(), positions(), **more)


def read(path: Path, channel: int | None = None) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    with noted_by(notes.append):
        volume = read_image(path, channel)
        assert read_grid(path, channel) == volume.grid
    return volume, notes


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
        one = array[stored.InstanceNumber - 1].astype("<u2")
        stored.PixelData = (one | (one % 3 == 0).astype("<u2") << 15).tobytes()
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
    wanted = signed_12_bits(folder)
    for path in folder.iterdir():
        stored = dcmread(path)
        stored.PixelData = (np.frombuffer(stored.PixelData, "<u2") | 1 << 15).tobytes()
        for element, kind, value in ((0x10, "US", 5), (0x11, "US", 6), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
                                     (0x100, "US", 16), (0x102, "US", 15)):  # fmt: skip
            stored.add_new(0x60000000 + element, kind, value)
        stored.save_as(path)
    return wanted


@pytest.mark.parametrize("make", [bits_of_an_overlay, signed_12_bits, signed_12_bits_and_a_mask])
def test_bits_above_those_of_an_intensity_are_no_part_of_it(tmp_path, make):
    wanted = make(tmp_path / "s")
    np.testing.assert_array_equal(read(tmp_path / "s")[0].voxels, wanted)


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


PUT_RIGHT = [
    (a_slice_twice, "has 1 slices twice .*taken once"),
    (a_file_copied, "has 1 slices twice"),
    (all_slices_twice, "has 7 slices twice"),
    (a_scout_of_its_own_series, r"has a scout \(series 1 \(3 slices\)\), which is left out"),
    (a_scout_within, "has 3 slices of a scout, which are left out"),
    (a_picture_across, "has 1 slices of another size or orientation \\('x'\\), which are left out"),
    (a_picture_of_another_size, "has 1 slices of another size or orientation"),
]


@pytest.mark.parametrize(("make", "words"), PUT_RIGHT, ids=lambda value: getattr(value, "__name__", ""))
def test_what_can_be_put_right_is_put_right_and_told(awkward_path, make, words):
    make(awkward_path / "s")
    volume, notes = read(awkward_path / "s")
    np.testing.assert_array_equal(volume.voxels, voxels())
    assert volume.grid.spacing_mm == pytest.approx(SPACING)
    assert len(notes) == 1
    assert re.search(words, notes[0])


# -- what is refused --


def without(*numbers: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        kept = [k for k in range(7) if k not in numbers]
        write_series(folder, voxels()[kept], [positions()[k] for k in kept])

    make.__name__ = f"without {numbers}"
    return make


def sparse_then_dense(folder: Path) -> None:
    along = [0, 4, 8, 12, 14, 16, 18]
    write_series(folder, voxels(), [(0, 0, z) for z in along])


def drifting_distances(folder: Path) -> None:
    write_series(folder, voxels(), [(0, 0, 2.0 * k + 0.1 * k * k) for k in range(7)])


def tilted_gantry(folder: Path) -> None:
    write_series(folder, voxels(), [(0, 0.5 * k, 2.0 * k) for k in range(7)])


def one_slice_shifted(folder: Path) -> None:
    write_series(folder, voxels(), [(3.0 if k == 4 else 0.0, 0, 2.0 * k) for k in range(7)])


def another_slice_at_one_place(folder: Path) -> None:
    series(folder)
    write_slice(folder / "x", voxels()[3] + 1, positions()[3], InstanceNumber=8)


def echoes(folder: Path) -> None:
    for echo in (1, 2):
        write_series(folder, voxels(seed=echo), positions(), f"e{echo}", EchoTime=4.6 * echo, Modality="MR")


def phases(folder: Path) -> None:
    for phase in (1, 2, 3):
        write_series(folder, voxels(seed=phase), positions(), f"p{phase}", TemporalPositionIdentifier=phase)


def acquisitions_in_time(folder: Path) -> None:
    for number in (1, 2):
        time = [f"1{number}0000.{k}" for k in range(7)]
        write_series(
            folder, voxels(seed=number), positions(), f"a{number}", AcquisitionNumber=number, AcquisitionTime=time
        )


def b_values(folder: Path) -> None:
    for value in (0, 1000):
        write_series(folder, voxels(seed=value), positions(), f"b{value}", DiffusionBValue=float(value))


def magnitude_and_phase(folder: Path) -> None:
    for kind in "MP":
        write_series(folder, voxels(seed=ord(kind)), positions(), kind, ImageType=("ORIGINAL", "PRIMARY", kind))


def echoes_of_which_one_lacks_a_slice(folder: Path) -> None:
    echoes(folder)
    (folder / "e2000").unlink()


def echoes_side_by_side(folder: Path) -> None:
    series(folder, EchoTime=[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0])


def two_orientations(folder: Path) -> None:
    series(folder)
    axes = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    write_series(folder, voxels(5, seed=3), [(2.0 * k, 0, 0) for k in range(5)], "sag", ImageOrientationPatient=axes)


def two_sizes(folder: Path) -> None:
    series(folder)
    write_series(folder, np.zeros((5, 9, 8), np.int16), positions(5), "large")


def copies_that_nothing_tells_apart(folder: Path) -> None:
    series(folder)
    write_series(folder, voxels(seed=5), positions(), "other")


def two_series(folder: Path) -> None:
    series(folder)
    write_series(
        folder, voxels(5), positions(5), "o", SeriesInstanceUID="1.2.9", SeriesNumber=7, SeriesDescription="T1"
    )


def no_positions(folder: Path) -> None:
    write_series(folder, voxels(), [None] * 7)


def one_without_position(folder: Path) -> None:
    write_series(folder, voxels(), [*positions()[:6], None])


def no_orientation(folder: Path) -> None:
    series(folder, ImageOrientationPatient=None)


def an_orientation_that_is_none(folder: Path) -> None:
    series(folder, ImageOrientationPatient=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0))


def no_spacing(folder: Path) -> None:
    series(folder, PixelSpacing=None)


def spacing_of_zero(folder: Path) -> None:
    series(folder, PixelSpacing=(1.0, 0.0))


def one_slice(folder: Path) -> None:
    write_series(folder, voxels()[:1], positions()[:1])


def colour(folder: Path) -> None:
    pixels = np.zeros((7, 5, 6, 3), np.uint8)
    series(folder)
    for path, one in zip(sorted(folder.iterdir()), pixels, strict=True):
        kind = dict(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
        bits = dict(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=one.tobytes())
        write_slice(path, one[..., 0], positions()[0], **kind, **bits)


def a_file_cut_short(folder: Path) -> None:
    series(folder)
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[:-20])


def a_file_cut_in_its_header(folder: Path) -> None:
    series(folder)
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[:500])


def a_slope_of_zero(folder: Path) -> None:
    series(folder, RescaleSlope=[1, 1, 1, 0, 1, 1, 1])


def a_position_that_is_none(folder: Path) -> None:
    series(folder)
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes().replace(b"-3.000000", b"nan      "))


def with_a_table(folder: Path) -> None:
    """Intensities by a table in place of slope and intercept, as some X-ray and old MR devices write them."""
    table = item(
        LUTDescriptor=[256, 0, 16], ModalityLUTType="HU", LUTData=(3 * np.arange(256) + 7).astype("<u2").tobytes()
    )
    more = dict(RescaleSlope=None, RescaleIntercept=None, ModalityLUTSequence=Items([table]))
    write_series(folder, np.abs(voxels()) % 256, positions(), PixelRepresentation=0, **more)


def white_is_low(folder: Path) -> None:
    series(folder, PhotometricInterpretation="MONOCHROME1")


def palette(folder: Path) -> None:
    series(folder, PhotometricInterpretation="PALETTE COLOR")


def mosaic(folder: Path) -> None:
    kind = ("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC")
    write_series(folder, np.zeros((3, 15, 18), np.int16), [(0.0, 0.0, 0.0)] * 3, ImageType=kind)


def one_bit_a_voxel(folder: Path) -> None:
    series(folder, BitsAllocated=1, BitsStored=1, HighBit=0, PixelRepresentation=0)


def packed_12_bits(folder: Path) -> None:
    """As files of before 1993 have them: two voxels in three bytes."""
    series(folder, BitsAllocated=12, BitsStored=12, HighBit=11, PixelRepresentation=0)


def two_patients_of_one_number(folder: Path) -> None:
    """Anonymized, so that all files have the same number of a series."""
    series(folder, PatientID=["1", "1", "1", "2", "2", "2", "2"])


def two_studies_of_one_number(folder: Path) -> None:
    series(folder, StudyInstanceUID=["1.1", "1.1", "1.1", "1.2", "1.2", "1.2", "1.2"])


def only_a_report(folder: Path) -> None:
    write_report(folder / "report")


REFUSED = [
    (without(3), "lacks 1 slices: they are 2 mm apart, but 4 mm between"),
    (without(1), "lacks 1 slices"),
    (without(5), "lacks 1 slices"),
    (without(2, 3), "lacks 2 slices: .*but 6 mm between"),
    (without(1, 4), "lacks 2 slices"),
    (sparse_then_dense, "uneven distances, from 2 to 4 mm|lacks"),
    (drifting_distances, "uneven distances, from 2.1 to 3.1 mm"),
    (tilted_gantry, r"shifted sideways, by 3 mm over the stack \(14.0 degrees\).*tilted gantry"),
    (one_slice_shifted, "shifted sideways"),
    (another_slice_at_one_place, "two different slices at one place, '.*' and '.*'"),
    (echoes, r"2 images: echo time 4.6 \(7 slices\), echo time 9.2 \(7 slices\); give a file of the one"),
    (phases, r"3 images: temporal position 1 \(7 slices\)"),
    (acquisitions_in_time, r"2 images: acquisition 1 \(7 slices\), acquisition 2"),
    (b_values, r"2 images: b-value 0 \(7 slices\), b-value 1000"),
    (magnitude_and_phase, "2 images: kind of image ORIGINAL.PRIMARY.M"),
    (echoes_of_which_one_lacks_a_slice, r"echo time 9.2 \(6 slices\)"),
    (echoes_side_by_side, r"2 images: echo time 1 \(4 slices\), echo time 2 \(3 slices\)"),
    (two_orientations, r"2 images: axial 6 x 5 \(7 slices\), sagittal 6 x 5 \(5 slices\)"),
    (two_sizes, r"2 images: axial 6 x 5 \(7 slices\), axial 8 x 9"),
    (copies_that_nothing_tells_apart, "two different slices at one place"),
    (two_series, r"holds 2 DICOM series, expected exactly 1: series 1 \(7 slices\), series 7 'T1' \(5 slices\)"),
    (no_positions, "does not say where its slice lies"),
    (one_without_position, "does not say where its slice lies"),
    (no_orientation, "does not say where its slice lies"),
    (an_orientation_that_is_none, "axes that are no directions at right angles"),
    (no_spacing, "does not say how large its voxels are .*absent"),
    (spacing_of_zero, "does not say how large its voxels are"),
    (one_slice, "is a single slice"),
    (colour, "3 values in each voxel"),
    (a_file_cut_short, "voxels are missing at its end"),
    (a_file_cut_in_its_header, "cannot be read|voxels are missing"),
    (a_slope_of_zero, "scales its intensities by 0"),
    (a_position_that_is_none, "a position that is no place|cannot be read as DICOM"),
    (only_a_report, "holds 0 DICOM series"),
    (with_a_table, "has a table from stored values to intensities"),
    (white_is_low, "stores its intensities as MONOCHROME1, expected MONOCHROME2"),
    (palette, "a colour image with a palette"),
    (mosaic, "a mosaic of Siemens"),
    (one_bit_a_voxel, "stores 1 bits a voxel, expected 8, 16, 32"),
    (packed_12_bits, "stores 12 bits a voxel|voxels are missing"),
    (two_patients_of_one_number, "holds 2 DICOM series, expected exactly 1"),
    (two_studies_of_one_number, "holds 2 DICOM series, expected exactly 1"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_one_even_stack_is_refused(awkward_path, make, words):
    make(awkward_path / "s")
    for look in (read_image, read_grid):
        with pytest.raises(DataError, match=words) as caught:
            look(awkward_path / "s")
        assert "\n" not in str(caught.value) and str(awkward_path) in str(caught.value)


# -- several images of a series --


@pytest.mark.parametrize(
    "make", [echoes, phases, acquisitions_in_time, b_values, magnitude_and_phase, two_orientations]
)
def test_any_file_stands_for_the_image_that_it_belongs_to(tmp_path, make):
    make(tmp_path / "s")
    parts = parts_of(tmp_path / "s")
    assert len(parts) == (3 if make is phases else 2)
    for number, part in enumerate(parts):
        volume, _ = read(tmp_path / "s", channel=number)
        for one in (part.slices[0], part.slices[-1]):
            np.testing.assert_array_equal(read(one.path)[0].voxels, volume.voxels)
        assert len(volume.voxels) == len(part.slices)
    with pytest.raises(DataError, match=f"holds {len(parts)} images, expected at least {len(parts) + 1}"):
        read_image(tmp_path / "s", len(parts))


def test_the_echoes_are_in_their_order(tmp_path):
    echoes(tmp_path / "s")
    for number in (0, 1):
        np.testing.assert_array_equal(read(tmp_path / "s", number)[0].voxels, voxels(seed=number + 1))


def test_a_file_stands_for_its_series_among_others(tmp_path):
    two_series(tmp_path / "s")
    volume, _ = read(next((tmp_path / "s").glob("im*")))
    np.testing.assert_array_equal(volume.voxels, voxels())


def test_all_files_of_a_folder_make_up_an_image(tmp_path):
    series(tmp_path / "s")
    (tmp_path / "s/readme.txt").write_text("x")
    first = next(iter(sorted((tmp_path / "s").iterdir())))
    assert set(source_files([str(first)])) == set(source_files([str(tmp_path / "s")]))


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
