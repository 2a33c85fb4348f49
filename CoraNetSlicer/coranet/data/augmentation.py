"""Random changes of patches, by MONAI. All randomness of a patch comes from one seed, so steps can be repeated."""

from __future__ import annotations

import math
from typing import Any

import monai.transforms as mt
import torch
from monai.data import set_track_meta
from torch import Tensor

from ..config import AugmentationConfig

# Array axis of each canonical axis; prepared arrays are (S, P, L).
_ARRAY_AXIS = {"S": 0, "P": 1, "L": 2}
_THICK = 2.0
_MARGIN = 1.35

Size = tuple[int, int, int]


class Augmentation:
    """Geometric changes for image and labels together; changes of intensity for the image alone."""

    def __init__(self, config: AugmentationConfig, patch_size: Size, spacing_dhw: tuple[float, ...]) -> None:
        """Plan the changes.

        Args:
            config: how much of what.
            patch_size: (D, H, W) of the result.
            spacing_dhw: mm; a patch with thick slices is turned within its slices only.
        """
        set_track_meta(False)
        self.patch_size = patch_size
        self._config = config
        self._image_only = _geometry(config, patch_size, spacing_dhw, ["image"], ["bilinear"])
        self._image_and_labels = _geometry(
            config, patch_size, spacing_dhw, ["image", "labels"], ["bilinear", "nearest"]
        )
        self._intensity = _intensity(config)

    @property
    def source_size(self) -> Size:
        """Size of the patch to cut out, larger than the result, so that a turned patch has no empty corners."""
        turns = self._config.rotation_degrees > 0 or self._config.scaling > 0
        factor = _MARGIN if turns else 1.0
        return tuple(math.ceil(size * factor) for size in self.patch_size)  # type: ignore[return-value]

    def geometric(self, image: Tensor, labels: Tensor | None, seed: int) -> tuple[Tensor, Tensor | None]:
        """Turn, scale and mirror.

        Args:
            image: (1, *source_size), float32.
            labels: (1, *source_size), float32 class indices, or None.
            seed: of all random choices.

        Returns:
            Image (1, *patch_size) and labels alike.
        """
        if labels is None:
            return self._image_only.set_random_state(seed)({"image": image})["image"], None
        result = self._image_and_labels.set_random_state(seed)({"image": image, "labels": labels})
        return result["image"], result["labels"]

    def intensity(self, image: Tensor, seed: int) -> Tensor:
        """Change contrast and brightness, smooth, add noise; (1, D, H, W) -> the same shape."""
        changed = self._intensity.set_random_state(seed)(image)
        return torch.as_tensor(changed, dtype=torch.float32)


def _geometry(
    config: AugmentationConfig, patch_size: Size, spacing_dhw: tuple[float, ...], keys: list[str], modes: list[str]
) -> mt.Compose:
    turn = math.radians(config.rotation_degrees)
    thick = [spacing > _THICK * min(spacing_dhw) for spacing in spacing_dhw]
    # Turning about an axis mixes the two others; voxels of very different thickness must not be mixed.
    turns = [0.0 if any(thick[other] for other in range(3) if other != axis) else turn for axis in range(3)]
    transforms: list[Any] = [
        mt.RandAffined(
            keys, prob=1.0, rotate_range=turns, scale_range=[config.scaling] * 3, spatial_size=patch_size,
            mode=modes, padding_mode="border",
        )
    ]  # fmt: skip
    transforms += [mt.RandFlipd(keys, prob=0.5, spatial_axis=_ARRAY_AXIS[axis]) for axis in config.flip_axes]
    return mt.Compose(transforms)


def _intensity(config: AugmentationConfig) -> mt.Compose:
    transforms: list[Any] = []
    if config.blur_voxels:
        sigma = (0.0, config.blur_voxels)
        transforms.append(mt.RandGaussianSmooth(sigma_x=sigma, sigma_y=sigma, sigma_z=sigma, prob=0.2))
    if config.gamma:
        transforms.append(mt.RandAdjustContrast(prob=0.5, gamma=(1 - config.gamma, 1 + config.gamma)))
    if config.brightness:
        transforms.append(mt.RandScaleIntensity(factors=config.brightness, prob=0.5))
        transforms.append(mt.RandShiftIntensity(offsets=config.brightness, prob=0.5))
    if config.noise:
        transforms.append(mt.RandGaussianNoise(prob=0.5, std=config.noise, sample_std=True))
    return mt.Compose(transforms)
