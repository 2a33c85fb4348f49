"""Random rotation, scaling and mirroring of a batch of patches, on the device where the batch lies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract.config import AugmentationConfig

# Array axis of each canonical axis; prepared arrays are (S, P, L).
ARRAY_AXIS = {"S": 0, "P": 1, "L": 2}
# Voxels of more different thickness are not mixed.
_MOST_ANISOTROPY = 2.0
_MARGIN = 1.35

Array = npt.NDArray[Any]
Size = tuple[int, int, int]


class SpatialAugmentation:
    """Draws a linear map for each patch, and resamples images and labels of a batch by these maps."""

    def __init__(
        self,
        config: AugmentationConfig,
        patch_size: Size,
        spacing_dhw: tuple[float, ...],
        slice_axis: int | None = None,
    ) -> None:
        """Plan the changes.

        Args:
            config: how much of what.
            patch_size: (D, H, W) of the result; an axis of size 1 is neither turned, scaled nor given a margin.
            spacing_dhw: mm; a patch is turned about an axis if the spacings of the other two are within 2 x.
            slice_axis: 0, 1 or 2 of (D, H, W), across slices that are turned within themselves alone; None: the axis of
                size 1, if there is one.
        """
        self.patch_size = patch_size
        self._spacing = np.array(spacing_dhw, dtype=np.float64)
        if slice_axis is None and 1 in patch_size:
            slice_axis = patch_size.index(1)
        degrees = [config.rotation_degrees] * 3
        if slice_axis is not None:
            within = config.rotation_degrees if config.slice_rotation_degrees is None else config.slice_rotation_degrees
            degrees = [within if axis == slice_axis else 0.0 for axis in range(3)]
        self._angles = [math.radians(degrees[axis]) if self._may_mix(_others(axis)) else 0.0 for axis in range(3)]
        self._scaling = [config.scaling if size > 1 else 0.0 for size in patch_size]
        self._flips = [ARRAY_AXIS[axis] for axis in config.flip_axes]

    @property
    def degrees(self) -> dict[str, float]:
        """By canonical axis how far patches are rotated about it; those about which they are not are left out."""
        return {name: math.degrees(self._angles[axis]) for name, axis in ARRAY_AXIS.items() if self._angles[axis]}

    @property
    def source_size(self) -> Size:
        """Size of the patch to cut out, larger where it is turned or scaled, so that it has no empty corners."""
        turned = [any(self._angles[other] > 0 for other in _others(axis)) for axis in range(3)]
        return tuple(  # type: ignore[return-value]
            math.ceil(size * _MARGIN) if turned[axis] or self._scaling[axis] > 0 else size
            for axis, size in enumerate(self.patch_size)
        )

    def draw(self, random: np.random.Generator) -> Array:
        """A map for one patch.

        Returns:
            (3, 3), from a voxel's offset to the middle of the result to its offset to the middle of the source, both in
            voxels and in the order D, H, W.
        """
        turn = np.eye(3)
        for axis, most in enumerate(self._angles):
            turn = turn @ _rotation(axis, random.uniform(-most, most))
        # Turned in mm: organs keep their shape where voxels are no cubes.
        turn = turn * self._spacing[None, :] / self._spacing[:, None]
        factors = np.array([random.uniform(1 - most, 1 + most) for most in self._scaling])
        for axis in self._flips:
            factors[axis] *= random.choice((-1, 1))
        result: Array = turn * factors[None, :]
        return result

    def apply(self, images: Tensor, labels: Tensor | None, maps: Array) -> tuple[Tensor, Tensor | None]:
        """Resample a batch, images linearly and labels by the nearest voxel; outside of the source its border goes on.

        Args:
            images: (B, C, *source_size), float32.
            labels: (B, M, *source_size), any type, class indices and the like; None: there are none.
            maps: (B, 3, 3), as drawn.

        Returns:
            Images (B, C, *patch_size), float32, and labels alike; what came in, if nothing is to change.
        """
        if not self._changes_anything:
            return images, labels
        # A single slice needs no interpolation across slices, and in 2D that is several times faster.
        flat = self.patch_size.index(1) if 1 in self.patch_size else None
        axes = [axis for axis in range(3) if axis != flat]
        grid = self._grid(maps[:, axes][:, :, axes], axes, images.device)
        turned = _sample(images, grid, flat, "bilinear")
        return turned, None if labels is None else _sample(labels.float(), grid, flat, "nearest")

    @property
    def _changes_anything(self) -> bool:
        return bool(self._flips) or any(self._angles) or any(self._scaling)

    def _may_mix(self, axes: tuple[int, int]) -> bool:
        sizes, spacings = [self.patch_size[axis] for axis in axes], self._spacing[list(axes)]
        return min(sizes) > 1 and bool(max(spacings) <= _MOST_ANISOTROPY * min(spacings))

    def _grid(self, maps: Array, axes: list[int], device: torch.device) -> Tensor:
        """Where in the source each voxel comes from, in `grid_sample`'s coordinates: (B, *patch_size, axes).

        Summed up by broadcasting: a matrix product would be rounded under TF32 or autocast, and cost more.
        """
        target = np.array([self.patch_size[axis] for axis in axes])
        source = np.array([self.source_size[axis] for axis in axes])
        # grid_sample counts from -1 to 1 between the outer borders, and W comes first.
        scaled = (maps * target[None, None, :] / source[None, :, None])[:, ::-1]
        grid = torch.zeros(1, device=device)
        for axis, size in enumerate(target):
            position = (2 * np.arange(size) + 1) / size - 1
            shape = [len(maps), *(1 for _ in axes), len(axes)]
            shape[1 + axis] = int(size)
            term = (position[None, :, None] * scaled[:, None, :, axis]).astype(np.float32).reshape(shape)
            grid = grid + torch.from_numpy(term).to(device, non_blocking=True)
        return grid


def _others(axis: int) -> tuple[int, int]:
    return (axis + 1) % 3, (axis + 2) % 3


def _rotation(axis: int, angle: float) -> Array:
    first, second = _others(axis)
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix


def _sample(volumes: Tensor, grid: Tensor, flat: int | None, mode: str) -> Tensor:
    if flat is None:
        return F.grid_sample(volumes, grid, mode=mode, padding_mode="border", align_corners=False)
    plane = F.grid_sample(volumes.squeeze(flat + 2), grid, mode=mode, padding_mode="border", align_corners=False)
    return plane.unsqueeze(flat + 2)
