"""Networks that see slices rotated, too, and whose answers are rotated back."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .coranet import HeadLogits
from .slices import from_slices, to_slices


class RotationMean(nn.Module):
    """Mean of a network's logits over three views of each slice: as it is, and rotated by an angle either way.

    Where a voxel leaves the slice in a rotated view, the mean is over the others.
    """

    def __init__(
        self, network: nn.Module, slice_axis: int, degrees: float, spacing: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        """Fix the views.

        Args:
            network: gives `HeadLogits`.
            slice_axis: 0, 1 or 2 of (D, H, W), across the slices.
            degrees: angle between the views, above 0.
            spacing: of the voxels along the two axes of a slice, mm.
        """
        super().__init__()
        self.network = network
        self._slice_axis = slice_axis
        self._degrees = degrees
        self._spacing = spacing

    def forward(self, images: Tensor) -> HeadLogits:
        """(B, C, D, H, W) -> mean logits of the three heads, float32."""
        total, weight = self._logits(images), torch.ones(1, device=images.device)
        # One view at a time: three at once would need three times the memory of a window.
        for degrees in (self._degrees, -self._degrees):
            view = self._logits(self._rotated(images, degrees)[0].to(images.dtype))
            back, is_inside = self._rotated(view, -degrees)
            total = total + back * is_inside
            weight = weight + is_inside
        return HeadLogits(*(total / weight).chunk(3, 1))

    def _logits(self, images: Tensor) -> Tensor:
        """Of the three heads one after the other, (B, 3 K, D, H, W), float32."""
        return torch.cat(list(self.network(images)), 1).float()

    def _rotated(self, volumes: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
        """Rotate slices about their middle.

        Args:
            volumes: (B, C, D, H, W).
            degrees: from the first axis of a slice towards the second.

        Returns:
            The same shape, float32, linear between voxels, the border repeated outside; and where nothing of that
            border is (1, 1, D, H, W), 1 or 0, with D, H or W 1 across the slices.
        """
        slices = to_slices(volumes, self._slice_axis).float()
        rows, columns = slices.shape[2:]
        ratio = rows * self._spacing[0] / (columns * self._spacing[1])
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        # Coordinates run from -1 to 1 along each axis, columns first, so the shape of the slice comes in.
        matrix = torch.tensor([[cosine, -sine * ratio, 0.0], [sine / ratio, cosine, 0.0]], device=slices.device)
        grid = F.affine_grid(matrix[None], [1, 1, rows, columns], align_corners=False)
        inside = (grid.abs() <= 1).all(-1)[:, None].float()
        sampled = F.grid_sample(
            slices, grid.expand(len(slices), -1, -1, -1), padding_mode="border", align_corners=False
        )
        return from_slices(sampled, self._slice_axis, len(volumes)), from_slices(inside, self._slice_axis, 1)
