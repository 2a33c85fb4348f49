"""Labels that teach the decoders at coarser levels, too (deep supervision; Lee et al. 2015, Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..networks import Architecture, CoraNet, HeadLogits
from ..networks.architecture import Size
from ..networks.blocks import Projection, extent, level_filters
from ..networks.slices import from_slices
from .method import heads_loss

NAME = "deep_supervision"
# By head and level.
Features = dict[tuple[str, int], Tensor]


class DeepSupervision(nn.Module):
    """Classifiers of the three heads at the coarser levels of the decoders: part of a training, not of its model."""

    def __init__(self, architecture: Architecture, weight: float, alpha: float) -> None:
        """Make a classifier for each head and coarser level; behind a folded stem there is one level less.

        Args:
            architecture: of the student.
            weight: of the loss of a level, as a share of that of the next finer one.
            alpha: misclassification cost.
        """
        super().__init__()
        inner = architecture.behind_stem
        filters, unit = level_filters(inner), extent(inner, (1, 1, 1))
        self.weight, self.alpha = weight, alpha
        self._slice_axis = architecture.slice_axis
        self._slices = 1 if self._slice_axis is None else architecture.patch_size_kji[self._slice_axis]
        self._steps = _steps(architecture.block, inner.strides)
        self.levels = nn.ModuleList(
            nn.ModuleDict({head: Projection(filters[level], architecture.classes, unit) for head in HeadLogits._fields})
            for level in range(1, len(inner.strides))
        )

    @contextmanager
    def watching(self, student: CoraNet) -> Iterator[Features]:
        """Keep the features that the first pass of a student leaves at the coarser levels of each head's decoder."""
        features: Features = {}
        hooks = []
        for head in HeadLogits._fields:
            decoder = student.decoder_of(head)
            for level in range(1, len(self.levels) + 1):
                hooks.append(decoder.blocks[level].register_forward_hook(_keeping(features, head, level)))
        try:
            yield features
        finally:
            for hook in hooks:
                hook.remove()

    def loss(self, features: Features, labeled: LabeledBatch, unlabeled: UnlabeledBatch | None) -> Tensor:
        """Sum over the coarser levels l = 1, 2, ... of weight^l times the supervised loss there.

        Args:
            features: of a pass whose first patches were the labeled ones.
            labeled: targets; a coarse voxel has the label of the voxel at its middle.
            unlabeled: for the boxes that the labeled patches have got from others: these are left out here.

        Returns:
            Scalar; 0 where the network has no coarser level.
        """
        count, known = len(labeled.images), own_and_known(labeled, unlabeled)
        total = labeled.images.new_zeros(())
        for level, (classifiers, step) in enumerate(zip(self.levels, self._steps, strict=True), start=1):
            logits = HeadLogits(
                *(self._logits(classifiers, head, features[head, level], count) for head in HeadLogits._fields)
            )
            mask = None if known is None else at_middles(known, step)
            here = heads_loss(logits, at_middles(labeled.targets, step), self.alpha, mask)
            total = total + self.weight**level * here
        return total

    def _logits(self, classifiers: nn.Module, head: str, features: Tensor, count: int) -> Tensor:
        """(count, K, D, H, W) of the labeled patches."""
        by_head: Mapping[str, nn.Module] = classifiers  # type: ignore[assignment]
        if self._slice_axis is None:
            logits: Tensor = by_head[head](features[:count])
            return logits
        # All patches have as many slices, mostly one.
        return from_slices(by_head[head](features[: count * self._slices]), self._slice_axis, count)


def _keeping(features: Features, head: str, level: int) -> Callable[[nn.Module, object, Tensor], None]:
    """A hook that keeps what a layer answers the first time."""

    def keep(_layer: nn.Module, _inputs: object, answer: Tensor) -> None:
        features.setdefault((head, level), answer)

    return keep


def own_and_known(labeled: LabeledBatch, unlabeled: UnlabeledBatch | None) -> Tensor | None:
    """Where the labeled patches, as the student sees them, show themselves and their labels are known.

    Returns:
        (B, D, H, W), bool; None: everywhere.
    """
    count, mixing = len(labeled.images), None if unlabeled is None else unlabeled.mixing
    if mixing is None or unlabeled is None or all(min(pair) >= count for *pair, _ in mixing.exchanges):
        return labeled.known
    own = torch.ones_like(labeled.targets, dtype=torch.bool) if labeled.known is None else labeled.known
    others = own.new_zeros((len(unlabeled.student_images), *own.shape[1:]))
    return mixing.apply(torch.cat([own, others]))[:count]


def at_middles(values: Tensor, step: Size) -> Tensor:
    """Of each block of `step` voxels of (B, D, H, W) the one at its middle, of even numbers the later one."""
    return values[tuple([slice(None), *(slice(size // 2, None, size) for size in step)])]


def _steps(block: Size, strides: Sequence[Size]) -> list[Size]:
    """For each coarser level of the decoders, how many voxels of a patch along D, H, W are one there."""
    steps, here = [], list(block)
    for stride in strides[:-1]:
        here = [size * factor for size, factor in zip(here, stride, strict=True)]
        steps.append((here[0], here[1], here[2]))
    return steps
