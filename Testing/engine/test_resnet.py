from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.networks import Architecture
from coranet.networks.resnet import BasicBlock, ResNetEncoder

STRIDES = ((1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 1, 2))
KERNELS = ((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
FIVE_LEVELS = Architecture("resnet18", 2, 2, "batch", (8, 16, 32), STRIDES, KERNELS)
THREE_LEVELS = replace(FIVE_LEVELS, strides=STRIDES[:2], kernels=KERNELS[:3])


def convolutions_on_the_main_path(encoder: nn.Module) -> int:
    # Shortcuts are not counted (He et al. 2016); they are no `Conv3d`.
    return sum(isinstance(layer, nn.Conv3d) for layer in encoder.modules())


@pytest.mark.parametrize("architecture", [FIVE_LEVELS, THREE_LEVELS], ids=["five levels", "three levels"])
def test_it_has_eighteen_layers_with_the_classifier(architecture):
    encoder = ResNetEncoder(architecture)
    assert convolutions_on_the_main_path(encoder) == 17
    assert sum(isinstance(block, BasicBlock) for block in encoder.modules()) == 8


def test_the_encoder_halves_what_the_strides_say():
    sizes = [tuple(level.shape[1:]) for level in ResNetEncoder(FIVE_LEVELS)(torch.randn(2, 1, 8, 16, 32))]
    assert sizes == [(2, 8, 16, 32), (4, 8, 8, 16), (8, 4, 4, 8), (16, 2, 2, 4), (32, 2, 2, 2)]
    assert [level.shape[1] for level in ResNetEncoder(THREE_LEVELS)(torch.randn(2, 1, 8, 16, 32))] == [2, 4, 8]


def test_a_block_adds_its_input():
    block = BasicBlock(4, 4, (3, 3, 3), (1, 1, 1), "batch").eval()
    nn.init.zeros_(block.body[-1].weight)
    image = torch.rand(1, 4, 4, 5, 6)
    torch.testing.assert_close(block(image), image)


@pytest.mark.parametrize(("channels", "stride"), [((4, 8), (1, 1, 1)), ((4, 4), (1, 2, 2)), ((4, 8), (2, 1, 2))])
def test_where_the_size_changes_the_shortcut_is_a_convolution(channels, stride):
    block = BasicBlock(*channels, (3, 3, 3), stride, "batch")
    assert isinstance(block.shortcut, nn.Sequential)
    expected = tuple(size // step for size, step in zip((4, 6, 8), stride, strict=True))
    assert block(torch.randn(2, channels[0], 4, 6, 8)).shape == (2, channels[1], *expected)


def test_a_flat_kernel_does_not_look_into_other_slices():
    block = BasicBlock(1, 4, (1, 3, 3), (1, 2, 2), "batch").eval()
    image = torch.randn(1, 1, 5, 8, 8)
    changed = image.clone()
    changed[:, :, 2] += 1
    difference = (block(changed) - block(image)).abs().amax((0, 1, 3, 4))
    assert difference[2] > 0
    assert not difference[[0, 1, 3, 4]].any()
