"""A trained network applied to a whole scan, all heads in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor, nn
from torch.nn import functional

from .config import InferenceConfig
from .devices import Device
from .networks import Architecture, HeadLogits

# Slices of a 2D network are taken together up to the size of the paper's patch in 3D, 96 x 96 x 96.
_WINDOW_VOXELS = 884_736
# A scan that is longer than the patch by no more than this factor is taken whole, not in windows that are mostly one.
_GROWTH = 1.25


@dataclass(frozen=True)
class SlidingWindow:
    """How a scan is covered by patches.

    Attributes:
        patch_size: (D, H, W).
        config: overlap and number of patches at once.
        device: where the network lives; the scan and the sums stay in main memory.
        before_window: called before each batch of patches; may raise to stop.
        slice_axis: 0, 1 or 2 of (D, H, W), along which a 2D network takes each slice by itself: windows hold several
            slices there and do not overlap; None: a 3D network.
        factors: sizes along D, H, W that the network can halve as often as it does are multiples of these; None: the
            network takes no other size than the patch.
    """

    patch_size: tuple[int, int, int]
    config: InferenceConfig
    device: Device
    before_window: Callable[[], None] = lambda: None
    slice_axis: int | None = None
    factors: tuple[int, int, int] | None = None

    @staticmethod
    def of(
        architecture: Architecture,
        config: InferenceConfig,
        device: Device,
        before_window: Callable[[], None] = lambda: None,
    ) -> SlidingWindow:
        """The window that belongs to a network."""
        return SlidingWindow(
            architecture.patch_size_kji, config, device, before_window, architecture.slice_axis, architecture.factors
        )

    @torch.no_grad()
    def logits(self, network: nn.Module, image: Tensor, padding: Sequence[float]) -> HeadLogits:
        """Logits of the three heads for a prepared scan.

        Args:
            network: gives `HeadLogits`; in evaluation mode.
            image: (C, D, H, W), float32.
            padding: for each channel the intensity outside of the scan.

        Returns:
            Each (K, D, H, W), float32, in main memory.
        """
        size_dhw = image.shape[1:]
        window = self.window_size(size_dhw)
        margins = [max(patch - size, 0) for patch, size in zip(window, size_dhw, strict=True)]
        # functional.pad takes the last axis first; half of the margin on each side.
        pads = [part for margin in reversed(margins) for part in (margin // 2, margin - margin // 2)]
        channels = [functional.pad(one, pads, value=value) for one, value in zip(image, padding, strict=True)]
        padded = torch.stack(channels) if len(channels) > 1 else channels[0][None]
        overlap = [0.0 if axis == self.slice_axis else self.config.overlap for axis in range(3)]
        inferer = SlidingWindowInferer(
            window, sw_batch_size=self.config.window_batch, overlap=overlap, mode="gaussian",
            sw_device=self.device.torch_device, device=torch.device("cpu"), progress=False,
        )  # fmt: skip
        joined = inferer(padded[None], lambda patches: self._heads(network, patches))[0]
        core = [slice(margin // 2, margin // 2 + size) for margin, size in zip(margins, size_dhw, strict=True)]
        return HeadLogits(*joined[tuple([slice(None), *core])].chunk(3))

    def window_size(self, size: Sequence[int]) -> tuple[int, int, int]:
        """What of a scan is computed at once.

        Args:
            size: (D, H, W) of the scan.

        Returns:
            The patch size, a little more where that saves windows; along the slice axis as many slices as a large
            patch has room for, so divided that windows hardly share any.
        """
        window = list(self.patch_size)
        for axis, factor in enumerate(self.factors or ()):
            whole = math.ceil(size[axis] / factor) * factor
            if window[axis] < whole <= _GROWTH * window[axis]:
                window[axis] = whole
        if self.slice_axis is not None:
            slices = size[self.slice_axis]
            window[self.slice_axis] = 1
            most = max(1, _WINDOW_VOXELS // math.prod(window))
            window[self.slice_axis] = math.ceil(slices / math.ceil(slices / most))
        depth, height, width = window
        return depth, height, width

    def _heads(self, network: nn.Module, patches: Tensor) -> Tensor:
        self.before_window()
        patches = patches.contiguous(memory_format=self.device.memory_format)
        with self.device.autocast():
            return torch.cat(list(network(patches)), dim=1).float()
