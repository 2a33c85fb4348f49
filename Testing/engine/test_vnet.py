from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.networks import Architecture
from coranet.networks.blocks import level_filters
from coranet.networks.vnet import ResidualBlock, VNetDecoder, VNetEncoder

THICK = Architecture(
    "vnet", 3, 4, "batch", (4, 16, 24), ((1, 2, 2), (2, 2, 2)), ((1, 3, 3), (1, 3, 3), (3, 3, 3))
)  # fmt: skip


def test_channels_double_at_each_level():
    assert level_filters(THICK) == [4, 8, 16]


def test_the_encoder_halves_what_the_strides_say():
    features = VNetEncoder(THICK)(torch.randn(2, 1, 4, 16, 24))
    assert [tuple(level.shape) for level in features] == [(2, 4, 4, 16, 24), (2, 8, 4, 8, 12), (2, 16, 2, 4, 6)]


def test_the_decoder_comes_back_to_full_resolution():
    features = VNetDecoder(THICK)(VNetEncoder(THICK)(torch.randn(2, 1, 4, 16, 24)))
    assert features.shape == (2, 4, 4, 16, 24)


@pytest.mark.parametrize(("level", "used"), [(0, True), (1, True), (2, True)])
def test_the_decoder_uses_the_features_of_every_level(level, used):
    features = [feature.detach().requires_grad_(True) for feature in VNetEncoder(THICK)(torch.randn(2, 1, 4, 16, 24))]
    VNetDecoder(THICK)(features).square().sum().backward()
    assert features[level].grad.any() == used


def test_a_flat_kernel_does_not_look_into_other_slices():
    flat = ResidualBlock(1, 4, (1, 3, 3), 2, "batch").eval()
    image = torch.randn(1, 1, 5, 8, 8)
    changed = image.clone()
    changed[:, :, 2] += 1
    difference = (flat(changed) - flat(image)).abs().amax((0, 1, 3, 4))
    assert difference[2] > 0
    assert not difference[[0, 1, 3, 4]].any()


@pytest.mark.parametrize(("channels", "added"), [(4, None), (1, None), (8, torch.rand(1, 4, 4, 5, 6))])
def test_a_block_adds_its_input_or_what_is_given(channels, added):
    block = ResidualBlock(channels, 4, (3, 3, 3), 2, "instance")
    for module in block.body:
        if isinstance(module, nn.InstanceNorm3d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    image = torch.rand(1, channels, 4, 5, 6)
    expected = image if added is None else added
    torch.testing.assert_close(block(image, added), expected.expand(1, 4, 4, 5, 6))


@pytest.mark.parametrize(("normalization", "kind"), [("batch", nn.BatchNorm3d), ("instance", nn.InstanceNorm3d)])
def test_normalization_is_the_one_asked_for(normalization, kind):
    layers = [module for module in ResidualBlock(1, 2, (3, 3, 3), 1, normalization).modules()]
    assert any(isinstance(module, kind) for module in layers)


def test_of_several_images_a_learned_sum_is_added_and_of_one_the_image_itself():
    of_one, of_two = VNetEncoder(THICK), VNetEncoder(replace(THICK, in_channels=2))
    added = [name for name, _ in of_two.named_parameters() if name not in dict(of_one.named_parameters())]
    assert added == ["image_sum.channels.weight"]
    for module in of_two.blocks[0].body:
        if isinstance(module, nn.BatchNorm3d):
            nn.init.zeros_(module.weight)
    with torch.no_grad():
        of_two.image_sum.channels.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [2, 3]]))
    images = torch.rand(1, 2, 4, 16, 24)
    first, second = images[:, :1], images[:, 1:]
    expected = torch.cat([first, second, first + second, 2 * first + 3 * second], 1)
    torch.testing.assert_close(of_two(images)[0], expected)
