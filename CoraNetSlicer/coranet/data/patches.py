"""Patches for a step of training. Seed and step decide on them, so nothing has to be stored for a resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .augmentation import Augmentation
from .cache import PreparedCase

_LABELED_STREAM, _UNLABELED_STREAM = 1, 2


class LabeledBatch(NamedTuple):
    """Images (B, 1, D, H, W) float32 and class indices (B, D, H, W) int64."""

    images: Tensor
    targets: Tensor


class UnlabeledBatch(NamedTuple):
    """Two views of the same patches, (B, 1, D, H, W) float32: changed for the student, noisy for the teacher."""

    student_images: Tensor
    teacher_images: Tensor


class PatchSampler:
    """Cuts random patches from prepared cases and augments them."""

    def __init__(self, augmentation: Augmentation, seed: int, foreground_share: float, teacher_noise: float) -> None:
        """Fix what all batches share.

        Args:
            augmentation: also says how large the patches are.
            seed: of the whole training.
            foreground_share: share of labeled patches centred on a labeled voxel.
            teacher_noise: standard deviation of the noise on the teacher's input.
        """
        self._augmentation = augmentation
        self._seed = seed
        self._foreground_share = foreground_share
        self._teacher_noise = teacher_noise

    def labeled(self, cases: Sequence[PreparedCase], step: int, size: int) -> LabeledBatch:
        """A batch of `size` labeled patches for a step."""
        random = np.random.default_rng([self._seed, _LABELED_STREAM, step])
        images, targets = [], []
        for _ in range(size):
            case = cases[int(random.integers(len(cases)))]
            image, labels = self._cut(case, self._centre(case, random))
            image, labels = self._augmentation.geometric(image, labels, _draw_seed(random))
            images.append(self._augmentation.intensity(image, _draw_seed(random)))
            targets.append(labels[0].long() if labels is not None else torch.empty(0))
        return LabeledBatch(torch.stack(images), torch.stack(targets))

    def unlabeled(self, cases: Sequence[PreparedCase], step: int, size: int) -> UnlabeledBatch:
        """A batch of `size` patches without labels for a step."""
        random = np.random.default_rng([self._seed, _UNLABELED_STREAM, step])
        student, teacher = [], []
        for _ in range(size):
            case = cases[int(random.integers(len(cases)))]
            image, _ = self._cut(case, _anywhere(case.image.shape, random))
            image, _ = self._augmentation.geometric(image, None, _draw_seed(random))
            student.append(self._augmentation.intensity(image, _draw_seed(random)))
            noise = random.normal(scale=self._teacher_noise, size=image.shape).astype(np.float32)
            teacher.append(image + torch.from_numpy(noise))
        return UnlabeledBatch(torch.stack(student), torch.stack(teacher))

    def _centre(self, case: PreparedCase, random: np.random.Generator) -> npt.NDArray[Any]:
        present = [voxels for voxels in case.foreground if len(voxels)]
        if not present or random.random() >= self._foreground_share:
            return _anywhere(case.image.shape, random)
        voxels = present[int(random.integers(len(present)))]
        centre: npt.NDArray[Any] = voxels[int(random.integers(len(voxels)))]
        return centre

    def _cut(self, case: PreparedCase, centre: npt.NDArray[Any]) -> tuple[Tensor, Tensor | None]:
        size = np.array(self._augmentation.source_size)
        shape = np.array(case.image.shape)
        # Inside the scan where it is large enough, so that padding is not learned as anatomy.
        patch = np.minimum(self._augmentation.patch_size, shape)
        middle = np.clip(centre, patch // 2, shape - (patch - patch // 2))
        start = middle - size // 2
        image = _crop(case.image, start, size, case.padding)
        labels = None if case.labels is None else _crop(case.labels, start, size, 0.0)
        return image, labels


def _anywhere(shape: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[Any]:
    return random.integers(0, shape)


def _crop(array: npt.NDArray[Any], start: npt.NDArray[Any], size: npt.NDArray[Any], padding: float) -> Tensor:
    """A box of `size` from `start`, which may lie partly outside; (1, D, H, W) float32."""
    result = np.full(size, padding, dtype=np.float32)
    lower = np.maximum(start, 0)
    upper = np.minimum(start + size, array.shape)
    source = tuple(slice(low, high) for low, high in zip(lower, upper, strict=True))
    target = tuple(slice(low - begin, high - begin) for low, high, begin in zip(lower, upper, start, strict=True))
    result[target] = array[source]
    return torch.from_numpy(result)[None]


def _draw_seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))
