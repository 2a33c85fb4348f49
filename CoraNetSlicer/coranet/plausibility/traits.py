"""What is measured of a scan and its result without knowing the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..networks import HeadLogits

Array = npt.NDArray[Any]
_Rows = TypeVar("_Rows", bound=tuple[int, HeadLogits])

# Voxels that suffice for the fine detail of a scan.
_MOST_VOXELS = 1 << 21
# Softmax of all classes that is there at once.
_PORTION_NUMBERS = 1 << 23
# Far below what float16 resolves in a normalized scan: where there is no detail, the ratio of two of them is 1.
_NO_DETAIL = 1e-6


@dataclass(frozen=True)
class CaseTraits:
    """What is measured of a case.

    Attributes:
        detail: of each channel, `fine_detail` of the prepared scan.
        volume_ml: of each class but background, of the result, or of the label where that is known.
        confidence: mean Dice that the network expects of its own result, 0 to 1 (`Confidence`); None: it was not asked.
    """

    detail: tuple[float, ...]
    volume_ml: tuple[float, ...]
    confidence: float | None = None


class Confidence:
    """The Dice that a network expects of its own result, summed up while logits pass.

    With p the softmax and y what the segmentation head names, a class has 2 sum(p y) / (sum(p) + sum(y)): the soft Dice
    confidence of Borges and others (2024, arXiv 2402.10665). It is too high, for networks are too sure, but orders
    cases well.
    """

    def __init__(self, classes: int) -> None:
        """Begin with nothing.

        Args:
            classes: number of classes with background.
        """
        self._agreeing, self._expected, self._named = (torch.zeros(classes, dtype=torch.float64) for _ in range(3))

    def gathered(self, parts: Iterable[_Rows]) -> Iterator[_Rows]:
        """Pass on rows of logits, and count what they say.

        Args:
            parts: (number of the first row, logits) as `SlidingWindow.stream` yields them: a part may begin with rows
                of the one before.
        """
        counted = 0
        for part in parts:
            first, logits = part
            fresh = logits.segmentation[:, max(0, counted - first) :]
            counted = first + logits.segmentation.shape[1]
            self._add(fresh)
            yield part

    def _add(self, logits: Tensor) -> None:
        """Count rows, (K, D, H, W), once each."""
        count, rows = len(logits), max(1, _PORTION_NUMBERS // max(1, logits[:, :1].numel()))
        for some in logits.split(rows, 1):
            shares = torch.softmax(some.float(), 0).flatten(1)
            best, named = (part.cpu() for part in shares.max(0))
            self._agreeing += torch.bincount(named, best.double(), count)
            self._named += torch.bincount(named, minlength=count)
            # Not every device knows float64.
            self._expected += shares.sum(1).cpu().double()

    @property
    def named(self) -> tuple[int, ...]:
        """Voxels of each class but background that the network names."""
        return tuple(int(count) for count in self._named[1:])

    @property
    def mean(self) -> float:
        """Over the classes that are named; 0 where none is."""
        dice = 2 * self._agreeing / (self._expected + self._named).clamp_min(1e-9)
        is_named = self._named[1:] > 0
        return float(dice[1:][is_named].mean()) if is_named.any() else 0.0


def fine_detail(image: Array) -> tuple[float, ...]:
    """How much of a scan is noise: neighbours in a slice of noise differ twice, in a smooth scan hardly.

    Args:
        image: (C, D, H, W), the prepared scan.

    Returns:
        For each channel the logarithm of the mean second difference by the mean first one along H and W, which a factor
        and a sum on all intensities do not change: 0.55 of white noise, the lower the smoother.
    """
    step = max(1, math.ceil(image[0].size / _MOST_VOXELS))
    return tuple(_detail(np.asarray(channel[step // 2 :: step], dtype=np.float32)) for channel in image)


def _detail(slices: Array) -> float:
    first, second = (
        sum(float(np.abs(np.diff(slices, count, axis)).mean()) for axis in (1, 2) if slices.shape[axis] > count)
        for count in (1, 2)
    )
    return math.log((second + _NO_DETAIL) / (first + _NO_DETAIL))


class Measurement:
    """The traits of a case, measured while a network passes over it, box by box."""

    def __init__(self, classes: int) -> None:
        """Begin with nothing.

        Args:
            classes: number of classes with background.
        """
        self._confidence = Confidence(classes)
        self._boxes: list[tuple[int, tuple[float, ...]]] = []

    def gathered(self, parts: Iterable[_Rows], image: Array) -> Iterator[_Rows]:
        """Pass on the rows of logits of a box, and measure.

        Args:
            parts: as for `Confidence.gathered`.
            image: (C, D, H, W), the prepared box.
        """
        self._boxes.append((image[0].size, fine_detail(image)))
        return self._confidence.gathered(parts)

    @property
    def named(self) -> tuple[int, ...]:
        """Voxels of each class but background that the network names."""
        return self._confidence.named

    def traits(self, volume_ml: Sequence[float]) -> CaseTraits:
        """What was measured, beside the volumes of the classes."""
        return CaseTraits(_joined_detail(self._boxes), tuple(volume_ml), self._confidence.mean)


def _joined_detail(boxes: Sequence[tuple[int, tuple[float, ...]]]) -> tuple[float, ...]:
    """The fine detail of a scan from voxels and detail of its boxes, weighted by voxels."""
    whole = sum(voxels for voxels, _ in boxes)
    channels = zip(*(detail for _, detail in boxes), strict=True)
    return tuple(sum(v * d for (v, _), d in zip(boxes, channel, strict=True)) / whole for channel in channels)
