"""Patches for a step of training. Seed, step and number of a patch decide on it, so nothing is stored for a resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .augmentation import Augmentation, PatchChange
from .cache import PreparedCase
from .intensity import IntensityChange
from .mixing import Mixing

# First numbers of the random streams; each stream has four numbers; shorter keys are filled with zeros.
_LABELED, _UNLABELED, _WHETHER_MIXED, _BOXES, _LABELED_BOXES, _SECOND_VIEW = 1, 2, 3, 4, 5, 6

Array = npt.NDArray[Any]


class LabeledBatch(NamedTuple):
    """Patches whose labels are known, or known in part.

    Attributes:
        images: (B, C, D, H, W), float32.
        targets: (B, D, H, W), int64, class indices.
        known: (B, D, H, W), bool, where the targets are truth; None: everywhere.
    """

    images: Tensor
    targets: Tensor
    known: Tensor | None = None


class UnlabeledBatch(NamedTuple):
    """Two views of the same patches, (B, C, D, H, W) float32.

    Attributes:
        student_images: changed in contrast, smoothed, noisy.
        teacher_images: the same geometric view with a little noise of its own.
        mixing: which boxes the student's patches exchange, counted over the labeled and then the unlabeled ones; None:
            none.
        targets: (B, D, H, W), int64, class indices where they are known, 0 elsewhere; None: none is.
        known: (B, D, H, W), bool, where the targets are truth; None: nowhere.
        second_images: as `student_images`, changed in another way; None: there is one view.
    """

    student_images: Tensor
    teacher_images: Tensor
    mixing: Mixing | None = None
    targets: Tensor | None = None
    known: Tensor | None = None
    second_images: Tensor | None = None


@dataclass(frozen=True)
class RawPatches:
    """Pieces of scans, and what is to be done to them; in the computer's memory.

    Attributes:
        images: (B, C, *source_size), float16, or float32 if the prepared scans are.
        labels: uint8 or int32, (B, 1, *source_size), class indices, and where labels are known in part
            (B, 2, *source_size), the second 1 where they are; None where nothing is known.
        changes: one for each patch.
    """

    images: Tensor
    labels: Tensor | None
    changes: tuple[PatchChange, ...]


class PatchSampler:
    """Cuts random patches from prepared cases and draws their changes; numpy alone, so that a thread can do it."""

    def __init__(
        self,
        augmentation: Augmentation,
        seed: int,
        foreground_share: float,
        teacher_noise: float,
        mixing: tuple[str, float] = ("none", 0.0),
        reviewed_share: float = 0.0,
    ) -> None:
        """Fix what all batches share.

        Args:
            augmentation: also for the patch size.
            seed: of the whole training.
            foreground_share: share of labeled patches centred on a labeled voxel.
            teacher_noise: standard deviation of the noise on the teacher's input, in normalized intensity.
            mixing: between which patches boxes are exchanged ("none", "unlabeled", "labeled"), in which share of steps.
            reviewed_share: share of unlabeled patches centred on a known voxel of the cases that are known in part.
        """
        self.augmentation = augmentation
        self.teacher_noise = teacher_noise
        self._seed = seed
        self._foreground_share = foreground_share
        self._mixing, self._mixing_share = mixing
        self._reviewed_share = reviewed_share

    def labeled(self, cases: Sequence[PreparedCase], step: int, numbers: range, pinned: bool = False) -> RawPatches:
        """Labeled patches of a step.

        Args:
            cases: with labels. Patches of one that is known in part are centred on voxels that are.
            step: of the training.
            numbers: which patches of the step's batch.
            pinned: whether to put them into memory from which a graphics card copies by itself.
        """
        images = self._empty_batch(cases, len(numbers), pinned)
        with_structures = [case for case in cases if any(map(len, case.foreground))]
        maps = 2 if _is_partial(cases) else 1
        labels = torch.empty((len(numbers), maps, *images.shape[2:]), dtype=_label_type(cases), pin_memory=pinned)
        changes = []
        for index, number in enumerate(numbers):
            random = self._stream(_LABELED, step, number)
            case, centre = self._labeled_place(cases, with_structures, random)
            start = self._start(case, centre)
            _crop_image(case, start, images[index].numpy())
            # Outside of a scan there is background, which is known.
            _crop_truth(case, start, 1, labels[index].numpy())
            changes.append(self.augmentation.draw(random))
        return RawPatches(images, labels, tuple(changes))

    def unlabeled(self, cases: Sequence[PreparedCase], step: int, numbers: range, pinned: bool = False) -> RawPatches:
        """Patches of a step without labels, or with labels known in part, from anywhere; see `labeled`."""
        images = self._empty_batch(cases, len(numbers), pinned)
        reviewed = [case for case in cases if len(case.known_voxels)]
        labels = None
        if reviewed:
            labels = torch.empty((len(numbers), 2, *images.shape[2:]), dtype=_label_type(cases), pin_memory=pinned)
        changes = []
        for index, number in enumerate(numbers):
            random = self._stream(_UNLABELED, step, number)
            if reviewed and random.random() < self._reviewed_share:
                case = reviewed[int(random.integers(len(reviewed)))]
                centre = _random_voxel(case.known_voxels, random)
            else:
                case = cases[int(random.integers(len(cases)))]
                centre = _anywhere(case.image.shape[1:], random)
            start = self._start(case, centre)
            _crop_image(case, start, images[index].numpy())
            if labels is not None:
                _crop_truth(case, start, 0, labels[index].numpy())
            changes.append(self.augmentation.draw(random))
        return RawPatches(images, labels, tuple(changes))

    def mixing(self, step: int, labeled: range, unlabeled: range) -> Mixing | None:
        """Which boxes are exchanged in a step of self-training; None: none.

        Args:
            step: of the training.
            labeled: numbers of the labeled patches, of this process.
            unlabeled: numbers of the unlabeled patches, of this process.
        """
        # One decision a step: all processes of a training share it.
        if self._mixing == "none" or self._mixing_share <= self._stream(_WHETHER_MIXED, step, 0).random():
            return None
        count = len(labeled)
        if self._mixing == "labeled":
            pairs = [(index, count + index) for index in range(min(count, len(unlabeled)))]
        else:
            pairs = [(count + index, count + index + 1) for index in range(0, len(unlabeled) - 1, 2)]
        streams = [self._stream(_BOXES, step, unlabeled[second - count]) for _, second in pairs]
        return Mixing.draw(
            self.augmentation.patch_size, [(*pair, stream) for pair, stream in zip(pairs, streams, strict=True)]
        )

    def labeled_mixing(self, step: int, labeled: range) -> Mixing:
        """Which boxes labeled patches exchange with each other: the first and the second, the third and the fourth.

        Args:
            step: of the training.
            labeled: numbers of the labeled patches, of this process.
        """
        pairs = [(index, index + 1) for index in range(0, len(labeled) - 1, 2)]
        streams = [self._stream(_LABELED_BOXES, step, labeled[second]) for _, second in pairs]
        return Mixing.draw(
            self.augmentation.patch_size, [(*pair, stream) for pair, stream in zip(pairs, streams, strict=True)]
        )

    def second_view(self, step: int, unlabeled: range) -> list[tuple[IntensityChange, ...]]:
        """How the intensities of unlabeled patches are changed for a second view of each, channel by channel.

        Args:
            step: of the training.
            unlabeled: numbers of the unlabeled patches, of this process.
        """
        streams = [self._stream(_SECOND_VIEW, step, number) for number in unlabeled]
        return [self.augmentation.draw_intensity(stream) for stream in streams]

    def _stream(self, purpose: int, step: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, step, number])

    def _empty_batch(self, cases: Sequence[PreparedCase], count: int, pinned: bool) -> Tensor:
        """An empty tensor of `count` sources in the type of the cases' images."""
        is_half = all(case.image.dtype == np.float16 for case in cases)
        dtype = torch.float16 if is_half else torch.float32
        size = (self.augmentation.channels, *self.augmentation.source_size)
        return torch.empty((count, *size), dtype=dtype, pin_memory=pinned)

    def _labeled_place(
        self, cases: Sequence[PreparedCase], with_structures: Sequence[PreparedCase], random: np.random.Generator
    ) -> tuple[PreparedCase, Array]:
        """A case, and the voxel on which its patch is centred."""
        if len(with_structures) in (0, len(cases)):
            case = cases[int(random.integers(len(cases)))]
            is_foreground = bool(with_structures) and random.random() < self._foreground_share
        else:
            # Where some cases hold no structure, the share of patches that shows one stays what it is.
            is_foreground = random.random() < self._foreground_share
            chosen = with_structures if is_foreground else cases
            case = chosen[int(random.integers(len(chosen)))]
        if is_foreground:
            present = [voxels for voxels in case.foreground if len(voxels)]
            return case, _random_voxel(present[int(random.integers(len(present)))], random)
        if case.known is not None:
            return case, _random_voxel(case.known_voxels, random)
        return case, _anywhere(case.image.shape[1:], random)

    def _start(self, case: PreparedCase, centre: Array) -> Array:
        """First voxel of the source whose middle lies near the wanted centre; may lie outside of the scan."""
        shape = np.array(case.image.shape[1:])
        # Inside the scan where it is large enough, so that padding is not learned as anatomy.
        patch = np.minimum(self.augmentation.patch_size, shape)
        middle = np.clip(centre, patch // 2, shape - (patch - patch // 2))
        start: Array = middle - np.array(self.augmentation.source_size) // 2
        return start


def _label_type(cases: Sequence[PreparedCase]) -> torch.dtype:
    """The type of class indices; PyTorch computes little with numbers of 16 bits without sign."""
    is_small = all(case.labels is None or case.labels.dtype == np.uint8 for case in cases)
    return torch.uint8 if is_small else torch.int32


def _is_partial(cases: Sequence[PreparedCase]) -> bool:
    return any(case.known is not None for case in cases)


def _random_voxel(voxels: Array, random: np.random.Generator) -> Array:
    voxel: Array = voxels[int(random.integers(len(voxels)))]
    return voxel


def _anywhere(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    return random.integers(0, shape)


def _crop_image(case: PreparedCase, start: Array, out: Array) -> None:
    """Fill (C, ...) with the channels of a scan."""
    for channel, padding, target in zip(case.image, case.padding, out, strict=True):
        _crop(channel, start, padding, target)


def _crop_truth(case: PreparedCase, start: Array, otherwise: int, out: Array) -> None:
    """Fill (1, ...) with class indices, or (2, ...) with them and where they are known.

    Outside of the scan, and of a case whose labels are not known in part, `otherwise` is the value.
    """
    for scan, padding, target in zip((case.labels, case.known), (0, otherwise), out, strict=False):
        if scan is None:
            target.fill(padding)
        else:
            _crop(scan, start, padding, target)


def _crop(scan: Array, start: Array, padding: float, out: Array) -> None:
    """Fill `out` with the scan's voxels from `start`, and with padding what lies outside of the scan."""
    lower = np.maximum(start, 0)
    upper = np.minimum(start + out.shape, scan.shape)
    source = tuple(slice(low, high) for low, high in zip(lower, upper, strict=True))
    target = tuple(slice(low - begin, high - begin) for low, high, begin in zip(lower, upper, start, strict=True))
    if (upper - lower < out.shape).any():
        out.fill(padding)
    out[target] = scan[source]
