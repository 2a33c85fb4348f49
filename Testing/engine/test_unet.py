from __future__ import annotations

import pytest
import torch
from torch import nn

from coranet.networks import Architecture
from coranet.networks.unet import UNetDecoder, UNetEncoder

SLICES = Architecture(
    "unet", 2, 4, "batch", (1, 16, 24), ((1, 2, 2), (1, 2, 1)), ((1, 3, 3), (1, 3, 3), (1, 3, 1)), slice_axis=0
)  # fmt: skip


def test_the_encoder_halves_what_the_strides_say():
    features = UNetEncoder(SLICES)(torch.randn(3, 1, 16, 24))
    assert [tuple(level.shape) for level in features] == [(3, 4, 16, 24), (3, 8, 8, 12), (3, 16, 4, 12)]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_decoder_comes_back_and_uses_the_features_of_every_level(level):
    features = [feature.detach().requires_grad_(True) for feature in UNetEncoder(SLICES)(torch.randn(3, 1, 16, 24))]
    result = UNetDecoder(SLICES)(features)
    assert result.shape == (3, 4, 16, 24)
    result.square().sum().backward()
    assert features[level].grad.any()


def test_its_convolutions_are_those_of_pictures():
    kinds = {type(layer) for part in (UNetEncoder, UNetDecoder) for layer in part(SLICES).modules()}
    assert {nn.Conv2d, nn.MaxPool2d, nn.ConvTranspose2d} <= kinds
    assert not {nn.Conv3d, nn.ConvTranspose3d} & kinds


def test_two_convolutions_a_level():
    assert [sum(isinstance(layer, nn.Conv2d) for layer in block) for block in UNetEncoder(SLICES).blocks] == [2, 2, 2]
