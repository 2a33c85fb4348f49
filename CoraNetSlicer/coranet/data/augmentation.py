"""Random changes of patches: first every patch's change is drawn, on its own, then a batch is changed at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.config import AugmentationConfig
from .intensity import IntensityAugmentation, IntensityChange, draw_seed
from .spatial import Size, SpatialAugmentation


@dataclass(frozen=True)
class PatchChange:
    """Everything that chance decides about the looks of one patch.

    Attributes:
        spatial: (3, 3), see `SpatialAugmentation.draw`.
        intensity: for each channel of the patch that the student sees.
        teacher_noise_seed: of the noise on the teacher's view.
    """

    spatial: npt.NDArray[Any]
    intensity: tuple[IntensityChange, ...]
    teacher_noise_seed: int


class Augmentation:
    """Geometric changes for image and labels together; changes of intensity for the image alone."""

    def __init__(
        self,
        config: AugmentationConfig,
        patch_size: Size,
        spacing_dhw: tuple[float, ...],
        channels: int = 1,
        slice_axis: int | None = None,
    ) -> None:
        """Plan the changes.

        Args:
            config: how much of what.
            patch_size: (D, H, W) of the result.
            spacing_dhw: mm; thick slices are neither turned into each other nor smoothed across.
            channels: of the images; all are turned alike, and the intensities of each are changed by themselves.
            slice_axis: across slices that are turned within themselves alone, see `SpatialAugmentation`.
        """
        self.patch_size = patch_size
        self.channels = channels
        self.spatial = SpatialAugmentation(config, patch_size, spacing_dhw, slice_axis)
        self.intensity = IntensityAugmentation(config, patch_size, spacing_dhw)

    @property
    def source_size(self) -> Size:
        """Size of the patch to cut out."""
        return self.spatial.source_size

    def draw(self, random: np.random.Generator) -> PatchChange:
        """The changes of one patch, from its own stream of random numbers."""
        spatial = self.spatial.draw(random)
        return PatchChange(spatial, self.draw_intensity(random), draw_seed(random))

    def draw_intensity(self, random: np.random.Generator) -> tuple[IntensityChange, ...]:
        """The changes of intensity of one patch, one for each channel."""
        return tuple(self.intensity.draw(random) for _ in range(self.channels))
