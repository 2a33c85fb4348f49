from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from coranet.contract.config import AugmentationConfig
from coranet.data.spatial import SpatialAugmentation

PATCH = (8, 10, 12)
EVEN_SPACING = (1.0, 1.1, 1.25)


def spatial(patch=PATCH, spacing=EVEN_SPACING, **settings) -> SpatialAugmentation:
    off = {"rotation_degrees": 0, "scaling": 0, "flip_axes": ()}
    return SpatialAugmentation(AugmentationConfig(**{**off, **settings}), patch, spacing)


def noise(size, count=1) -> torch.Tensor:
    return torch.randn(count, 1, *size, generator=torch.Generator().manual_seed(1))


def maps(augmentation, count=1, seed=0) -> np.ndarray:
    return np.stack([augmentation.draw(np.random.default_rng([seed, number])) for number in range(count)])


def positions(matrix, source, target) -> np.ndarray:
    """Where each voxel of the target comes from, (3, D, H, W) in voxels of the source."""
    offsets = np.indices(target) - (np.array(target)[:, None, None, None] - 1) / 2
    return np.einsum("ij,jdhw->idhw", matrix, offsets) + (np.array(source)[:, None, None, None] - 1) / 2


@pytest.mark.parametrize("patch", [PATCH, (7, 12, 9), (1, 10, 13), (9, 1, 12), (8, 11, 1)], ids=str)
def test_images_and_labels_are_taken_from_where_the_map_says(patch):
    lively = spatial(patch, rotation_degrees=25, scaling=0.2, flip_axes=("L", "P", "S"))
    images = noise(lively.source_size, 3)
    labels = (3 * torch.rand(images.shape, generator=torch.Generator().manual_seed(2))).to(torch.uint8)
    drawn = maps(lively, 3)
    turned, turned_labels = lively.apply(images, labels, drawn)
    assert turned.shape == turned_labels.shape == (3, 1, *patch)
    for index, matrix in enumerate(drawn):
        where = positions(matrix, lively.source_size, patch)
        expected = ndimage.map_coordinates(images[index, 0].numpy(), where, order=1, mode="nearest")
        np.testing.assert_allclose(turned[index, 0].numpy(), expected, atol=2e-4)
        nearest = ndimage.map_coordinates(labels[index, 0].numpy(), where, order=0, mode="nearest")
        is_clear = (np.abs(where % 1 - 0.5) > 1e-3).all(0)
        np.testing.assert_array_equal(turned_labels[index, 0].numpy()[is_clear], nearest[is_clear])
        assert is_clear.mean() > 0.9


def test_all_off_changes_nothing():
    nothing = spatial()
    images, labels = noise(nothing.source_size), torch.ones(1, 1, *PATCH, dtype=torch.uint8)
    same, same_labels = nothing.apply(images, labels, maps(nothing))
    assert same is images and same_labels is labels


@pytest.mark.parametrize("settings", [{"rotation_degrees": 15}, {"scaling": 0.2}], ids=["turned", "scaled"])
def test_turned_patches_are_cut_larger(settings):
    assert spatial(**settings).source_size == (11, 14, 17)
    assert spatial().source_size == PATCH


def test_a_patch_has_a_margin_only_where_it_is_turned_or_scaled():
    assert spatial((1, 10, 12), rotation_degrees=15, scaling=0.2).source_size == (1, 14, 17)
    assert spatial((8, 10, 12), (5, 1, 1), rotation_degrees=15).source_size == (8, 14, 17)


def test_the_default_leaves_hardly_any_empty_corner():
    default = SpatialAugmentation(AugmentationConfig(), (16, 16, 16), (1, 1, 1))
    # A bright frame at the outer border of the source: what is beyond would be seen as a copy of it.
    images = torch.ones(20, 1, *default.source_size)
    images[:, :, 1:-1, 1:-1, 1:-1] = 0
    turned, _ = default.apply(images, None, maps(default, 20))
    assert (turned > 0.99).float().mean().item() < 0.04


@pytest.mark.parametrize(("axis", "dimension"), [("S", 2), ("P", 3), ("L", 4)])
def test_an_axis_is_mirrored_by_its_name(axis, dimension):
    mirror = spatial(flip_axes=(axis,))
    image = noise(PATCH)
    results, _ = mirror.apply(image.expand(20, -1, -1, -1, -1), None, maps(mirror, 20))
    as_it_is = sum(torch.allclose(result, image[0], atol=1e-5) for result in results)
    mirrored = sum(torch.allclose(result, image.flip(dimension)[0], atol=1e-5) for result in results)
    assert as_it_is + mirrored == 20
    assert min(as_it_is, mirrored) >= 3


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_a_patch_with_thick_slices_is_turned_within_its_slices_only(thick):
    spacing = [1.0, 1.0, 1.0]
    spacing[thick] = 5.0
    turn = spatial((9, 9, 9), tuple(spacing), rotation_degrees=40)
    drawn = maps(turn, 5)
    across = [axis for axis in range(3) if axis != thick]
    assert np.abs(drawn[:, thick, across]).max() == 0 and np.abs(drawn[:, across, thick]).max() == 0
    np.testing.assert_allclose(drawn[:, thick, thick], 1)
    assert np.abs(drawn[:, across[0], across[1]]).min() > 0.01


def test_axes_are_mixed_up_to_twice_the_spacing():
    def is_mixed(spacing) -> bool:
        return bool(maps(spatial((9, 9, 9), spacing, rotation_degrees=40))[0, 0, 1])

    assert is_mixed((2.0, 1.0, 1.0)) and not is_mixed((2.1, 1.0, 1.0))


def test_a_single_slice_is_neither_left_nor_scaled():
    drawn = maps(spatial((1, 10, 12), (1, 1, 1), rotation_degrees=40, scaling=0.3), 5)
    assert np.abs(drawn[:, 0, 1:]).max() == 0 and np.abs(drawn[:, 1:, 0]).max() == 0
    np.testing.assert_allclose(drawn[:, 0, 0], 1)


def test_slices_are_turned_by_an_amount_of_their_own_and_volumes_are_not():
    def largest(patch, **settings) -> float:
        # The turn about D: the quotient of two parts of the matrix is its tangent.
        drawn = maps(spatial(patch, (1, 1, 1), **settings), 100)
        return float(np.degrees(np.arctan2(np.abs(drawn[:, 2, 1]), drawn[:, 1, 1])).max())

    assert 50 < largest((1, 9, 9), rotation_degrees=20, slice_rotation_degrees=60) <= 60
    assert largest((1, 9, 9), rotation_degrees=20, slice_rotation_degrees=0) == 0
    assert 15 < largest((1, 9, 9), rotation_degrees=20) <= 20
    assert largest((9, 9, 9), rotation_degrees=20, slice_rotation_degrees=60) <= 30


def test_slices_that_belong_to_a_volume_stay_in_their_plane():
    config = AugmentationConfig(rotation_degrees=20, slice_rotation_degrees=60, scaling=0)
    drawn = maps(SpatialAugmentation(config, (9, 9, 9), (1.5, 1, 1), slice_axis=0), 100)
    np.testing.assert_allclose(drawn[:, 0], np.tile([1.0, 0.0, 0.0], (100, 1)))
    assert 50 < np.degrees(np.arctan2(np.abs(drawn[:, 2, 1]), drawn[:, 1, 1])).max() <= 60


def test_turning_keeps_lengths_in_millimetres():
    spacing = np.array([2.0, 1.25, 1.0])
    drawn = maps(spatial(PATCH, tuple(spacing), rotation_degrees=40), 10)
    in_mm = drawn * spacing[None, :, None] / spacing[None, None, :]
    np.testing.assert_allclose(in_mm @ in_mm.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (10, 3, 3)), atol=1e-12)
    # Right-handed: nothing is mirrored that was not allowed to be.
    np.testing.assert_allclose(np.linalg.det(drawn), 1)


def test_angles_and_factors_reach_their_limits_and_no_further():
    angles = np.degrees(
        [np.arcsin(np.abs(drawn[2, 1])) for drawn in maps(spatial((1, 9, 9), rotation_degrees=20), 200)]
    )
    # The two axes differ in spacing, 1.1 and 1.25 mm.
    assert 15 < angles.max() < 20 * 1.25 / 1.1
    factors = np.stack([np.diag(drawn) for drawn in maps(spatial(scaling=0.2), 200)])
    assert 0.8 <= factors.min() < 0.82 and 1.18 < factors.max() <= 1.2


def test_coordinates_do_not_suffer_under_autocast():
    lively = spatial(rotation_degrees=25, scaling=0.2)
    images = noise(lively.source_size)
    exact, _ = lively.apply(images, None, maps(lively))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        same, _ = lively.apply(images, None, maps(lively))
    assert torch.equal(exact, same)
