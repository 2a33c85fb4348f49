"""Random changes of intensity of a batch of patches, on the device where the batch lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract.config import AugmentationConfig

# Slices thicker than this many times the finest spacing are not smoothed across.
_MOST_ANISOTROPY = 2.0
_BLUR_CHANCE, _COARSE_CHANCE, _CHANCE = 0.2, 0.25, 0.5


@dataclass(frozen=True)
class IntensityChange:
    """What is done to one channel of one patch, in this order; each default does nothing.

    Attributes:
        blur_voxels: standard deviation of a Gaussian, in voxels.
        coarseness: factor by which the patch is made coarser and fine again.
        gamma: exponent, of intensities between 0 and 1 at the patch's lowest and highest.
        scale: factor.
        shift: added, in normalized intensity.
        noise: standard deviation of Gaussian noise, in normalized intensity.
        noise_seed: of the noise.
    """

    blur_voxels: float = 0.0
    coarseness: float = 1.0
    gamma: float = 1.0
    scale: float = 1.0
    shift: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


class IntensityAugmentation:
    """Draws an `IntensityChange` for each channel of each patch, and applies them to a batch."""

    def __init__(
        self, config: AugmentationConfig, patch_size: tuple[int, int, int], spacing_dhw: tuple[float, ...]
    ) -> None:
        """Plan the changes.

        Args:
            config: how much of what.
            patch_size: (D, H, W).
            spacing_dhw: mm; nothing is smoothed across slices more than 2 x as thick as the finest spacing.
        """
        self._config = config
        limit = _MOST_ANISOTROPY * min(spacing_dhw)
        self._fine_axes = [axis for axis in range(3) if patch_size[axis] > 1 and spacing_dhw[axis] <= limit]

    def draw(self, random: np.random.Generator) -> IntensityChange:
        """A change for one channel of one patch."""
        config = self._config

        def sometimes(chance: float, low: float, high: float, otherwise: float) -> float:
            is_drawn, value = random.random() < chance, random.uniform(low, high)
            return value if is_drawn else otherwise

        return IntensityChange(
            blur_voxels=sometimes(_BLUR_CHANCE, 0, config.blur_voxels, 0.0),
            coarseness=sometimes(_COARSE_CHANCE, 1, config.low_resolution, 1.0),
            gamma=sometimes(_CHANCE, 1 - config.gamma, 1 + config.gamma, 1.0),
            scale=sometimes(_CHANCE, 1 - config.brightness, 1 + config.brightness, 1.0),
            shift=sometimes(_CHANCE, -config.brightness, config.brightness, 0.0),
            noise=sometimes(_CHANCE, 0, config.noise, 0.0),
            noise_seed=draw_seed(random),
        )

    def apply(self, images: Tensor, changes: Sequence[IntensityChange]) -> Tensor:
        """Change a batch.

        Args:
            images: (B, C, D, H, W), float32; left as it is.
            changes: one for each channel of each patch, those of the first patch first.

        Returns:
            A new tensor of the same shape.
        """
        # Each channel of each patch by itself: no change looks at two of them.
        return self._changed(images.flatten(0, 1).unsqueeze(1), changes).view(images.shape)

    def _changed(self, images: Tensor, changes: Sequence[IntensityChange]) -> Tensor:
        """Change (B, 1, D, H, W), one change each, into a new tensor."""
        result = images.clone()
        blurs = [change.blur_voxels for change in changes]
        if self._fine_axes:
            _change_some(result, [blur > 0 for blur in blurs], blurs, self._smooth)
        for index, change in enumerate(changes):
            if change.coarseness > 1 and self._fine_axes:
                result[index] = self._coarsen(result[index : index + 1], change.coarseness)[0]
        gammas = [change.gamma for change in changes]
        _change_some(result, [gamma != 1 for gamma in gammas], gammas, _power_law)
        if any(change.scale != 1 or change.shift != 0 for change in changes):
            result *= _per_patch([change.scale for change in changes], result)
            result += _per_patch([change.shift for change in changes], result)
        return add_noise(result, [change.noise for change in changes], [change.noise_seed for change in changes])

    def _smooth(self, images: Tensor, sigma: Tensor, largest: float) -> Tensor:
        """Convolve with a Gaussian, axis by axis; sigma (B, 1, 1, 1, 1) in voxels."""
        # The largest of the batch for all: the weights beyond a patch's own three standard deviations are next to 0.
        radius = max(1, round(3 * largest))
        weights = [torch.exp(-0.5 * (offset / sigma.clamp_min(1e-3)) ** 2) for offset in range(radius + 1)]
        total = weights[0] + 2 * torch.stack(weights[1:]).sum(0)
        weights = [weight / total for weight in weights]
        for axis in self._fine_axes:
            images = _convolve(images, weights, axis + 2)
        return images

    def _coarsen(self, image: Tensor, factor: float) -> Tensor:
        """Average (1, 1, D, H, W) over larger voxels, and interpolate back."""
        size = list(image.shape[2:])
        for axis in self._fine_axes:
            size[axis] = max(1, round(size[axis] / factor))
        coarse = F.interpolate(image, size=size, mode="area")
        return F.interpolate(coarse, size=image.shape[2:], mode="trilinear", align_corners=False)


def draw_seed(random: np.random.Generator) -> int:
    """A seed for `torch.Generator`."""
    return int(random.integers(2**62))


def add_noise(images: Tensor, deviations: Sequence[float], seeds: Sequence[int]) -> Tensor:
    """Add Gaussian noise to each patch, in place.

    Noise of the same seed is the same bit for bit on processors; every kind of device has a generator of its own.

    Args:
        images: (B, C, D, H, W), float32.
        deviations: standard deviation for each patch, in normalized intensity.
        seeds: for each patch.

    Returns:
        The images.
    """
    generator = torch.Generator(images.device)
    for image, deviation, seed in zip(images, deviations, seeds, strict=True):
        if deviation > 0:
            generator.manual_seed(seed)
            image += deviation * torch.randn(image.shape, generator=generator, device=image.device)
    return images


def _change_some(
    images: Tensor,
    is_chosen: Sequence[bool],
    values: Sequence[float],
    change: Callable[[Tensor, Tensor, float], Tensor],
) -> None:
    """Apply `change` to the chosen patches, in place; it gets each patch's value, and the largest of them."""
    chosen = [index for index, is_one in enumerate(is_chosen) if is_one]
    if not chosen:
        return
    some = [values[index] for index in chosen]
    index = torch.tensor(chosen).to(images.device, non_blocking=True)
    picked = images.index_select(0, index)
    images.index_copy_(0, index, change(picked, _per_patch(some, images), max(some)))


def _power_law(images: Tensor, gamma: Tensor, _: float) -> Tensor:
    low, high = images.amin((1, 2, 3, 4), keepdim=True), images.amax((1, 2, 3, 4), keepdim=True)
    span = (high - low).clamp_min(1e-7)
    return ((images - low) / span).pow(gamma) * span + low


def _convolve(images: Tensor, weights: list[Tensor], dimension: int) -> Tensor:
    """Sum of shifted images, weighted alike to both sides; the border goes on outside."""
    radius, size = len(weights) - 1, images.shape[dimension]
    padding = [0] * 6
    padding[2 * (4 - dimension)] = padding[2 * (4 - dimension) + 1] = radius
    padded = F.pad(images, padding, mode="replicate")
    result = images * weights[0]
    for offset in range(1, radius + 1):
        both = padded.narrow(dimension, radius - offset, size) + padded.narrow(dimension, radius + offset, size)
        result = torch.addcmul(result, both, weights[offset])
    return result


def _per_patch(values: Sequence[float], like: Tensor) -> Tensor:
    column: npt.NDArray[Any] = np.array(values, dtype=np.float32).reshape(-1, 1, 1, 1, 1)
    # A copy that blocks would wait for all of the work that the device has been given.
    return torch.from_numpy(column).to(like.device, non_blocking=True)
