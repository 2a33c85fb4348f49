from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import dicom_files
import numpy as np
import pytest
import SimpleITK as sitk
from scans import grid_of, labels_on, write_labeled_pair

from coranet.contract import Case, Datalist, Label, Role
from coranet.contract import files as job_files
from coranet.contract.errors import DataError, StorageError
from coranet.data import cache
from coranet.data.box import Box
from coranet.data.cache import prepare_case, prepare_pieces, read_labeled_pair
from coranet.data.normalization import IntensityNormalization
from coranet.data.preprocessing import Preprocessing
from coranet.data.scans import read_scan
from coranet.volume import read_image, write_volume

VALUES = [1, 7]


@pytest.fixture
def a_case(awkward_path, an_oblique_grid) -> Case:
    image, label = write_labeled_pair(awkward_path, "Fall 1", an_oblique_grid)
    return Case("Fall 1", Role.TRAINING, str(image), str(label))


@pytest.fixture
def a_recipe() -> Preprocessing:
    return Preprocessing((1.5, 1.0, 2.5), "zscore")


def test_a_prepared_case_is_what_the_recipe_makes(a_case, a_recipe, awkward_path):
    prepared = prepare_case(a_case, a_recipe, VALUES, awkward_path / "cache")
    image, labels = read_labeled_pair(a_case, VALUES)
    assert prepared.image.dtype == np.float16 and prepared.labels.dtype == np.uint8
    np.testing.assert_array_equal(prepared.image, a_recipe.prepare_image(image).astype(np.float16))
    np.testing.assert_array_equal(prepared.labels, a_recipe.prepare_labels(labels, VALUES))
    assert prepared.padding == (float(prepared.image.min()),)


def test_a_case_that_memory_cannot_hold_is_named_before_anything_is_written(a_case, tmp_path, monkeypatch):
    monkeypatch.setattr("coranet.machine.main_memory._ALWAYS_THERE", 0)
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"in '.*Fall 1.*' the scan .* check the spacing in its header"):
        prepare_case(a_case, Preprocessing((0.5, 0.5, 0.5), "zscore"), VALUES, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_prepared_arrays_are_mapped_not_loaded(a_case, a_recipe, tmp_path):
    prepared = prepare_case(a_case, a_recipe, VALUES, tmp_path)
    assert isinstance(prepared.image, np.memmap) and isinstance(prepared.labels, np.memmap)


def test_foreground_voxels_are_listed_by_class(a_case, a_recipe, tmp_path):
    prepared = prepare_case(a_case, a_recipe, VALUES, tmp_path)
    assert len(prepared.foreground) == 2
    for index, voxels in enumerate(prepared.foreground, start=1):
        assert len(voxels) == (prepared.labels == index).sum() > 0
        assert (prepared.labels[tuple(voxels.T)] == index).all()


@pytest.mark.parametrize("size", [(16, 16, 16), (20, 20, 20), (32, 30, 28)], ids=str)
def test_at_most_4000_voxels_of_a_class_are_listed_from_all_over_it(tmp_path, size):
    grid = grid_of(size)
    image, label = tmp_path / "image.nrrd", tmp_path / "label.nrrd"
    ones = np.ones(size[::-1], dtype=np.uint8)
    write_volume(image, ones, grid)
    write_volume(label, ones, grid)
    recipe = Preprocessing(grid.spacing_mm, "zscore")
    prepared = prepare_case(Case("full", Role.TRAINING, str(image), str(label)), recipe, [1], tmp_path / "cache")
    voxels = prepared.foreground[0]
    assert 2000 <= len(voxels) <= 4000
    assert voxels[:, 0].min() == 0 and voxels[:, 0].max() == size[2] - 1


def test_an_unlabeled_case_has_no_labels(a_case, a_recipe, tmp_path):
    prepared = prepare_case(Case("u", Role.UNLABELED, a_case.image), a_recipe, VALUES, tmp_path)
    assert prepared.labels is None
    assert prepared.foreground == ()


def test_what_was_prepared_before_is_taken_from_the_folder(a_case, a_recipe, tmp_path):
    prepare_case(a_case, a_recipe, VALUES, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    prepare_case(a_case, a_recipe, VALUES, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")} == before
    assert len(before) == 2


@pytest.mark.parametrize("change", ["recipe", "values", "image", "label"])
def test_what_has_changed_is_prepared_anew(a_case, a_recipe, tmp_path, change):
    prepare_case(a_case, a_recipe, VALUES, tmp_path)
    before = set(tmp_path.iterdir())
    recipe, values = a_recipe, VALUES
    if change == "recipe":
        recipe = Preprocessing((1.0, 1.0, 1.0), "zscore")
    elif change == "values":
        values = [7, 1]
    else:
        path = Path(getattr(a_case, change))
        volume, times = read_image(path), path.stat()
        write_volume(path, np.where(volume.voxels == 7, 1, volume.voxels + (change == "image")), volume.grid)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    prepare_case(a_case, recipe, values, tmp_path)
    assert set(tmp_path.iterdir()) > before


def test_a_file_that_was_only_touched_or_moved_is_not_prepared_anew(a_case, a_recipe, tmp_path):
    prepare_case(a_case, a_recipe, VALUES, tmp_path)
    before = set(tmp_path.iterdir())
    os.utime(a_case.image, (1, 1))
    moved = Path(a_case.image).with_name("moved.nrrd")
    Path(a_case.image).rename(moved)
    prepare_case(replace(a_case, image=str(moved)), a_recipe, VALUES, tmp_path)
    assert set(tmp_path.iterdir()) == before


# Name of the image, what holds its voxels, and how it is written.
FORMATS = [
    ("i.nrrd", "i.nrrd", {}), ("i.nrrd", "i.nrrd", {"useCompression": True}), ("i.nhdr", "i.raw", {}),
    ("i.nhdr", "i.raw.gz", {"useCompression": True}), ("i.mha", "i.mha", {}), ("i.mhd", "i.raw", {}),
    ("i.mhd", "i.zraw", {"useCompression": True}), ("i.nii", "i.nii", {}), ("i.nii.gz", "i.nii.gz", {}),
    ("dicom", "dicom", {}), ("slices.mhd", "slice1.raw", {}),
    ("list.mhd", "slice1.raw", {}), ("list.nhdr", "slice1.raw", {}), ("pattern.nhdr", "slice1.raw", {}),
]  # fmt: skip
_SLICED = {
    "slices.mhd": "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n"
    "BinaryData = True\nBinaryDataByteOrderMSB = False\nElementDataFile = slice%d.raw 0 3 1\n",
    "list.mhd": "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n"
    "BinaryData = True\nBinaryDataByteOrderMSB = False\nElementDataFile = LIST\n"
    "slice0.raw\nslice1.raw\nslice2.raw\nslice3.raw\n",
    "list.nhdr": "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nspacings: 1 1 2\nendian: little\nencoding: raw\n"
    "data file: LIST\nslice0.raw\nslice1.raw\nslice2.raw\nslice3.raw\n",
    "pattern.nhdr": "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nspacings: 1 1 2\nendian: little\n"
    "encoding: raw\ndata file: slice%d.raw 0 3 1\n",
}  # fmt: skip


def write_in_place(folder, name, voxels, **how):
    """Write an image in some format; the times of files that are there already stay, as if nobody had written."""
    times = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1.0, 1.0, 2.0))
    if name in _SLICED:
        (folder / name).write_text(_SLICED[name], encoding="ascii")
        for number, plane in enumerate(voxels):
            (folder / f"slice{number}.raw").write_bytes(plane.astype("<i2").tobytes())
    elif name == "dicom":
        (folder / name).mkdir(exist_ok=True)
        for number in range(len(voxels)):
            dicom_slice = image[:, :, number : number + 1]
            for tag, text in (("0020|000e", "1.2.826.0.1.3680043.2.1125.1"), ("0008|0060", "MR"),
                              ("0020|0032", f"0\\0\\{2 * number}"), ("0020|0013", str(number + 1))):  # fmt: skip
                dicom_slice.SetMetaData(tag, text)
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(folder / name / f"{number}.dcm"))
            writer.Execute(dicom_slice)
    else:
        sitk.WriteImage(image, str(folder / name), **how)
    for path, state in times.items():
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(("name", "holds", "how"), FORMATS, ids=[f"{name}-{holds}" for name, holds, *_ in FORMATS])
def test_a_scan_that_was_changed_in_place_is_prepared_anew(tmp_path, name, holds, how):
    voxels = np.random.default_rng(0).integers(0, 900, (4, 5, 6)).astype(np.int16)
    folder, recipe = tmp_path / "scans", Preprocessing((1.0, 1.0, 2.0), "zscore")
    folder.mkdir()
    write_in_place(folder, name, voxels, **how)
    assert (folder / holds).exists()
    case = Case("u", Role.UNLABELED, str(folder / name))
    before = np.array(prepare_case(case, recipe, [1], tmp_path / "cache").image)
    write_in_place(folder, name, np.roll(voxels, 2, 1), **how)
    after = np.array(prepare_case(case, recipe, [1], tmp_path / "cache").image)
    assert not np.array_equal(before, after)
    write_in_place(folder, name, voxels, **how)
    np.testing.assert_array_equal(prepare_case(case, recipe, [1], tmp_path / "cache").image, before)


@pytest.mark.parametrize("part", ["image", "second image", "label", "known"])
def test_each_file_of_a_case_counts(tmp_path, part):
    voxels = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.int16)
    recipe = Preprocessing((1.0, 1.0, 2.0), "zscore", more_channels=(IntensityNormalization("zscore"),))
    files = {"image": "a.mhd", "second image": "b.mhd", "label": "l.mhd", "known": "k.mhd"}
    for name, file in files.items():
        write_in_place(tmp_path, file, (voxels > 0).astype(np.int16) if name == "known" else voxels)
    first, second, label, known = (str(tmp_path / file) for file in files.values())
    case = Case("a", Role.TRAINING, first, label, known, (second,))
    prepare_case(case, recipe, [1, 2], tmp_path / "cache")
    before = set((tmp_path / "cache").iterdir())
    other = np.roll(voxels, 1, 0)
    write_in_place(tmp_path, files[part], (other > 0).astype(np.int16) if part == "known" else other)
    prepare_case(case, recipe, [1, 2], tmp_path / "cache")
    assert set((tmp_path / "cache").iterdir()) > before


def test_two_images_of_one_dicom_file_are_two_cases(tmp_path, a_recipe):
    array = np.concatenate([dicom_files.voxels(seed=number) for number in (1, 2)])
    groups = [{"MREchoSequence": {"EffectiveEchoTime": float(number)}} for number in (1, 2) for _ in range(7)]
    path = str(dicom_files.write_frames(tmp_path / "s/x.dcm", array, dicom_files.positions() * 2, groups))
    cases = [Case("a", Role.UNLABELED, path, part=f"echo time {number}") for number in (1, 2)]
    first, second = (prepare_case(case, a_recipe, (1,), tmp_path).image for case in cases)
    assert not np.array_equal(first, second)


def test_names_in_a_label_map_count(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    recipe = Preprocessing((1.0, 1.0, 1.0), "zscore")
    image = sitk.GetImageFromArray(voxels)
    sitk.WriteImage(image, str(tmp_path / "i.nrrd"))
    for index, name in enumerate(("lesion", "organ")):
        image.SetMetaData(f"Segment{index}_Name", name)
        image.SetMetaData(f"Segment{index}_LabelValue", str(index + 1))
    sitk.WriteImage(image, str(tmp_path / "l.seg.nrrd"))
    case = Case("a", Role.TRAINING, str(tmp_path / "i.nrrd"), str(tmp_path / "l.seg.nrrd"))
    plain = prepare_case(case, recipe, [1, 2], tmp_path / "cache").labels
    named = Datalist((case,), (Label(1, "organ"), Label(2, "lesion"))).cases[0]
    turned = prepare_case(named, recipe, [1, 2], tmp_path / "cache").labels
    np.testing.assert_array_equal(turned, np.choose(plain, [0, 2, 1]))


def test_image_and_label_on_different_grids_name_both_files(a_case, an_oblique_grid):
    other = grid_of(spacing_mm=(1.0, 1.25, 2.1))
    write_volume(a_case.label, labels_on(other).voxels.astype(np.uint8), other)
    with pytest.raises(DataError, match=r"Fall 1\.nrrd.*Fall 1-label\.nrrd.*different grids \(spacing"):
        read_labeled_pair(a_case, VALUES)


def test_a_label_value_that_the_datalist_does_not_name_is_an_error(a_case):
    with pytest.raises(DataError, match=r"label\.nrrd' has the label value 7, the datalist names \[1, 3\]"):
        read_labeled_pair(a_case, [1, 3])


def test_an_empty_label_map_is_an_answer_too(a_case, a_recipe, an_oblique_grid, tmp_path):
    write_volume(a_case.label, np.zeros((9, 12, 15), dtype=np.uint8), an_oblique_grid)
    assert not read_labeled_pair(a_case, VALUES)[1].voxels.any()
    prepared = prepare_case(a_case, a_recipe, VALUES, tmp_path)
    assert not prepared.labels.any() and [len(voxels) for voxels in prepared.foreground] == [0, 0]


def test_a_case_that_is_not_there_is_named(a_recipe, tmp_path):
    with pytest.raises(DataError, match=r"absent\.nrrd' does not exist"):
        prepare_case(Case("a", Role.UNLABELED, str(tmp_path / "absent.nrrd")), a_recipe, VALUES, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error_and_leaves_nothing_behind(a_case, a_recipe, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageError, match="disk is full"):
        prepare_case(a_case, a_recipe, VALUES, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_half_precision_keeps_normalized_intensities(a_case, a_recipe, tmp_path):
    prepared = prepare_case(a_case, a_recipe, VALUES, tmp_path)
    exact = a_recipe.prepare_image(read_image(a_case.image))
    assert np.abs(np.asarray(prepared.image, dtype=np.float32) - exact).max() < 2e-3


def refuse_to_rename(monkeypatch, meanwhile) -> None:
    """As on Windows, where a file that another process has mapped cannot be replaced."""
    monkeypatch.setattr(job_files, "_RENAME_WAIT_S", 0)

    def refuse(source, target, rename):
        meanwhile(target)
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(job_files, "_rename_patiently", refuse)


def test_a_case_that_another_job_prepares_at_the_same_time_is_taken_from_it(a_case, a_recipe, tmp_path, monkeypatch):
    own = prepare_case(a_case, a_recipe, VALUES, tmp_path / "ours")
    other = tmp_path / "other"
    refuse_to_rename(monkeypatch, lambda target: target.write_bytes((tmp_path / "ours" / target.name).read_bytes()))
    others = prepare_case(a_case, a_recipe, VALUES, other)
    np.testing.assert_array_equal(others.image, own.image)
    np.testing.assert_array_equal(others.labels, own.labels)
    assert len(list(other.iterdir())) == 2


def test_a_folder_that_takes_no_file_is_an_error(a_case, a_recipe, tmp_path, monkeypatch):
    refuse_to_rename(monkeypatch, lambda target: None)
    with pytest.raises(StorageError, match="Access is denied"):
        prepare_case(a_case, a_recipe, VALUES, tmp_path)
    assert not list(tmp_path.glob("*.npy"))


# -- labels that are known in part --


def known_on(grid, box=(slice(2, 7), slice(3, 9), slice(4, 11))) -> np.ndarray:
    known = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
    known[box] = 1
    return known


@pytest.fixture
def a_partial_case(a_case, an_oblique_grid, awkward_path) -> Case:
    path = awkward_path / "known.nrrd"
    write_volume(path, known_on(an_oblique_grid), an_oblique_grid)
    return replace(a_case, known=str(path))


def test_a_partial_case_is_prepared_with_its_mask_and_lists_known_voxels_alone(a_partial_case, a_recipe, tmp_path):
    prepared = prepare_case(a_partial_case, a_recipe, VALUES, tmp_path)
    whole = prepare_case(replace(a_partial_case, known=None), a_recipe, VALUES, tmp_path)
    assert isinstance(prepared.known, np.memmap) and prepared.known.dtype == np.uint8
    assert 0 < prepared.known.mean() < 1 and not prepared.is_known_nowhere
    np.testing.assert_array_equal(prepared.image, whole.image)
    np.testing.assert_array_equal(prepared.known_voxels, np.argwhere(prepared.known))
    for index, voxels in enumerate(prepared.foreground, start=1):
        np.testing.assert_array_equal(voxels, np.argwhere((prepared.labels == index) & (prepared.known > 0)))
        assert 0 < len(voxels) <= len(whole.foreground[index - 1])
    assert len(prepared.foreground[0]) < len(whole.foreground[0])


def test_what_nobody_has_decided_reads_as_zero_whatever_stands_there(a_partial_case, an_oblique_grid):
    labels = labels_on(an_oblique_grid).voxels
    known = known_on(an_oblique_grid)
    write_volume(a_partial_case.label, np.where(known, labels, 99).astype(np.uint16), an_oblique_grid)
    np.testing.assert_array_equal(read_labeled_pair(a_partial_case, VALUES)[1].voxels, labels * known)


def test_that_there_is_nothing_where_it_is_known_is_an_answer(a_partial_case, a_recipe, an_oblique_grid, tmp_path):
    write_volume(a_partial_case.label, np.zeros((9, 12, 15), dtype=np.uint8), an_oblique_grid)
    prepared = prepare_case(a_partial_case, a_recipe, VALUES, tmp_path)
    assert not prepared.labels.any() and len(prepared.known_voxels)


def test_a_mask_of_ones_is_no_mask(a_partial_case, a_recipe, an_oblique_grid, tmp_path):
    write_volume(a_partial_case.known, np.ones((9, 12, 15), dtype=np.uint8), an_oblique_grid)
    prepared = prepare_case(a_partial_case, a_recipe, VALUES, tmp_path)
    whole = prepare_case(replace(a_partial_case, known=None), a_recipe, VALUES, tmp_path)
    assert prepared.known is None and not len(prepared.known_voxels)
    np.testing.assert_array_equal(prepared.labels, whole.labels)
    for own, other in zip(prepared.foreground, whole.foreground, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_mask_too_small_for_the_network_is_known_nowhere(a_partial_case, an_oblique_grid, tmp_path):
    write_volume(a_partial_case.known, known_on(an_oblique_grid, (4, 5, 6)), an_oblique_grid)
    coarse = Preprocessing((5.0, 5.0, 6.0), "zscore")
    assert prepare_case(a_partial_case, coarse, VALUES, tmp_path).is_known_nowhere


@pytest.mark.parametrize(
    ("mask", "spacing", "sentence"),
    [
        (lambda known: known, (1.0, 1.25, 2.1), r"label\.nrrd' and the mask '.*known\.nrrd' .* different grids"),
        (lambda known: 2 * known, None, r"known\.nrrd' must be 1 where .* got the value 2"),
        (lambda known: 0 * known, None, r"known\.nrrd' is empty: nothing of the label is known"),
    ],
)
def test_a_mask_that_is_none_gets_a_sentence(a_partial_case, an_oblique_grid, mask, spacing, sentence):
    grid = grid_of(spacing_mm=spacing) if spacing else an_oblique_grid
    write_volume(a_partial_case.known, mask(known_on(grid)), grid)
    with pytest.raises(DataError, match=sentence):
        read_labeled_pair(a_partial_case, VALUES)


def test_boxes_of_a_case_are_prepared_beside_the_whole(a_case, a_recipe, tmp_path):
    boxes = (Box((0, 0, 0), (4, 12, 15)), Box((5, 2, 3), (9, 10, 12)))
    whole, *pieces = (prepare_case(a_case, a_recipe, VALUES, tmp_path, box) for box in (None, *boxes))
    image, labels = read_labeled_pair(a_case, VALUES)
    for box, piece in zip(boxes, pieces, strict=True):
        assert piece.box == box
        np.testing.assert_array_equal(piece.image, a_recipe.prepare_image(image, box).astype(np.float16))
        np.testing.assert_array_equal(piece.labels, a_recipe.prepare_labels(labels, VALUES, box=box))
    assert whole.box is None and len(list(tmp_path.glob("*.image.npy"))) == 3


def test_the_files_of_a_case_are_read_once_for_all_of_its_boxes(a_case, a_recipe, tmp_path, monkeypatch):
    boxes = (None, Box((0, 0, 0), (4, 12, 15)), Box((5, 2, 3), (9, 10, 12)))
    expected = [prepare_case(a_case, a_recipe, VALUES, tmp_path / "one by one", box) for box in boxes]
    reads = []
    monkeypatch.setattr(cache, "read_scan", lambda case: reads.append(case.id) or read_scan(case))
    pieces = prepare_pieces(a_case, a_recipe, VALUES, tmp_path / "together", boxes)
    assert reads == [a_case.id] and [piece.box for piece in pieces] == list(boxes)
    for piece, other in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(piece.image, other.image)
        np.testing.assert_array_equal(piece.labels, other.labels)
    # What is there is not made again, what is missing is.
    again = prepare_pieces(a_case, a_recipe, VALUES, tmp_path / "together", (boxes[1], Box((1, 1, 1), (4, 9, 9))))
    assert reads == [a_case.id] * 2 and len(again) == 2


def test_a_box_of_a_case_that_is_known_in_part_has_its_mask(a_partial_case, a_recipe, tmp_path):
    box = Box((0, 0, 0), (9, 9, 15))
    prepared = prepare_case(a_partial_case, a_recipe, VALUES, tmp_path, box)
    assert prepared.known is not None and prepared.known.shape == prepared.labels.shape == prepared.image.shape[1:]
