"""Several views of the unlabeled patches in one pass of the student (UniMatch; Yang et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..data.patches import LabeledBatch, UnlabeledBatch
from ..networks import HeadLogits
from .method import student_logits

# Of the two views that are changed in intensity, and of the one with features left out; as in the paper.
_WEIGHTS = (0.25, 0.25, 0.5)
_LEFT_OUT = 0.5

View = tuple[float, HeadLogits]


def logits_of_views(
    student: nn.Module, labeled: LabeledBatch, unlabeled: UnlabeledBatch
) -> tuple[HeadLogits, Sequence[View]]:
    """Logits of the labeled patches and of each view of the unlabeled ones, with the weight of its losses.

    One view: that of the student. Three: this one and the second, which exchange the same boxes among the unlabeled
    patches, and the teacher's, of which half of the encoder's features are left out.

    Args:
        student: gives `HeadLogits`; of three views a `CoraNet`.
        labeled: images that go through the student in the same pass.
        unlabeled: `second_images` decides how many views there are.
    """
    if unlabeled.second_images is None:
        on_labeled, on_unlabeled = student_logits(student, labeled, unlabeled)
        return on_labeled, [(1.0, on_unlabeled)]
    count, size = len(labeled.images), len(unlabeled.student_images)
    first = torch.cat([labeled.images, unlabeled.student_images])
    second = unlabeled.second_images
    exchanges = unlabeled.mixing
    among_unlabeled = None if exchanges is None else exchanges.after(count)
    if exchanges is not None and among_unlabeled is not None:
        first, second = exchanges.apply(first), among_unlabeled.apply(second)
    with features_left_out(student, size):
        logits: HeadLogits = student(torch.cat([first, second, unlabeled.teacher_images]))
    parts = [head.split([count + size, size, size]) for head in logits]
    mixed, again, dropped = (HeadLogits(*some) for some in zip(*parts, strict=True))
    if exchanges is not None and among_unlabeled is not None:
        mixed, again = (
            HeadLogits(*map(mixing.apply, heads)) for mixing, heads in ((exchanges, mixed), (among_unlabeled, again))
        )
    views = (HeadLogits(*(head[count:] for head in mixed)), again, dropped)
    return HeadLogits(*(head[:count] for head in mixed)), list(zip(_WEIGHTS, views, strict=True))


@contextmanager
def features_left_out(student: nn.Module, patches: int) -> Iterator[None]:
    """Of the last patches of each batch half of the channels of features is left out at random, at every level.

    Args:
        student: has an `encoder` that gives feature maps.
        patches: how many; with a network of slices all slices of them.
    """
    batch: list[int] = []

    def count(_network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        batch[:] = [len(inputs[0])]

    def leave_out(_encoder: nn.Module, _inputs: object, features: Sequence[Tensor]) -> list[Tensor]:
        return [_with_fewer(level, len(level) * patches // batch[0]) for level in features]

    hooks = [
        student.register_forward_pre_hook(count),
        student.get_submodule("encoder").register_forward_hook(leave_out),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _with_fewer(features: Tensor, last: int) -> Tensor:
    whole, thinned = features[:-last], features[-last:]
    return torch.cat([whole, torch.feature_dropout(thinned, _LEFT_OUT, True)])
