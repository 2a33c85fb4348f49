"""Batches for training: cut in a thread while the device computes the step before, changed on the device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..machine.devices import Device
from .cache import PreparedCase
from .intensity import add_noise
from .patches import LabeledBatch, PatchSampler, RawPatches, UnlabeledBatch


@dataclass(frozen=True)
class Shard:
    """This process's part of every batch: patches rank * B to (rank + 1) * B of count * B."""

    rank: int = 0
    count: int = 1

    def numbers(self, batch_size: int) -> range:
        """Numbers of this process's patches in the batch of all processes."""
        return range(self.rank * batch_size, (self.rank + 1) * batch_size)


class Loader:
    """Gives the batches of each step. A batch depends on seed, step and sizes alone, not on earlier batches.

    Use it in a `with` statement, which ends its thread. The patches of the next step are cut, not changed, while the
    caller computes; errors there are raised when that step is requested.

    Attributes:
        batch_sizes: labeled and unlabeled patches a step of this process; may be changed between steps. Several
            processes exchange the boxes that one would where both sizes are equal (mixing "labeled") or the unlabeled
            one is even ("unlabeled"): no process exchanges with the patches of another.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        labeled_cases: Sequence[PreparedCase],
        unlabeled_cases: Sequence[PreparedCase],
        batch_sizes: tuple[int, int],
        device: Device,
        shard: Shard = Shard(),
    ) -> None:
        """Start with nothing cut yet.

        Args:
            sampler: cuts the patches and draws their changes.
            labeled_cases: for `labeled`.
            unlabeled_cases: for `unlabeled`; may be empty where that is not called.
            batch_sizes: labeled and unlabeled patches a step, of this process.
            device: where the batches are wanted.
            shard: which part of the whole batch is this process's.
        """
        self.batch_sizes = batch_sizes
        self._sampler = sampler
        self._cases = (labeled_cases, unlabeled_cases)
        self._device = device
        self._shard = shard
        # MPS cannot sample volumes on a grid.
        is_cuda = device.torch_device.type == "cuda"
        self._workplace = device.torch_device if is_cuda else torch.device("cpu")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="patches")
        self._ahead: dict[tuple[int, int, int], Future[RawPatches]] = {}

    def labeled(self, step: int, mixed: bool = False) -> LabeledBatch:
        """The labeled batch of a step; `mixed`: patches exchange boxes with each other, images and labels alike."""
        with torch.no_grad(), torch.autocast(self._workplace.type, enabled=False):
            raw, images, labels = self._moved(self._raw(0, step))
            images, labels = self._sampler.augmentation.spatial.apply(images, labels, _maps(raw))
            images = self._for_student(images, raw)
            if mixed:
                mixing = self._sampler.labeled_mixing(step, self._shard.numbers(self.batch_sizes[0]))
                images, labels = mixing.apply(images), mixing.apply(cast(Tensor, labels))
            targets, known = self._truth(labels)
            return LabeledBatch(self._delivered(images), cast(Tensor, targets), known)

    def unlabeled(self, step: int, views: int = 1) -> UnlabeledBatch:
        """The unlabeled batch of a step, with so many views for the student, 1 or 2."""
        with torch.no_grad(), torch.autocast(self._workplace.type, enabled=False):
            raw, images, labels = self._moved(self._raw(1, step))
            images, labels = self._sampler.augmentation.spatial.apply(images, labels, _maps(raw))
            student = self._for_student(images, raw)
            second = self._second_view(images, step) if views > 1 else None
            deviations = [self._sampler.teacher_noise] * len(raw.changes)
            teacher = add_noise(images, deviations, [change.teacher_noise_seed for change in raw.changes])
            mixing = self._sampler.mixing(step, *(self._shard.numbers(size) for size in self.batch_sizes))
            views_of_both = self._delivered(student), self._delivered(teacher)
            return UnlabeledBatch(*views_of_both, mixing, *self._truth(labels), second)

    def close(self) -> None:
        """End the thread; waits for the patches that it is cutting."""
        self._ahead.clear()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _raw(self, kind: int, step: int) -> RawPatches:
        size = self.batch_sizes[kind]
        waiting = self._ahead.pop((kind, step, size), None) or self._begin(kind, step, size)
        for outdated in [key for key in self._ahead if key[0] == kind]:
            self._ahead.pop(outdated).cancel()
        raw = waiting.result()
        self._ahead[(kind, step + 1, size)] = self._begin(kind, step + 1, size)
        return raw

    def _begin(self, kind: int, step: int, size: int) -> Future[RawPatches]:
        cut = (self._sampler.labeled, self._sampler.unlabeled)[kind]
        numbers = self._shard.numbers(size)
        return self._thread.submit(cut, self._cases[kind], step, numbers, self._workplace.type == "cuda")

    def _moved(self, raw: RawPatches) -> tuple[RawPatches, Tensor, Tensor | None]:
        images = raw.images.to(self._workplace, non_blocking=True).float()
        labels = None if raw.labels is None else raw.labels.to(self._workplace, non_blocking=True)
        return raw, images, labels

    def _for_student(self, images: Tensor, raw: RawPatches) -> Tensor:
        changes = [channel for change in raw.changes for channel in change.intensity]
        return self._sampler.augmentation.intensity.apply(images, changes)

    def _second_view(self, images: Tensor, step: int) -> Tensor:
        changes = self._sampler.second_view(step, self._shard.numbers(self.batch_sizes[1]))
        intensity = self._sampler.augmentation.intensity
        return self._delivered(intensity.apply(images, [channel for change in changes for channel in change]))

    def _truth(self, labels: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Targets, and where they are known; None where there are none, or where that is unknown."""
        if labels is None:
            return None, None
        place = self._device.torch_device
        return labels[:, 0].long().to(place), labels[:, 1].bool().to(place) if labels.shape[1] > 1 else None

    def _delivered(self, images: Tensor) -> Tensor:
        return images.to(self._device.torch_device, memory_format=self._device.memory_format)


def _maps(raw: RawPatches) -> np.ndarray[Any, Any]:
    return np.stack([change.spatial for change in raw.changes])
