from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from scans import grid_of, labels_on, write_labeled_pair

from coranet.data.box import Box
from coranet.data.cache import prepare_case, read_labeled_pair
from coranet.data.preprocessing import Preprocessing
from coranet.errors import DataError, StorageError
from coranet.job import Case, Role
from coranet.job import files as job_files
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
        os.utime(getattr(a_case, change), (1, 1))
    prepare_case(a_case, recipe, values, tmp_path)
    assert set(tmp_path.iterdir()) > before


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
    ours = prepare_case(a_case, a_recipe, VALUES, tmp_path / "ours")
    other = tmp_path / "other"
    refuse_to_rename(monkeypatch, lambda target: target.write_bytes((tmp_path / "ours" / target.name).read_bytes()))
    theirs = prepare_case(a_case, a_recipe, VALUES, other)
    np.testing.assert_array_equal(theirs.image, ours.image)
    np.testing.assert_array_equal(theirs.labels, ours.labels)
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
    for mine, theirs in zip(prepared.foreground, whole.foreground, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_mask_too_small_for_the_network_is_known_nowhere(a_partial_case, an_oblique_grid, tmp_path):
    write_volume(a_partial_case.known, known_on(an_oblique_grid, (4, 5, 6)), an_oblique_grid)
    coarse = Preprocessing((5.0, 5.0, 6.0), "zscore")
    assert prepare_case(a_partial_case, coarse, VALUES, tmp_path).is_known_nowhere


def test_a_changed_mask_is_prepared_anew(a_partial_case, a_recipe, tmp_path):
    for expected in (3, 6):
        os.utime(a_partial_case.known, (expected, expected))
        prepare_case(a_partial_case, a_recipe, VALUES, tmp_path / "cache")
        assert len(list((tmp_path / "cache").iterdir())) == expected


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


def test_a_box_of_a_case_that_is_known_in_part_has_its_mask(a_partial_case, a_recipe, tmp_path):
    box = Box((0, 0, 0), (9, 9, 15))
    prepared = prepare_case(a_partial_case, a_recipe, VALUES, tmp_path, box)
    assert prepared.known is not None and prepared.known.shape == prepared.labels.shape == prepared.image.shape[1:]
