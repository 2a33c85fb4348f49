"""Networks that see patches mirrored, and whose answers are mirrored back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from torch import Tensor, nn

from .coranet import HeadLogits


class MirroredView(nn.Module):
    """A network that sees every patch mirrored; its answers are mirrored back."""

    def __init__(self, network: nn.Module, axes: Sequence[int] = (0, 1, 2)) -> None:
        """Fix the view.

        Args:
            network: gives `HeadLogits`.
            axes: 0, 1 or 2 of (D, H, W), along which patches are mirrored; none: they are seen as they are.
        """
        super().__init__()
        self.network = network
        self._axes = [2 + axis for axis in axes]

    def forward(self, images: Tensor) -> HeadLogits:
        """(B, C, D, H, W) -> logits of the three heads, in the place of the images."""
        logits: HeadLogits = self.network(images.flip(self._axes) if self._axes else images)
        return HeadLogits(*(head.flip(self._axes) for head in logits)) if self._axes else logits


class MirrorMean(nn.Module):
    """Mean of a network's logits over all mirror images of a patch: 2, 4 or 8 views for one, two or three axes."""

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        """Fix the views.

        Args:
            network: gives `HeadLogits`.
            axes: 0, 1 or 2 of (D, H, W), none of them twice.
        """
        super().__init__()
        chosen = [some for count in range(len(axes) + 1) for some in combinations(axes, count)]
        self.views = nn.ModuleList(MirroredView(network, some) for some in chosen)

    def forward(self, images: Tensor) -> HeadLogits:
        """(B, C, D, H, W) -> mean logits of the three heads."""
        # One view at a time: eight at once would need eight times the memory of a window.
        total: HeadLogits = self.views[0](images)
        for view in self.views[1:]:
            total = HeadLogits(*(logits + more for logits, more in zip(total, view(images), strict=True)))
        return HeadLogits(*(head / len(self.views) for head in total))
