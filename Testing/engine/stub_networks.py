"""Networks and batches so small that what a method makes of them can be computed by hand."""

from __future__ import annotations

import torch
from torch import nn

from coranet.data.patches import LabeledBatch, UnlabeledBatch
from coranet.networks import Architecture, HeadLogits

SHAPE = (2, 3, 4)
# Two levels; normalization that does not mix the patches of a batch.
TINY = Architecture("vnet", 3, 2, "instance", (8, 12, 16), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3)))


class FixedHeads(nn.Module):
    """A network whose logits are its parameters, whatever it sees."""

    def __init__(self, classes: int, size: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.heads = nn.Parameter(2 * torch.randn(3, size, classes, *SHAPE, generator=generator))

    def forward(self, images: torch.Tensor) -> HeadLogits:
        return HeadLogits(*(head[: len(images)] for head in self.heads))


class VoxelHeads(nn.Module):
    """A network that looks at single voxels: logits are linear in the intensity."""

    def __init__(self, classes: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.slope = nn.Parameter(torch.randn(3, classes, 1, 1, 1, generator=generator))
        self.offset = nn.Parameter(0.2 * torch.randn(3, classes, 1, 1, 1, generator=generator))

    def forward(self, images: torch.Tensor) -> HeadLogits:
        return HeadLogits(*(slope * images + offset for slope, offset in zip(self.slope, self.offset, strict=True)))


def batches_of(
    size: int = 2, classes: int = 3, shape: tuple[int, int, int] = SHAPE
) -> tuple[LabeledBatch, UnlabeledBatch]:
    """Noise as images and as labels."""
    generator = torch.Generator().manual_seed(9)
    images = torch.randn(3, size, 1, *shape, generator=generator)
    targets = torch.randint(classes, (size, *shape), generator=generator)
    return LabeledBatch(images[0], targets), UnlabeledBatch(images[1], images[2])


def one_view() -> tuple[LabeledBatch, UnlabeledBatch]:
    """Student and teacher see the same unlabeled patches."""
    labeled, unlabeled = batches_of()
    return labeled, UnlabeledBatch(unlabeled.teacher_images, unlabeled.teacher_images)
