from __future__ import annotations

import numpy as np
import pytest
import torch

from coranet.config import AugmentationConfig
from coranet.data.augmentation import Augmentation

OFF = {"rotation_degrees": 0, "scaling": 0, "flip_axes": (), "gamma": 0, "brightness": 0, "noise": 0, "blur_voxels": 0}
PATCH = (8, 10, 12)
EVEN_SPACING = (1.0, 1.1, 1.25)


def augmentation(patch=PATCH, spacing=EVEN_SPACING, **settings) -> Augmentation:
    return Augmentation(AugmentationConfig(**{**OFF, **settings}), patch, spacing)


def noise(size) -> torch.Tensor:
    return torch.randn(1, *size, generator=torch.Generator().manual_seed(1))


def test_all_off_changes_nothing():
    nothing = augmentation()
    image = noise(nothing.source_size)
    labels = (image > 0).float()
    turned, turned_labels = nothing.geometric(image, labels, 5)
    torch.testing.assert_close(turned, image, atol=1e-5, rtol=1e-5)
    assert torch.equal(turned_labels, labels)
    assert torch.equal(nothing.intensity(image, 5), image)


@pytest.mark.parametrize("settings", [{"rotation_degrees": 15}, {"scaling": 0.2}], ids=["turned", "scaled"])
def test_turned_patches_are_cut_larger(settings):
    assert augmentation(**settings).source_size == (11, 14, 17)
    assert augmentation().source_size == PATCH


def test_the_default_leaves_hardly_any_empty_corner():
    default = Augmentation(AugmentationConfig(), (16, 16, 16), (1, 1, 1))
    # A bright frame at the outer border of the source: what is beyond would be seen as a copy of it.
    image = torch.zeros(1, *default.source_size)
    image[:, 0] = image[:, -1] = image[:, :, 0] = image[:, :, -1] = image[..., 0] = image[..., -1] = 1
    shares = [(default.geometric(image, None, seed)[0] > 0.99).float().mean().item() for seed in range(20)]
    assert np.mean(shares) < 0.04


@pytest.mark.parametrize(("axis", "dimension"), [("S", 1), ("P", 2), ("L", 3)])
def test_an_axis_is_mirrored_by_its_name(axis, dimension):
    mirror = augmentation(flip_axes=(axis,))
    image = noise(PATCH)
    results = [mirror.geometric(image, None, seed)[0] for seed in range(20)]
    as_it_is = sum(torch.allclose(result, image, atol=1e-5) for result in results)
    mirrored = sum(torch.allclose(result, image.flip(dimension), atol=1e-5) for result in results)
    assert as_it_is + mirrored == 20
    assert min(as_it_is, mirrored) >= 3


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_a_patch_with_thick_slices_is_turned_within_its_slices_only(thick):
    spacing = [1.0, 1.0, 1.0]
    spacing[thick] = 5.0
    turn = augmentation((9, 9, 9), tuple(spacing), rotation_degrees=40)
    source = torch.zeros(1, *turn.source_size)
    middle = turn.source_size[0] // 2
    source.select(thick + 1, middle).fill_(1.0)  # one bright slice
    for seed in range(5):
        turned, _ = turn.geometric(source, None, seed)
        by_slice = turned.amax(tuple(axis for axis in range(4) if axis != thick + 1))
        assert (by_slice > 1e-3).sum() <= 2
    whole = augmentation((9, 9, 9), (1, 1, 1), rotation_degrees=40).geometric(source, None, 0)[0]
    assert (whole.amax(tuple(axis for axis in range(4) if axis != thick + 1)) > 1e-3).sum() > 2


def test_scaling_changes_size_up_to_its_limit():
    scale = augmentation((17, 17, 17), (1, 1, 1), scaling=0.2)
    ball = torch.zeros(1, *scale.source_size)
    position = np.indices(scale.source_size) - (np.array(scale.source_size)[:, None, None, None] - 1) / 2
    ball[0][torch.from_numpy((position**2).sum(0) < 6**2)] = 1
    before = ball.sum().item()
    volumes = [scale.geometric(ball, None, seed)[0].sum().item() / before for seed in range(30)]
    assert 0.8**3 * 0.9 < min(volumes) < 0.95 and 1.05 < max(volumes) < 1 / 0.8**3 * 1.1


def test_the_same_seed_turns_image_and_labels_alike_and_each_of_them_again():
    lively = augmentation(rotation_degrees=30, scaling=0.2, flip_axes=("L", "S"))
    image = noise(lively.source_size)
    labels = (image > 0).float()
    first = lively.geometric(image, labels, 3)
    lively.geometric(image, labels, 4)
    again = lively.geometric(image, labels, 3)
    other = lively.geometric(image, labels, 4)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize(
    "settings",
    [{"gamma": 0.3}, {"brightness": 0.15}, {"noise": 0.1}, {"blur_voxels": 0.7}],
    ids=lambda one: next(iter(one)),
)
def test_each_change_of_intensity_changes_some_patches_repeatably(settings):
    change = augmentation(**settings)
    image = noise(PATCH)
    changed = [change.intensity(image, seed) for seed in range(30)]
    different = sum(not torch.equal(one, image) for one in changed)
    assert 1 <= different < 30
    assert all(torch.isfinite(one).all() and one.shape == image.shape and one.dtype == torch.float32 for one in changed)
    assert all(torch.equal(change.intensity(image, seed), one) for seed, one in enumerate(changed))


def test_changes_stay_within_their_limits():
    image = noise(PATCH)
    for seed in range(30):
        assert (augmentation(noise=0.1).intensity(image, seed) - image).std() < 0.11
        brighter = augmentation(brightness=0.15).intensity(image, seed)
        assert (brighter - image).abs().max() <= 0.15 + 0.15 * 1.15 * image.abs().max()


def test_a_constant_patch_stays_finite():
    flat = torch.full((1, *PATCH), -1.0)
    strong = Augmentation(AugmentationConfig(), PATCH, EVEN_SPACING)
    assert all(torch.isfinite(strong.intensity(flat, seed)).all() for seed in range(20))
