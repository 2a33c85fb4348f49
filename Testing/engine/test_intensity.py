from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from coranet.contract.config import AugmentationConfig
from coranet.data.intensity import IntensityAugmentation, IntensityChange, add_noise

PATCH = (8, 10, 12)
EVEN_SPACING = (1.0, 1.1, 1.25)
OFF = {"gamma": 0, "brightness": 0, "noise": 0, "blur_voxels": 0, "low_resolution": 1}
ONE_OF_EACH = [
    IntensityChange(blur_voxels=0.7), IntensityChange(coarseness=1.7), IntensityChange(gamma=0.7),
    IntensityChange(scale=1.2), IntensityChange(shift=-0.2), IntensityChange(noise=0.1, noise_seed=5),
]  # fmt: skip


def intensity(patch=PATCH, spacing=EVEN_SPACING, **settings) -> IntensityAugmentation:
    return IntensityAugmentation(AugmentationConfig(**settings), patch, spacing)


def images_of(count=1, size=PATCH) -> torch.Tensor:
    return torch.randn(count, 1, *size, generator=torch.Generator().manual_seed(1))


def draws(augmentation, count) -> list[IntensityChange]:
    return [augmentation.draw(np.random.default_rng([3, number])) for number in range(count)]


def test_no_change_changes_nothing_and_what_came_in_is_left_alone():
    images = images_of(6)
    before = images.clone()
    assert torch.equal(intensity().apply(images, [IntensityChange()] * 6), images)
    intensity().apply(images, ONE_OF_EACH)
    assert torch.equal(images, before)


@pytest.mark.parametrize("settings", [OFF, {**OFF, "flip_axes": ("L",)}], ids=["off", "mirrored only"])
def test_all_off_draws_changes_that_do_nothing(settings):
    assert {replace(change, noise_seed=0) for change in draws(intensity(**settings), 50)} == {IntensityChange()}


def test_each_patch_of_a_batch_is_changed_as_if_it_were_alone():
    images = images_of(6)
    together = intensity().apply(images, ONE_OF_EACH)
    for index, change in enumerate(ONE_OF_EACH):
        alone = intensity().apply(images[index : index + 1], [change])
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-6, rtol=1e-6)
        assert not torch.equal(alone[0], images[index])


@pytest.mark.parametrize("sigma", [0.3, 0.7, 2.0])
def test_blur_is_a_gaussian_whose_border_goes_on(sigma):
    images = images_of()
    blurred = intensity().apply(images, [IntensityChange(blur_voxels=sigma)])
    expected = ndimage.gaussian_filter(images[0, 0].numpy(), sigma, mode="nearest", radius=max(1, round(3 * sigma)))
    np.testing.assert_allclose(blurred[0, 0].numpy(), expected, atol=1e-5)


def test_patches_are_blurred_by_their_own_amount():
    images = images_of(2)
    sigmas = (0.4, 1.5)
    blurred = intensity().apply(images, [IntensityChange(blur_voxels=sigma) for sigma in sigmas])
    for image, result, sigma in zip(images, blurred, sigmas, strict=True):
        expected = ndimage.gaussian_filter(image[0].numpy(), sigma, mode="nearest", radius=4)
        np.testing.assert_allclose(result[0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    "change", [IntensityChange(blur_voxels=1.0), IntensityChange(coarseness=2.0)], ids=["blur", "coarse"]
)
@pytest.mark.parametrize(
    ("size", "spacing", "apart"), [((6, 8, 10), (5, 1, 1), 2), ((6, 8, 10), (1, 1, 3), 4), ((1, 8, 10), (1, 1, 1), 2)]
)  # fmt: skip
def test_thick_slices_are_not_mixed(change, size, spacing, apart):
    images = torch.zeros(1, 1, *size)
    images.select(apart, 0).copy_(images_of(1, size).select(apart, 0))
    changed = intensity(size, spacing).apply(images, [change])
    assert not torch.equal(changed.select(apart, 0), images.select(apart, 0))
    assert changed.narrow(apart, 1, size[apart - 2] - 1).abs().sum() == 0


def test_gamma_is_a_power_of_the_share_of_the_patchs_range():
    images = images_of(2)
    changed = intensity().apply(images, [IntensityChange(gamma=0.6), IntensityChange(gamma=1.4)])
    for image, result, gamma in zip(images, changed, (0.6, 1.4), strict=True):
        low, high = image.min(), image.max()
        torch.testing.assert_close(result, ((image - low) / (high - low)) ** gamma * (high - low) + low)


def test_brightness_scales_and_then_shifts():
    images = images_of(2)
    changed = intensity().apply(images, [IntensityChange(scale=1.25), IntensityChange(scale=0.5, shift=0.25)])
    torch.testing.assert_close(changed[0], images[0] * 1.25)
    torch.testing.assert_close(changed[1], images[1] * 0.5 + 0.25)


def test_coarser_patches_lose_detail_but_not_what_is_smooth():
    size = (16, 18, 20)
    coarse = IntensityChange(coarseness=2.0)
    ramp = torch.arange(20.0).expand(1, 1, *size).contiguous()
    # The outer voxels' values are those of the coarse ones.
    torch.testing.assert_close(intensity(size).apply(ramp, [coarse])[..., 1:-1], ramp[..., 1:-1])
    images = images_of(1, size)
    assert intensity(size).apply(images, [coarse]).std() < 0.5 * images.std()


def test_noise_has_the_patchs_deviation_and_seed():
    images = torch.zeros(4, 1, 16, 18, 20)
    noisy = add_noise(images.clone(), (0.1, 0.2, 0.0, 0.1), (1, 2, 3, 1))
    for patch, deviation in zip(noisy, (0.1, 0.2, 0.0, 0.1), strict=True):
        assert patch.std().item() == pytest.approx(deviation, rel=0.05)
        assert patch.mean().item() == pytest.approx(0, abs=0.01)
    assert torch.equal(noisy[0], noisy[3])
    assert not torch.allclose(noisy[0] / 0.1, noisy[1] / 0.2)


@pytest.mark.parametrize(
    ("setting", "attribute", "low", "high", "chance"),
    [
        ({"blur_voxels": 0.7}, "blur_voxels", 0, 0.7, 0.2),
        ({"low_resolution": 3.0}, "coarseness", 1, 3, 0.25),
        ({"gamma": 0.4}, "gamma", 0.6, 1.4, 0.5),
        ({"brightness": 0.3}, "scale", 0.7, 1.3, 0.5),
        ({"brightness": 0.3}, "shift", -0.3, 0.3, 0.5),
        ({"noise": 0.1}, "noise", 0, 0.1, 0.5),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_changes_are_drawn_within_their_limits_and_as_often_as_said(setting, attribute, low, high, chance):
    untouched = getattr(IntensityChange(), attribute)
    values = np.array([getattr(change, attribute) for change in draws(intensity(**{**OFF, **setting}), 1000)])
    drawn = values[values != untouched]
    assert len(drawn) / len(values) == pytest.approx(chance, abs=0.05)
    margin = 0.05 * (high - low)
    assert low <= drawn.min() < low + margin and high - margin < drawn.max() <= high


def test_a_constant_patch_stays_finite():
    strong = intensity()
    flat = torch.full((40, 1, *PATCH), -1.0)
    assert torch.isfinite(strong.apply(flat, draws(strong, 40))).all()


def test_a_patch_of_thick_slices_of_single_voxels_is_not_smoothed():
    single = intensity((4, 1, 1), (5, 1, 1))
    images = images_of(1, (4, 1, 1))
    assert torch.equal(single.apply(images, [IntensityChange(blur_voxels=1.0, coarseness=2.0)]), images)


def test_channels_are_changed_as_if_they_were_patches():
    images = images_of(6).view(3, 2, *PATCH)
    alone = intensity().apply(images.view(6, 1, *PATCH), ONE_OF_EACH)
    assert torch.equal(intensity().apply(images, ONE_OF_EACH), alone.view(3, 2, *PATCH))
