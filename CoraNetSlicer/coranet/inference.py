"""A trained network applied to a whole scan, all heads in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor, nn
from torch.nn import functional

from .config import InferenceConfig
from .devices import Device
from .networks import Architecture, HeadLogits


@dataclass(frozen=True)
class SlidingWindow:
    """How a scan is covered by patches.

    Attributes:
        patch_size: (D, H, W).
        config: overlap and number of patches at once.
        device: where the network lives; the scan and the sums stay in main memory.
        before_window: called before each batch of patches; may raise to stop.
    """

    patch_size: tuple[int, int, int]
    config: InferenceConfig
    device: Device
    before_window: Callable[[], None] = lambda: None

    @staticmethod
    def of(
        architecture: Architecture,
        config: InferenceConfig,
        device: Device,
        before_window: Callable[[], None] = lambda: None,
    ) -> SlidingWindow:
        """The window that belongs to a network."""
        return SlidingWindow(architecture.patch_size_kji, config, device, before_window)

    @torch.no_grad()
    def logits(self, network: nn.Module, image: Tensor, padding: float) -> HeadLogits:
        """Logits of the three heads for a prepared scan.

        Args:
            network: gives `HeadLogits`; in evaluation mode.
            image: (D, H, W), float32.
            padding: intensity outside of the scan.

        Returns:
            Each (K, D, H, W), float32, in main memory.
        """
        margins = [max(patch - size, 0) for patch, size in zip(self.patch_size, image.shape, strict=True)]
        # functional.pad takes the last axis first; half of the margin on each side.
        pads = [part for margin in reversed(margins) for part in (margin // 2, margin - margin // 2)]
        padded = functional.pad(image[None, None], pads, value=padding)
        inferer = SlidingWindowInferer(
            self.patch_size, sw_batch_size=self.config.window_batch, overlap=self.config.overlap, mode="gaussian",
            sw_device=self.device.torch_device, device=torch.device("cpu"), progress=False,
        )  # fmt: skip
        joined = inferer(padded, lambda patches: self._heads(network, patches))[0]
        core = [slice(margin // 2, margin // 2 + size) for margin, size in zip(margins, image.shape, strict=True)]
        return HeadLogits(*joined[tuple([slice(None), *core])].chunk(3))

    def _heads(self, network: nn.Module, patches: Tensor) -> Tensor:
        self.before_window()
        patches = patches.contiguous(memory_format=self.device.memory_format)
        with self.device.autocast():
            return torch.cat(list(network(patches)), dim=1).float()
