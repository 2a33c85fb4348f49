"""What the error model sees of a scan: how sure the three heads are in each voxel, and the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from ..networks import HeadLogits
from ..uncertainty import best_two, caution_shift

# The channels before those of the image; as many for any number of classes, so that the network has one form.
HEAD_CHANNELS = (
    "segmentation_margin", "segmentation_foreground", "conservative_margin", "conservative_foreground",
    "radical_margin", "radical_foreground", "caution_shift", "entropy",
)  # fmt: skip
# A larger margin in logits carries no more information: the odds are one to a million.
MOST_LOGIT = 14.0
# What `Evidence.ends` has of each slice; a slice is within the structures from this share of the largest area on.
ENDS, _LARGE = 7, 0.05
# Farther from an end, in slices or cm, it does not matter how far.
_FAR = 3.0

_Rows = TypeVar("_Rows", bound=tuple[int, HeadLogits])


@dataclass(frozen=True)
class Evidence:
    """What is known of each voxel of a prepared scan without the truth.

    Attributes:
        channels: (F, D, H, W), float16: `HEAD_CHANNELS` in natural logarithms, then the prepared image, a channel each.
        classes: (D, H, W), uint8 or int16, the class that the segmentation head names.
        runner_up: (D, H, W), the same type, the class that it names second.
    """

    channels: Tensor
    classes: Tensor
    runner_up: Tensor

    @cached_property
    def position(self) -> tuple[Tensor, Tensor, Tensor]:
        """How far the voxels lie from the middle of what is named, along D, H and W, in units of half its extent.

        Middle and extent are the median and the 10th and 90th percentiles along each axis, so that an island moves
        neither. 0 everywhere where only background is named; -4 to 4, float32.
        """
        along_d, along_h, along_w = map(_relative, self._named)
        return along_d, along_h, along_w

    @cached_property
    def _named(self) -> list[Tensor]:
        """For D, H and W, how many voxels of each slice across it belong to a structure."""
        named = self.classes > 0
        return [named.sum([other for other in range(3) if other != axis]) for axis in range(3)]

    def ends(self, axis: int, step_mm: float) -> Tensor:
        """How far the slices across an axis lie from the ends of what is named: there networks of slices err most.

        Args:
            axis: 0, 1 or 2 of (D, H, W).
            step_mm: from slice to slice.

        Returns:
            (ENDS, N), float32: from the first and from the last slice of the structures, outside negative, in slices
            and in cm; from both ends of the scan in slices; the area of the structures as a share of the largest.
        """
        area = self._named[axis].float()
        number, most = torch.arange(len(area)).float(), area.max()
        large = number[area > _LARGE * most] if most > 0 else number
        away = torch.stack([number - large[0], large[-1] - number])
        of_scan = torch.stack([number, number.flip(0)])
        near = torch.cat([away, away * (step_mm / 10), of_scan]).clamp(-_FAR, _FAR)
        return torch.cat([near, (area / most.clamp_min(1))[None]])

    @staticmethod
    def of_rows(logits: HeadLogits, image: Tensor) -> Evidence:
        """The evidence of some rows, each voxel by itself.

        Args:
            logits: each (K, D, H, W), float.
            image: (C, D, H, W), the same rows of the prepared scan.
        """
        ranked = [best_two(head[None].float()) for head in logits]
        heads = [
            part
            for head, (best, second) in zip(logits, ranked, strict=True)
            for part in ((best - second)[0, 0], head[1:].float().amax(0) - head[0].float())
        ]
        shift = caution_shift(logits.conservative[None], logits.radical[None])[0]
        margins = torch.stack([*heads, shift]).clamp_(-MOST_LOGIT, MOST_LOGIT)
        channels = torch.cat([margins, _entropy(logits.segmentation)[None], image.to(margins)])
        classes, runner_up = _first_two_classes(logits.segmentation)
        return Evidence(channels.half(), classes, runner_up)

    @staticmethod
    def allocated(image: Tensor, classes: int) -> Evidence:
        """Memory for a whole scan, in main memory, to be filled row by row.

        Args:
            image: (C, D, H, W), the prepared scan.
            classes: number of classes with background.
        """
        size, kind = image.shape[1:], _class_type(classes)
        channels = torch.zeros(len(HEAD_CHANNELS) + len(image), *size, dtype=torch.float16)
        return Evidence(channels, torch.zeros(size, dtype=kind), torch.zeros(size, dtype=kind))

    def gathered(self, parts: Iterable[_Rows], image: Tensor) -> Iterator[_Rows]:
        """Pass on rows of logits, and keep their evidence here.

        Args:
            parts: (number of the first row, logits) as `SlidingWindow.stream` yields them.
            image: (C, D, H, W), the prepared scan.
        """
        for part in parts:
            first, logits = part
            rows = slice(first, first + logits.segmentation.shape[1])
            here = Evidence.of_rows(logits, image[:, rows].to(logits.segmentation.device))
            self.channels[:, rows] = here.channels.cpu()
            self.classes[rows], self.runner_up[rows] = here.classes.cpu(), here.runner_up.cpu()
            yield part


def _relative(counts: Tensor) -> Tensor:
    """Where each index of an axis lies relative to the voxels counted along it; (N,) -> (N,), float32."""
    if not counts.any():
        return torch.zeros(len(counts))
    shares = counts.cumsum(0).double() / counts.sum()
    lower, middle, upper = (int(torch.searchsorted(shares, share)) for share in (0.1, 0.5, 0.9))
    return ((torch.arange(len(counts)) - middle) / max(1.0, (upper - lower) / 2)).clamp(-4, 4).float()


def _entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax in natural logarithms; (K, D, H, W) -> (D, H, W)."""
    log_shares = torch.log_softmax(logits.float(), 0)
    return -(log_shares.exp() * log_shares).sum(0)


def _first_two_classes(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The classes of the largest and the second largest logit, each (D, H, W)."""
    kind = _class_type(len(logits))
    first = logits.max(0, keepdim=True).indices
    second = logits.scatter(0, first, -torch.inf).max(0).indices
    return first[0].to(kind), second.to(kind)


def _class_type(classes: int) -> torch.dtype:
    return torch.uint8 if classes <= 256 else torch.int16
