"""Other ways to learn where a segmentation may be wrong: several passes over one scan, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from coranet.data.box import Box
from coranet.data.cache import lowest
from coranet.inference.network_pass import SlidingWindow
from coranet.methods.extra_passes import dropout_switched_on
from coranet.networks import FeatureDropout

PASSES = 8
# Where a network was trained without dropout, this share of its coarsest features is left out.
DROPOUT_SHARE = 0.2
_MOST_DEGREES, _MOST_SCALING, _NOISE = 10.0, 0.1, 0.05

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ScanPasses:
    """Passes of a network over one prepared scan; each gives probabilities of the segmentation head.

    Attributes:
        network: gives `HeadLogits`; in evaluation mode, as it is left.
        window: how the scan is covered.
        image: (C, D, H, W), float32.
        spacing_dhw: of the prepared scan, mm.
        seed: of everything random.
        box: what of the scan the image is, in canonical voxels; None: all of it.
    """

    network: nn.Module
    window: SlidingWindow
    image: Tensor
    spacing_dhw: Sequence[float]
    seed: int
    box: Box | None = None

    def softmax(self) -> Tensor:
        """One pass: (K, D, H, W), float32, summing to 1 over the classes."""
        return self._probabilities(self.image)

    def dropout(self) -> Tensor:
        """Mean of passes with Monte Carlo dropout (Gal and Ghahramani 2016): (K, D, H, W)."""
        device = self.window.device.torch_device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices), _dropout_in(self.network):
            torch.manual_seed(self.seed)
            return _mean(self._probabilities(self.image) for _ in range(PASSES))

    def augmentation(self) -> Tensor:
        """Mean of passes over changed scans, the change undone (Wang et al. 2019): (K, D, H, W).

        Each view is turned by up to 10 degrees and scaled by up to 10 % within its slices, and gets noise of 0.05.
        """
        return _mean(self._view(number) for number in range(PASSES))

    def _probabilities(self, image: Tensor) -> Tensor:
        return self.window.logits(self.network, image, lowest(self.image.numpy())).segmentation.softmax(0)

    def _view(self, number: int) -> Tensor:
        random = np.random.default_rng([self.seed, number])
        angle = math.radians(random.uniform(-_MOST_DEGREES, _MOST_DEGREES))
        scale = 1 + random.uniform(-_MOST_SCALING, _MOST_SCALING)
        noise = _NOISE * random.standard_normal(tuple(self.image.shape), dtype=np.float32)
        turned = self._turned(self.image, angle, scale) + torch.from_numpy(noise)
        return self._turned(self._probabilities(turned), -angle, 1 / scale)

    def _turned(self, volume: Tensor, angle: float, scale: float) -> Tensor:
        """A volume (C, D, H, W) turned and scaled about its middle, in millimetres, within its slices."""
        axis = self._slice_axis()
        slices = volume.movedim(1 + axis, 0)
        rows_mm, columns_mm = (
            step * size for step, size in zip(np.delete(self.spacing_dhw, axis), slices.shape[2:], strict=True)
        )
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        # From where to take each voxel; grid_sample counts from -1 to 1 along columns, then rows.
        source = [[cosine, -sine * rows_mm / columns_mm, 0.0], [sine * columns_mm / rows_mm, cosine, 0.0]]
        grid = functional.affine_grid(
            torch.tensor([source], dtype=volume.dtype), [1, 1, *slices.shape[2:]], align_corners=False
        )
        turned = functional.grid_sample(
            slices, grid.expand(len(slices), -1, -1, -1), padding_mode="border", align_corners=False
        )
        return turned.movedim(0, 1 + axis)

    def _slice_axis(self) -> int:
        """The axis that slices are stacked along: the one with the thickest voxels, of equal ones the first."""
        if self.window.rule.slice_axis is not None:
            return self.window.rule.slice_axis
        return int(np.argmax(np.round(self.spacing_dhw, 3)))


def least_confidence(probabilities: Array) -> Array:
    """1 - the highest probability; (K, ...) -> (...)."""
    return np.asarray(1 - probabilities.max(0))


def predictive_entropy(probabilities: Array) -> Array:
    """- sum p log p over the classes, by its largest value log K; (K, ...) -> (...) in [0, 1]."""
    floor = np.finfo(np.float32).tiny
    entropy = -sum(share * np.log(np.maximum(share, floor)) for share in probabilities)
    return np.asarray(entropy / math.log(len(probabilities)))


def _mean(passes: Iterable[Tensor]) -> Tensor:
    total, count = torch.zeros(()), 0
    for count, probabilities in enumerate(passes, start=1):  # noqa: B007 - the last count is what divides
        total = total + probabilities
    return total / count


@contextmanager
def _dropout_in(network: nn.Module) -> Iterator[None]:
    """Dropout as in training, and everything else as it is applied."""
    if not any(isinstance(module, FeatureDropout) and module.share for module in network.modules()):
        coarsest = network.get_submodule("dropout")
        hook = coarsest.register_forward_hook(lambda _, __, features: _without_some(features))
        try:
            yield
        finally:
            hook.remove()
        return
    with dropout_switched_on(network):
        yield


def _without_some(features: Tensor) -> Tensor:
    return torch.feature_dropout(features, DROPOUT_SHARE, True)
