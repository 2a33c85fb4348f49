from __future__ import annotations

from itertools import product

import pytest
import torch
from stub_networks import SHAPE, VoxelHeads, batches_of

from coranet.networks import HeadLogits, MirroredView, MirrorMean


class Ramp(VoxelHeads):
    """What a voxel is depends on where it lies, too."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        ramp = torch.arange(images[0].numel(), dtype=torch.float32).reshape(1, 1, *images.shape[2:])
        return super().forward(images + 0.1 * ramp)


def test_the_network_sees_the_mirrored_patch_and_answers_in_its_place():
    class Watching(VoxelHeads):
        def forward(self, images: torch.Tensor) -> HeadLogits:
            self.seen = images
            return super().forward(images)

    network, images = Watching(3, seed=0), batches_of()[0].images
    answers = MirroredView(network)(images)
    assert torch.equal(network.seen, images.flip((2, 3, 4))) and not torch.equal(network.seen, images)
    for mirrored, plain in zip(answers, network(images), strict=True):
        torch.testing.assert_close(mirrored, plain)


@pytest.mark.parametrize("axes", [(), (1,), (0, 2), (0, 1, 2)], ids=str)
def test_the_mean_is_that_of_a_loop_over_all_mirror_images(axes):
    network, images = Ramp(3, seed=1), batches_of()[0].images
    expected = [torch.zeros(2, 3, *SHAPE) for _ in HeadLogits._fields]
    for is_mirrored in product((False, True), repeat=len(axes)):
        flipped = [2 + axis for axis, chosen in zip(axes, is_mirrored, strict=True) if chosen]
        for total, head in zip(expected, network(images.flip(flipped)), strict=True):
            total += head.flip(flipped) / 2 ** len(axes)
    for found, target in zip(MirrorMean(network, axes)(images), expected, strict=True):
        torch.testing.assert_close(found, target)


def test_the_mean_of_a_mirrored_scan_is_the_mirrored_mean():
    network, images = MirrorMean(Ramp(3, seed=1), (0, 1, 2)), batches_of()[0].images
    for head, mirrored in zip(network(images), network(images.flip((2, 4))), strict=True):
        torch.testing.assert_close(mirrored, head.flip((2, 4)))
