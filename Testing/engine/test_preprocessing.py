from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scans import (
    SPACING_MM,
    grid_of,
    labels_on,
    name_of_direction,
    nested_ellipsoids,
    scan_on,
    signed_permutations,
    tilted,
)

from coranet.contract.config import DataConfig
from coranet.contract.errors import ConfigError, DataError, ModelError
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.data.preprocessing import (
    ChannelStatistics,
    IntensityNormalization,
    Preprocessing,
    ScanStatistics,
    fit_preprocessing,
    median_prepared_size,
)
from coranet.volume import Grid, Volume, read_image, write_volume

ZSCORE = IntensityNormalization("zscore")
DIRECTIONS = signed_permutations()
NAMES = [name_of_direction(direction) for direction in DIRECTIONS]


def spacing_of_patient_axes(grid: Grid) -> tuple[float, float, float]:
    return Orientation.of(grid.direction).spacing_to_canonical(grid.spacing_mm)


def same_scan_with_other_axes(voxels: np.ndarray, direction: np.ndarray) -> Volume:
    """A scan along the patient's axes, stored with other axes; every voxel keeps its place. Done by ITK."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM)
    letters = {"L": "L", "R": "R", "P": "P", "A": "A", "S": "S", "I": "I"}
    code = "".join(letters[letter] for letter in name_of_direction(direction))
    turned = sitk.DICOMOrient(image, code)
    grid = Grid(turned.GetSize(), turned.GetSpacing(), turned.GetOrigin(), turned.GetDirection())
    return Volume(sitk.GetArrayFromImage(turned), grid)


def test_the_network_sees_the_same_however_a_scan_is_stored():
    straight = np.random.default_rng(0).normal(100, 20, (9, 12, 15)).astype(np.float32)
    labels = nested_ellipsoids((9, 12, 15))
    preprocessing = Preprocessing((1.3, 1.0, 2.5), "window", (50, 150))
    expected = preprocessing.prepare_image(same_scan_with_other_axes(straight, np.eye(3)))
    expected_labels = preprocessing.prepare_labels(same_scan_with_other_axes(labels, np.eye(3)), [1, 7])
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        image = preprocessing.prepare_image(same_scan_with_other_axes(straight, direction))
        np.testing.assert_allclose(image, expected, atol=1e-5, err_msg=name)
        prepared = preprocessing.prepare_labels(same_scan_with_other_axes(labels, direction), [1, 7])
        np.testing.assert_array_equal(prepared, expected_labels, name)


def test_prepared_scans_have_the_spacing_of_the_recipe_along_the_axes_of_the_patient():
    # i runs to S, j to L, k to A.
    grid = grid_of((20, 16, 10), (2.0, 1.0, 1.5), tilted(np.array([[0, 1, 0], [0, 0, -1], [1, 0, 0]])))
    prepared = Preprocessing((0.5, 3.0, 4.0), "zscore").prepare_image(scan_on(grid))
    # S: 40 mm in steps of 4; P: 15 mm in steps of 3; L: 16 mm in steps of 0.5.
    assert prepared.shape == (1, 10, 5, 32)
    assert prepared.dtype == np.float32


def test_zscore_gives_mean_zero_and_deviation_one_and_ignores_units(an_oblique_scan):
    preprocessing = Preprocessing(spacing_of_patient_axes(an_oblique_scan.grid), "zscore")
    prepared = preprocessing.prepare_image(an_oblique_scan)
    assert prepared.mean() == pytest.approx(0, abs=1e-5)
    assert prepared.std() == pytest.approx(1, abs=1e-4)
    other_units = Volume(an_oblique_scan.voxels * 37 - 1000, an_oblique_scan.grid)
    np.testing.assert_allclose(preprocessing.prepare_image(other_units), prepared, atol=1e-3)


def test_zscore_is_not_ruled_by_a_few_bright_voxels(an_oblique_scan):
    preprocessing = Preprocessing(spacing_of_patient_axes(an_oblique_scan.grid), "zscore")
    bright = an_oblique_scan.voxels.copy()
    bright.ravel()[:3] = 1e6
    prepared = preprocessing.prepare_image(Volume(bright, an_oblique_scan.grid))
    assert prepared.max() < 4


def test_a_constant_scan_stays_finite(an_oblique_grid):
    flat = Volume(np.full((9, 12, 15), 7, dtype=np.float32), an_oblique_grid)
    assert not Preprocessing((2.0, 2.0, 2.0), "zscore").prepare_image(flat).any()


def test_a_window_maps_its_limits_to_minus_one_and_one(an_oblique_grid):
    voxels = np.linspace(-1000, 1000, 9 * 12 * 15, dtype=np.float32).reshape(9, 12, 15)
    preprocessing = Preprocessing(spacing_of_patient_axes(an_oblique_grid), "window", (-100, 240))
    prepared = preprocessing.prepare_image(Volume(voxels, an_oblique_grid))
    np.testing.assert_allclose(prepared[0], np.clip((voxels + 100) / 340, 0, 1) * 2 - 1, atol=1e-6)


@pytest.mark.parametrize("values", [(1, 7), (3, 300, 12)])
def test_labels_become_class_indices_exactly_at_equal_spacing(values):
    grid = grid_of()
    labels = labels_on(grid, values)
    prepared = Preprocessing(spacing_of_patient_axes(grid), "zscore").prepare_labels(labels, values)
    expected = np.zeros(labels.voxels.shape, dtype=np.uint8)
    for index, value in enumerate(values, start=1):
        expected[labels.voxels == value] = index
    np.testing.assert_array_equal(prepared, expected)
    assert prepared.dtype == np.uint8


def test_values_that_are_not_asked_for_are_background(its_labels):
    preprocessing = Preprocessing(spacing_of_patient_axes(its_labels.grid), "zscore")
    np.testing.assert_array_equal(preprocessing.prepare_labels(its_labels, [7]), (its_labels.voxels == 7))


def test_resampling_labels_invents_no_class_between_two_others():
    grid = grid_of((20, 20, 20), (1.0, 1.0, 1.0), np.eye(3))
    labels = np.zeros((20, 20, 20), dtype=np.int32)
    labels[:, :, 10:] = 3  # between 0 and 3 lie 1 and 2
    prepared = Preprocessing((0.7, 0.7, 0.7), "zscore").prepare_labels(Volume(labels, grid), [1, 2, 3])
    assert set(np.unique(prepared)) == {0, 3}
    assert (prepared == 3).mean() == pytest.approx(0.5, abs=0.05)


def test_where_two_classes_meet_there_is_no_background():
    # An organ with a lesion across the middle: the edge between both lies inside of the organ.
    grid = grid_of((24, 24, 24), (1.0, 1.0, 1.0), np.eye(3))
    labels = np.ones((24, 24, 24), dtype=np.int32)
    labels[:, :, 13:] = 2
    for spacing in (0.6, 1.7, 2.3):
        prepared = Preprocessing((spacing,) * 3, "zscore").prepare_labels(Volume(labels, grid), [1, 2])
        assert set(np.unique(prepared)) == {1, 2}, spacing


def test_the_recipe_survives_json():
    for preprocessing in (
        Preprocessing((1, 2, 3), "zscore"),
        Preprocessing((1, 2, 3), "window", (-100.0, 240.0)),
        Preprocessing((1, 2, 3), "zscore", None, (0, 256, 200), 0),
        Preprocessing((1, 2, 3), "zscore", more_channels=(ZSCORE, IntensityNormalization("window", (0.0, 9.0)))),
        Preprocessing((1, 2, 3), "zscore", without_border=True),
    ):
        assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.parametrize("padding", [0.0, -7.0, 500.0])
def test_padding_changes_nothing_within(padding):
    grid = grid_of((12, 14, 10), (1.0, 1.0, 1.0), np.eye(3))
    scan, sides = scan_on(grid), ((3, 0), (2, 9), (0, 6))
    padded = Volume(
        np.pad(scan.voxels, sides, constant_values=padding), grid_of((18, 25, 13), (1.0, 1.0, 1.0), np.eye(3))
    )
    recipe = Preprocessing((1.0, 1.0, 1.0), "zscore", without_border=True)
    inside = tuple(slice(before, before + size) for (before, _), size in zip(sides, scan.voxels.shape, strict=True))
    expected, orientation = recipe.prepare_image(scan), Orientation.of(grid.direction)
    marked = np.zeros(padded.voxels.shape, bool)
    marked[inside] = True
    prepared = recipe.prepare_image(padded)[0][orientation.to_canonical(marked)]
    np.testing.assert_allclose(prepared, expected.ravel(), atol=1e-6)
    # As models of earlier versions were trained.
    earlier = replace(recipe, without_border=False).prepare_image(padded)[0][orientation.to_canonical(marked)]
    assert np.abs(earlier - expected.ravel()).max() > 0.1


def test_a_recipe_of_an_earlier_version_counts_padding():
    content = Preprocessing((1, 2, 3), "zscore", without_border=True).to_dict()
    del content["without_border"]
    assert not Preprocessing.from_dict(content).without_border


@pytest.mark.parametrize("content", [{}, {"spacing_mm": [1, 1, 1], "intensity": "zscore"}, {"window": None}])
def test_a_damaged_recipe_says_so(content):
    with pytest.raises(ModelError, match="preprocessing cannot be read"):
        Preprocessing.from_dict(content)


@pytest.mark.parametrize("key", ["spacing_mm", "intensity", "window", "size_dhw", "slice_axis"])
def test_a_recipe_that_lacks_a_key_says_so(key):
    content = Preprocessing((1, 2, 3), "zscore").to_dict()
    content.pop(key)
    with pytest.raises(ModelError, match=f"cannot be read .*{key}"):
        Preprocessing.from_dict(content)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_scan_keeps_its_own_slices_along_the_axis_of_a_network_of_slices(axis):
    grid = grid_of((20, 16, 10), (2.0, 1.0, 1.5), np.eye(3))
    recipe = Preprocessing((1.0, 2.0, 3.0), "zscore")
    expected = [5, 8, 40]
    assert recipe.prepare_image(scan_on(grid)).shape == (1, *expected)
    expected[axis] = (10, 16, 20)[axis]
    sliced = recipe.keeping_slices(axis)
    assert sliced.prepare_image(scan_on(grid)).shape == (1, *expected)
    assert sliced.prepare_labels(labels_on(grid), [1, 7]).shape == tuple(expected)
    assert sliced.keeping_slices(None) == recipe


def test_slices_that_are_kept_are_not_mixed():
    grid = grid_of((12, 12, 6), (1.0, 1.0, 5.0), np.eye(3))
    voxels = np.random.default_rng(0).normal(size=(6, 12, 12)).astype(np.float32).clip(-1, 1)
    changed = voxels.copy()
    changed[3] = 0
    recipe = Preprocessing((2.0, 2.0, 2.0), "window", (-1, 1)).keeping_slices(0)
    difference = (recipe.prepare_image(Volume(changed, grid)) - recipe.prepare_image(Volume(voxels, grid)))[0]
    assert difference[3].any()
    assert not np.delete(difference, 3, axis=0).any()


def test_the_kept_axis_is_one_of_the_patient_however_the_scan_is_stored():
    # i runs to S, j to L, k to A: slices along S are the columns of the stored array.
    grid = grid_of((20, 16, 10), (2.0, 1.0, 1.5), tilted(np.array([[0, 1, 0], [0, 0, -1], [1, 0, 0]])))
    prepared = Preprocessing((0.5, 3.0, 4.0), "zscore").keeping_slices(0).prepare_image(scan_on(grid))
    assert prepared.shape == (1, 20, 5, 32)


def test_a_fixed_size_holds_whatever_the_spacing():
    recipe = Preprocessing((1.0, 1.0, 3.0), "zscore", None, (0, 24, 30))
    for size, spacing in [((20, 16, 10), (2.0, 1.0, 1.5)), ((33, 31, 6), (0.7, 0.9, 3.0))]:
        grid = grid_of(size, spacing, np.eye(3))
        depth = round(size[2] * spacing[2] / 3)
        assert recipe.prepare_image(scan_on(grid)).shape == (1, depth, 24, 30)
        assert recipe.prepare_labels(labels_on(grid), [1, 7]).shape == (depth, 24, 30)


def test_a_fixed_size_is_made_finer_and_coarser_without_folding():
    grid = grid_of((36, 8, 4), (1.0, 1.0, 1.0), np.eye(3))
    stripes = np.tile(np.array([1.0, -1.0], dtype=np.float32), 18)[None, None].repeat(4, 0).repeat(8, 1)
    prepared = Preprocessing((1.0, 1.0, 1.0), "window", (-1, 1), (0, 0, 14)).prepare_image(Volume(stripes, grid))
    assert prepared.shape == (1, 4, 8, 14)
    assert prepared.std() < 0.5


def statistics(spacing=(1.0, 1.0, 1.0), extent=(30.0, 40.0, 50.0), minimum=0.0, foreground=(10.0, 20.0, 30.0)):
    return of_channels((minimum, foreground), spacing=spacing, extent=extent)


def of_channels(*channels, spacing=(1.0, 1.0, 1.0), extent=(30.0, 40.0, 50.0)):
    """Statistics of a scan with one (minimum, foreground) a channel."""
    return ScanStatistics(
        spacing, extent, tuple(ChannelStatistics(minimum, np.array(values)) for minimum, values in channels)
    )


def test_statistics_are_those_of_the_patients_axes():
    direction = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])  # i to P, j to I, k to L
    grid = grid_of((10, 6, 4), (0.5, 2.0, 3.0), tilted(direction))
    image = scan_on(grid)
    labels = Volume((image.voxels > 110).astype(np.int32), grid)
    measured = ScanStatistics.of(image, labels)
    assert measured.spacing_mm == (3.0, 0.5, 2.0)
    assert measured.extent_mm == (12.0, 5.0, 12.0)
    assert measured.channels[0].minimum == pytest.approx(image.voxels.min())
    assert measured.channels[0].foreground.min() > 110


def test_the_recipe_takes_the_median_spacing_and_the_median_size():
    scans = [statistics(spacing=(1, 1, 5)), statistics(spacing=(2, 1, 3)), statistics(spacing=(9, 1, 4))]
    preprocessing = fit_preprocessing(DataConfig(), scans)
    assert preprocessing.spacing_mm == (2, 1, 4)
    assert median_prepared_size(preprocessing, scans) == (12.5, 40.0, 15.0)


def test_a_fixed_size_decides_on_the_size_and_the_median_scan_on_the_spacing():
    scans = [statistics(extent=(30, 40, 50)), statistics(extent=(32, 44, 50)), statistics(extent=(90, 40, 60))]
    preprocessing = fit_preprocessing(DataConfig(size_kji=(0, 80, 64)), scans)
    assert preprocessing.size_dhw == (0, 80, 64)
    assert preprocessing.spacing_mm == (0.5, 0.5, 1.0)
    assert median_prepared_size(preprocessing, scans) == (50.0, 80.0, 64.0)


def test_the_median_size_counts_slices_that_are_kept():
    scans = [statistics(spacing=(1, 1, step), extent=(30, 40, 60)) for step in (2, 5, 6)]
    preprocessing = fit_preprocessing(DataConfig(), scans)
    assert median_prepared_size(preprocessing, scans) == (12.0, 40.0, 30.0)
    assert median_prepared_size(preprocessing.keeping_slices(0), scans) == (12.0, 40.0, 30.0)
    fixed = fit_preprocessing(DataConfig(spacing_mm=(1.0, 1.0, 1.0)), scans)
    assert median_prepared_size(fixed, scans) == (60.0, 40.0, 30.0)
    assert median_prepared_size(fixed.keeping_slices(0), scans) == (12.0, 40.0, 30.0)


def test_intensities_of_ct_get_a_window_inside_the_foreground_and_others_a_zscore():
    foreground = tuple(np.linspace(0, 200, 1001))
    ct = [statistics(minimum=-1024, foreground=foreground)] * 2
    assert fit_preprocessing(DataConfig(), ct) == Preprocessing((1, 1, 1), "window", (1.0, 199.0), without_border=True)
    assert fit_preprocessing(DataConfig(), [*ct, statistics(minimum=0)]).intensity == "zscore"
    assert fit_preprocessing(DataConfig(intensity="zscore"), ct).intensity == "zscore"


def test_what_the_user_fixes_is_taken():
    fixed = DataConfig(spacing_mm=(2.0, 3.0, 4.0), intensity_window=(-125.0, 275.0))
    expected = Preprocessing((2, 3, 4), "window", (-125, 275), without_border=True)
    assert fit_preprocessing(fixed, [statistics()]) == expected


@pytest.mark.parametrize("window", [(5.0, 5.0), (9.0, 1.0)])
def test_a_window_without_width_is_refused(window):
    with pytest.raises((DataError, ConfigError), match="window"):
        fit_preprocessing(DataConfig(intensity_window=window), [statistics()])


def test_prepared_images_can_be_written_to(an_oblique_scan):
    prepared = Preprocessing(SPACING_MM, "zscore").prepare_image(an_oblique_scan)
    torch.from_numpy(prepared)[0, 0, 0, 0] = 1
    assert an_oblique_scan.voxels[0, 0, 0] != 1


@pytest.mark.parametrize("direction", DIRECTIONS[::7], ids=NAMES[::7])
def test_what_is_known_lies_where_the_labels_do(direction):
    labels = nested_ellipsoids((9, 12, 15))
    stored = same_scan_with_other_axes(labels, direction)
    known = Volume((stored.voxels > 0).astype(np.int32), stored.grid)
    recipe = Preprocessing(spacing_of_patient_axes(stored.grid), "zscore")
    prepared = recipe.prepare_known(known)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared > 0, recipe.prepare_labels(stored, [1, 7]) > 0)


@pytest.mark.parametrize("spacing", [(1.0, 1.25, 2.0), (1.3, 1.0, 2.5), (0.6, 0.7, 0.9)], ids=str)
def test_labels_that_are_known_everywhere_are_those_without_a_mask(its_labels, spacing):
    recipe = Preprocessing(spacing, "zscore")
    known = Volume(np.ones_like(its_labels.voxels), its_labels.grid)
    np.testing.assert_array_equal(
        recipe.prepare_labels(its_labels, [1, 7], known), recipe.prepare_labels(its_labels, [1, 7])
    )
    assert recipe.prepare_known(known).all()


@pytest.mark.parametrize("spacing", [(1.3, 1.0, 2.5), (0.6, 0.7, 0.9), (1.9, 2.4, 3.1)], ids=str)
@pytest.mark.parametrize("value", [0, 1, 7])
def test_a_label_is_not_thinned_by_what_nobody_has_decided_beside_it(an_oblique_grid, spacing, value):
    known = (np.random.default_rng(3).random((9, 12, 15)) < 0.4).astype(np.int32)
    recipe = Preprocessing(spacing, "zscore")
    mask = Volume(known, an_oblique_grid)
    prepared = recipe.prepare_labels(Volume(value * known, an_oblique_grid), [1, 7], mask)
    where = recipe.prepare_known(mask) > 0
    assert where.any() and (prepared[where] == (0, 1, 7).index(value)).all()


def test_a_window_cannot_be_taken_from_nothing():
    scans = [statistics(minimum=-1000.0, foreground=())]
    with pytest.raises(DataError, match="no voxel of any label is known.*set data.intensity_window"):
        fit_preprocessing(DataConfig(), scans)
    assert fit_preprocessing(DataConfig(intensity_window=(0, 1)), scans).window == (0, 1)


A_BOX = Box((2, 1, 4), (8, 11, 13))


@pytest.mark.parametrize("intensity", ["zscore", "window"])
def test_a_box_at_the_spacing_of_the_scan_is_a_piece_of_the_whole(intensity, an_oblique_scan, its_labels):
    window = (60.0, 140.0) if intensity == "window" else None
    recipe = Preprocessing(spacing_of_patient_axes(an_oblique_scan.grid), intensity, window)
    whole = recipe.prepare_image(an_oblique_scan)
    np.testing.assert_array_equal(recipe.prepare_image(an_oblique_scan, A_BOX)[0], whole[0][A_BOX.slices])
    labels = recipe.prepare_labels(its_labels, [1, 7])
    np.testing.assert_array_equal(recipe.prepare_labels(its_labels, [1, 7], box=A_BOX), labels[A_BOX.slices])
    known = recipe.prepare_known(its_labels)
    np.testing.assert_array_equal(recipe.prepare_known(its_labels, A_BOX), known[A_BOX.slices])


def test_a_box_of_the_whole_scan_changes_nothing(an_oblique_scan):
    recipe = Preprocessing((1.7, 1.0, 2.5), "zscore")
    whole = recipe.prepare_image(an_oblique_scan)
    np.testing.assert_array_equal(recipe.prepare_image(an_oblique_scan, Box.whole((9, 12, 15))), whole)


def test_a_box_holds_the_same_however_a_scan_is_stored():
    straight = np.random.default_rng(0).normal(100, 20, (9, 12, 15)).astype(np.float32)
    recipe = Preprocessing((1.3, 1.0, 2.5), "zscore")
    expected = recipe.prepare_image(same_scan_with_other_axes(straight, np.eye(3)), A_BOX)
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        prepared = recipe.prepare_image(same_scan_with_other_axes(straight, direction), A_BOX)
        np.testing.assert_allclose(prepared, expected, atol=1e-4, err_msg=name)


def test_sizes_of_a_box_follow_spacing_fixed_size_and_slices():
    shape, spacing = (9, 12, 15), (2.0, 1.25, 1.0)
    # 6 x 10 x 9 voxels are 12 x 12.5 x 9 mm.
    assert Preprocessing((1.5, 2.5, 4.0), "zscore").prepared_size(A_BOX, shape, spacing) == (3, 5, 6)
    assert Preprocessing((1.5, 2.5, 4.0), "zscore", slice_axis=0).prepared_size(A_BOX, shape, spacing) == (6, 5, 6)
    # A fixed size is that of the whole scan: 24 of 12 rows are 20 of the box's 10.
    fixed = Preprocessing((1.5, 2.5, 4.0), "zscore", size_dhw=(0, 24, 30))
    assert fixed.prepared_size(A_BOX, shape, spacing) == (3, 20, 18)


def test_each_channel_is_prepared_as_if_it_were_alone(an_oblique_grid):
    first, second = (np.random.default_rng(seed).normal(100, 20, (9, 12, 15)).astype(np.float32) for seed in (1, 2))
    recipe = Preprocessing((1.3, 1.0, 2.5), "window", (50, 150), more_channels=(ZSCORE,))
    together = recipe.prepare_image(Volume(np.stack([first, second]), an_oblique_grid))
    window = Preprocessing((1.3, 1.0, 2.5), "window", (50, 150)).prepare_image(Volume(first, an_oblique_grid))
    zscore = Preprocessing((1.3, 1.0, 2.5), "zscore").prepare_image(Volume(second, an_oblique_grid))
    np.testing.assert_array_equal(together, np.concatenate([window, zscore]))


@pytest.mark.parametrize("count", [1, 3])
def test_a_scan_with_another_number_of_channels_is_refused(an_oblique_grid, count):
    scan = Volume(np.zeros((count, 9, 12, 15), dtype=np.float32), an_oblique_grid)
    with pytest.raises(DataError, match=f"has {count} channels, the model works with 2"):
        Preprocessing((1.0, 1.0, 1.0), "zscore", more_channels=(ZSCORE,)).prepare_image(scan)


def test_a_recipe_of_before_there_were_channels_is_one_of_one_channel():
    content = Preprocessing((1, 2, 3), "zscore").to_dict()
    del content["more_channels"]
    assert Preprocessing.from_dict(content).normalizations == (ZSCORE,)


def test_statistics_are_measured_a_channel(an_oblique_grid, its_labels):
    voxels = np.stack([np.full((9, 12, 15), 5.0), np.where(its_labels.voxels > 0, 70.0, -3.0)]).astype(np.float32)
    measured = ScanStatistics.of(Volume(voxels, an_oblique_grid), its_labels)
    assert [channel.minimum for channel in measured.channels] == [5.0, -3.0]
    assert [set(channel.foreground) for channel in measured.channels] == [{5.0}, {70.0}]


def test_channels_of_ct_get_a_window_and_the_others_a_zscore():
    foreground = tuple(np.linspace(0, 200, 1001))
    scans = [of_channels((-1024, foreground), (0, foreground)), of_channels((-1000, foreground), (-900, foreground))]
    assert fit_preprocessing(DataConfig(), scans).normalizations == (
        IntensityNormalization("window", (1.0, 199.0)), ZSCORE,
    )  # fmt: skip
    fixed = DataConfig(intensity_window=(-125.0, 275.0))
    assert fit_preprocessing(fixed, scans).normalizations == (IntensityNormalization("window", (-125, 275)), ZSCORE)
    assert fit_preprocessing(DataConfig(intensity="zscore"), scans).normalizations == (ZSCORE, ZSCORE)


@pytest.mark.parametrize("factor", [1e-30, 1e-11, 1e-6, 1e6, 1e20, 1e26])
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_maps_in_any_unit_look_the_same_to_the_network(tmp_path, an_oblique_grid, factor, suffix):
    """Diffusion in m2/s has values of 1e-9: from the file to the prepared scan nothing may be lost."""
    voxels = np.random.default_rng(0).gamma(2, 50, an_oblique_grid.size_ijk[::-1])
    recipe = Preprocessing((1.5, 1.5, 1.5), "zscore")
    prepared = []
    for name, scale in (("plain", 1.0), ("scaled", factor)):
        path = tmp_path / f"{name}{suffix}"
        write_volume(path, (voxels * scale).astype(np.float64), an_oblique_grid)
        prepared.append(recipe.prepare_image(read_image(path)))
    np.testing.assert_allclose(prepared[1], prepared[0], atol=2e-5)
    assert prepared[0].std() > 0.5


def test_a_scan_that_memory_cannot_hold_at_the_models_spacing_is_refused(an_oblique_grid, monkeypatch):
    scan = scan_on(an_oblique_grid)
    fine = Preprocessing((0.5, 0.5, 0.5), "zscore")
    needed = 4 * fine.prepare_image(scan).size
    monkeypatch.setattr("coranet.machine.main_memory._ALWAYS_THERE", 0)
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: needed)
    assert fine.prepare_image(scan).size
    monkeypatch.setattr("coranet.machine.main_memory.available_bytes", lambda: needed - 1)
    with pytest.raises(DataError, match=r"at the model's spacing, which take .* check the spacing in its header"):
        fine.prepare_image(scan)
