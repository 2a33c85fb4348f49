"""DICOM folders of several images or none: refused in a sentence, and each image read where it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import item, positions, read, series, voxels, write_report, write_series, write_slice
from pydicom.sequence import Sequence as Items

from coranet.contract.errors import DataError
from coranet.contract.source_files import source_files
from coranet.volume import parts_of, read_grid, read_image

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
    for path, image in zip(sorted(folder.iterdir()), pixels, strict=True):
        kind = dict(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
        bits = dict(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=image.tobytes())
        write_slice(path, image[..., 0], positions()[0], **kind, **bits)


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


def upper_12_bits(folder: Path) -> None:
    """As files of before 2006 may have them: ITK reads the lower bits, without the largest part of each number."""
    series(folder, BitsStored=12, HighBit=15, PixelRepresentation=0)


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
    (an_orientation_that_is_none, "axes that are not at right angles"),
    (no_spacing, "does not say how large its voxels are .*absent"),
    (spacing_of_zero, "does not say how large its voxels are"),
    (one_slice, "is a single slice"),
    (colour, "3 values in each voxel"),
    (a_file_cut_short, "voxels are missing at its end"),
    (a_file_cut_in_its_header, "cannot be read|voxels are missing"),
    (a_slope_of_zero, "scales its intensities by 0"),
    (a_position_that_is_none, "a position that is not a point in space|cannot be read as DICOM"),
    (only_a_report, "holds 0 DICOM series"),
    (with_a_table, "has a table from stored values to intensities"),
    (white_is_low, "stores its intensities as MONOCHROME1, expected MONOCHROME2"),
    (palette, "a colour image with a palette"),
    (mosaic, "a mosaic of Siemens"),
    (one_bit_a_voxel, "stores 1 bits a voxel, expected 8, 16, 32"),
    (upper_12_bits, "has its 12 bits a voxel below bit 15 .HighBit., expected 11"),
    (packed_12_bits, "stores 12 bits a voxel|voxels are missing"),
    (two_patients_of_one_number, "holds 2 DICOM series, expected exactly 1"),
    (two_studies_of_one_number, "holds 2 DICOM series, expected exactly 1"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_one_even_stack_is_refused(awkward_path, make, message):
    make(awkward_path / "s")
    for look in (read_image, read_grid):
        with pytest.raises(DataError, match=message) as caught:
            look(awkward_path / "s")
        assert "\n" not in str(caught.value) and str(awkward_path) in str(caught.value)


# -- several images of a series --


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [echoes, phases, acquisitions_in_time, b_values, magnitude_and_phase, two_orientations]
)
def test_any_file_stands_for_the_image_that_it_belongs_to(tmp_path, make):
    make(tmp_path / "s")
    parts = parts_of(tmp_path / "s")
    assert len(parts) == (3 if make is phases else 2)
    for number, part in enumerate(parts):
        volume, _ = read(tmp_path / "s", channel=number)
        for dicom_slice in (part.slices[0], part.slices[-1]):
            np.testing.assert_array_equal(read_image(dicom_slice.path).voxels, volume.voxels)
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
