from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from scans import grid_of, name_of_direction, scan_on, signed_permutations, tilted

from coranet.contract.errors import DataError, StorageError
from coranet.volume import (
    Grid,
    read_grid,
    read_image,
    read_label_map,
    write_volume,
)

DIRECTIONS = signed_permutations()[::7]
RIGHT_HANDED = [direction for direction in signed_permutations() if np.linalg.det(direction) > 0]


def assert_same_place(first: Grid, second: Grid) -> None:
    assert first.size_ijk == second.size_ijk
    np.testing.assert_allclose(first.spacing_mm, second.spacing_mm, rtol=1e-6)
    np.testing.assert_allclose(first.origin_mm, second.origin_mm, atol=1e-5)
    np.testing.assert_allclose(first.direction, second.direction, atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=name_of_direction)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_volume_comes_back_as_it_was_written(awkward_path, direction, suffix):
    volume = scan_on(grid_of(direction=tilted(direction)))
    path = awkward_path / f"a scan{suffix}"
    write_volume(path, volume.voxels, volume.grid)
    back = read_image(path)
    np.testing.assert_array_equal(back.voxels, volume.voxels)
    assert_same_place(back.grid, volume.grid)
    assert_same_place(read_grid(path), volume.grid)
    assert back.grid.difference(volume.grid) == ""


@pytest.mark.parametrize("direction", RIGHT_HANDED[::5], ids=name_of_direction)
def test_nifti_keeps_the_place_too(awkward_path, direction):
    volume = scan_on(grid_of(direction=tilted(direction)))
    write_volume(awkward_path / "scan.nii.gz", volume.voxels, volume.grid)
    assert read_image(awkward_path / "scan.nii.gz").grid.difference(volume.grid) == ""


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_a_file_has_the_type_of_the_array_and_an_image_is_read_as_float32(tmp_path, an_oblique_grid, dtype):
    voxels = np.arange(9 * 12 * 15).reshape(9, 12, 15).astype(dtype)
    write_volume(tmp_path / "v.nrrd", voxels, an_oblique_grid)
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "v.nrrd"))).dtype == dtype
    image = read_image(tmp_path / "v.nrrd")
    assert image.voxels.dtype == np.float32
    np.testing.assert_array_equal(image.voxels, voxels.astype(np.float32))


def test_label_maps_keep_their_values_whatever_their_type(tmp_path, an_oblique_grid):
    values = np.array([0, 1, 7, 300], dtype=np.int32)
    voxels = np.random.default_rng(0).choice(values, (9, 12, 15))
    for dtype in (np.uint16, np.int32, np.float32):
        write_volume(tmp_path / "l.nrrd", voxels.astype(dtype), an_oblique_grid)
        labels = read_label_map(tmp_path / "l.nrrd")
        assert labels.voxels.dtype == np.int32
        np.testing.assert_array_equal(labels.voxels, voxels)


def test_the_volume_of_a_voxel_is_in_millilitres(an_oblique_grid):
    assert an_oblique_grid.voxel_ml == pytest.approx(1.0 * 1.25 * 2.0 / 1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_ijk": (15, 12, 10)}, "size 15 x 12 x 9 and 15 x 12 x 10"),
        ({"spacing_mm": (1.0, 1.25, 2.01)}, "spacing 1 x 1.25 x 2 mm and 1 x 1.25 x 2.01 mm"),
        ({"origin_mm": (-31.5, 12.25, 7.1)}, "origin"),
        ({"direction": tuple(tilted(np.eye(3), (17, -12, 9.5)).ravel())}, "direction of the axes"),
        ({"spacing_mm": (1.0, 1.25, 2.0000001), "origin_mm": (-31.5, 12.25, 7.0001)}, ""),
    ],
)
def test_grids_differ_by_more_than_rounding(an_oblique_grid, change, message):
    other = Grid(**{**an_oblique_grid.__dict__, **change})
    difference = an_oblique_grid.difference(other)
    assert message in difference and bool(difference) == bool(message)
    assert bool(other.difference(an_oblique_grid)) == bool(message)


def write_itk(path, array: np.ndarray, is_vector: bool = False) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=is_vector), str(path))


@pytest.mark.parametrize(
    ("array", "is_vector", "sentence"),
    [
        (np.zeros((5, 6)), False, r"single slice \(6 x 5\)"),
        (np.zeros((1, 5, 6)), False, r"single slice \(6 x 5 x 1\)"),
        (np.zeros((3, 4, 5, 6)), False, r"(4 dimensions \(6 x 5 x 4 x 3\), expected 3|3 values in each voxel)"),
        (np.zeros((4, 5, 6, 3)), True, "3 values in each voxel, expected (1|a label map)"),
    ],
    ids=["2D", "one slice", "4D", "vectors"],
)
def test_what_is_no_scan_gets_a_sentence(awkward_path, array, is_vector, sentence):
    path = awkward_path / "odd.mha"
    write_itk(path, array.astype(np.float32), is_vector)
    for read in (read_image, read_label_map, read_grid):
        with pytest.raises(DataError, match=f"odd.mha' (has|is) .*{sentence}"):
            read(path)


@pytest.mark.parametrize("read", [read_image, read_label_map, read_grid])
def test_a_file_that_is_not_there_is_named(awkward_path, read):
    with pytest.raises(DataError, match=r"absent\.nrrd' does not exist; correct the path"):
        read(awkward_path / "absent.nrrd")


@pytest.mark.parametrize("read", [read_image, read_label_map, read_grid])
@pytest.mark.parametrize("name", ["garbage.nrrd", "garbage.nii.gz", "garbage.mha", "garbage.xyz", "garbage.tif"])
def test_a_file_that_is_no_image_is_named(awkward_path, read, name):
    (awkward_path / name).write_bytes(b"this is no image" * 40)
    with pytest.raises(DataError, match=f"{name}' cannot be read as an image.*(check that|save it as NRRD)") as caught:
        read(awkward_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("kept", [0.4, 0.9])
def test_a_file_that_ends_too_early_is_named(awkward_path, an_oblique_scan, suffix, kept):
    path = awkward_path / f"half{suffix}"
    write_volume(path, an_oblique_scan.voxels, an_oblique_scan.grid)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=f"half{suffix}' cannot be read"):
        read_image(path)


def test_nifti_whose_name_lies_about_its_compression_is_read(tmp_path, an_oblique_scan):
    write_volume(tmp_path / "v.nii", an_oblique_scan.voxels, an_oblique_scan.grid)
    (tmp_path / "v.nii").rename(tmp_path / "plain.nii.gz")
    np.testing.assert_array_equal(read_image(tmp_path / "plain.nii.gz").voxels, an_oblique_scan.voxels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_counted(tmp_path, an_oblique_scan, bad):
    voxels = an_oblique_scan.voxels.copy()
    voxels[2, 3, 4:6] = bad
    write_volume(tmp_path / "nan.nrrd", voxels, an_oblique_scan.grid)
    with pytest.raises(DataError, match=r"nan\.nrrd' has 2 voxels that are not numbers"):
        read_image(tmp_path / "nan.nrrd")
    with pytest.raises(DataError, match=r"nan\.nrrd' is not a label map"):
        read_label_map(tmp_path / "nan.nrrd")


@pytest.mark.parametrize("value", [0.5, -1.0])
def test_labels_that_are_no_whole_numbers_of_at_least_zero_are_refused(tmp_path, an_oblique_grid, value):
    voxels = np.zeros((9, 12, 15), dtype=np.float32)
    voxels[1, 2, 3] = value
    write_volume(tmp_path / "l.nrrd", voxels, an_oblique_grid)
    with pytest.raises(DataError, match=r"l\.nrrd' is not a label map: .*give the segmentation"):
        read_label_map(tmp_path / "l.nrrd")


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path, an_oblique_scan, monkeypatch):
    path = tmp_path / "v.nrrd"
    write_volume(path, an_oblique_scan.voxels, an_oblique_scan.grid)

    def fail(*_, **__):
        raise RuntimeError("sitk::ERROR: could not write")

    monkeypatch.setattr(sitk, "WriteImage", fail)
    with pytest.raises(StorageError, match=r"v\.nrrd.*could not be written"):
        write_volume(path, 0 * an_oblique_scan.voxels, an_oblique_scan.grid)
    np.testing.assert_array_equal(read_image(path).voxels, an_oblique_scan.voxels)
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.nrrd"]


def test_a_folder_without_a_series_is_no_scan(awkward_path):
    with pytest.raises(DataError, match="holds 0 DICOM series, expected exactly 1"):
        read_image(awkward_path)


@pytest.mark.slow
def test_a_dicom_series_is_read_in_the_order_of_its_slices(shared_data, awkward_path):
    series = awkward_path / "CT Schädel"
    shutil.copytree(shared_data / "formats" / "dicom" / "ct-head-lowres", series)
    volume = read_image(series)
    assert volume.voxels.shape == (93, 64, 64)
    assert_same_place(read_grid(series), volume.grid)
    np.testing.assert_allclose(volume.grid.spacing_mm, (3.2, 3.2, 1.5), atol=0.01)
    # Neighbouring slices are alike; slices in the order of their file names ('CTHead10' before 'CTHead2') are not.
    steps = np.abs(np.diff(volume.voxels, axis=0)).mean((1, 2))
    assert steps.max() < 5 * np.median(steps)


def test_two_series_in_a_folder_are_one_too_many(shared_data, tmp_path):
    for name in ("mr-hippocrop", "torchio-small"):
        for path in (shared_data / "formats" / "dicom" / name).iterdir():
            shutil.copy(path, tmp_path / f"{name}-{path.name}")
    with pytest.raises(DataError, match="holds 2 DICOM series, expected exactly 1"):
        read_image(tmp_path)


def test_a_compressed_scan_is_not_taken_for_the_other_file_beside_it(tmp_path, an_oblique_scan):
    for name in ("scan.nii", "scan.nii.gz"):
        write_volume(tmp_path / name, an_oblique_scan.voxels, an_oblique_scan.grid)
    assert read_image(tmp_path / "scan.nii").voxels.shape == an_oblique_scan.voxels.shape
    for read in (read_image, read_label_map, read_grid):
        with pytest.raises(DataError, match=r"scan\.nii\.gz' has a file without '\.gz' beside it"):
            read(tmp_path / "scan.nii.gz")
