from __future__ import annotations

import pytest
import torch
from torch import nn

from coranet.networks import Architecture, FeatureDropout
from coranet.networks.blocks import (
    Projection,
    VolumeConvolution,
    convolution,
    convolution_block,
    downsampling,
    extent,
    level_filters,
    upsampling,
)

SLICES = Architecture("unet", 2, 4, "batch", (24, 1, 16), ((2, 1, 2),), ((3, 1, 3), (3, 1, 3)), slice_axis=1)


def test_dropout_leaves_out_whole_channels_and_keeps_the_mean():
    torch.manual_seed(0)
    dropped = FeatureDropout(0.25)(torch.ones(50, 40, 3, 4))
    each = dropped.flatten(2)
    assert torch.equal(each.amin(2), each.amax(2))
    assert each.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert (each[..., 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("shape", [(2, 8, 3, 4), (2, 8, 3, 4, 5)], ids=["2D", "3D"])
def test_dropout_does_nothing_while_evaluating_or_with_a_share_of_zero(shape):
    x = torch.randn(shape)
    assert torch.equal(FeatureDropout(0.5).eval()(x), x)
    assert torch.equal(FeatureDropout(0.0).train()(x), x)


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        ((3, 3), None, (2, 5, 8, 12)),
        ((1, 3, 3), None, (2, 5, 6, 8, 12)),
        ((1, 3, 3), (1, 2, 2), (2, 5, 6, 4, 6)),
        ((3, 3, 3), (2, 1, 2), (2, 5, 3, 8, 6)),
        ((1, 1), (2, 2), (2, 5, 4, 6)),
    ],
)
def test_a_convolution_keeps_the_size_or_divides_it(kernel, stride, expected):
    image = torch.randn(2, 4, 8, 12) if len(kernel) == 2 else torch.randn(2, 4, 6, 8, 12)
    assert convolution(4, 5, kernel, stride)(image).shape == expected


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [(2, 1, 2), (1, 1, 1), (1, 2)], ids=str)
def test_a_projection_is_a_convolution_of_one_voxel(stride, bias):
    projection = Projection(4, 6, stride, bias)
    image = torch.randn(2, 4, 4, 6, 8) if len(stride) == 3 else torch.randn(2, 4, 6, 8)
    weight = projection.channels.weight.reshape(6, 4, *(1 for _ in stride))
    convolve = nn.functional.conv3d if len(stride) == 3 else nn.functional.conv2d
    torch.testing.assert_close(projection(image), convolve(image, weight, projection.channels.bias, stride))


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (2, 1, 2)], ids=str)
def test_up_is_the_inverse_size_of_down(stride):
    image = torch.randn(2, 4, 6, 8, 12)[:, :, : None if len(stride) == 3 else 1].squeeze(2)
    down = downsampling(4, 8, stride, "batch")(image)
    assert down.shape[2:] == tuple(size // step for size, step in zip(image.shape[2:], stride, strict=True))
    assert upsampling(8, 4, stride, "batch")(down).shape == image.shape


@pytest.mark.parametrize(
    ("kernel", "normalization", "kinds"),
    [
        ((3, 3), "batch", (nn.Conv2d, nn.BatchNorm2d)),
        ((3, 3), "instance", (nn.Conv2d, nn.InstanceNorm2d)),
        ((3, 3, 3), "batch", (VolumeConvolution, nn.BatchNorm3d)),
        ((3, 3, 3), "instance", (VolumeConvolution, nn.InstanceNorm3d)),
    ],
)
def test_layers_are_those_asked_for(kernel, normalization, kinds):
    block = convolution_block(1, 4, kernel, 2, normalization)
    assert [type(layer) for layer in block] == [*kinds, nn.LeakyReLU] * 2
    assert block[1].weight is not None and block[0].bias is None


def test_the_axis_that_slices_lie_along_is_left_out():
    assert extent(SLICES, (3, 1, 2)) == (3, 2)
    assert level_filters(SLICES) == [4, 8]


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_gradients_in_half_precision_are_near_those_in_float32_at_every_depth(depth):
    torch.manual_seed(0)
    layer = convolution(4, 8, (3, 3, 3))
    x = torch.randn(2, 4, depth, 6, 5)
    gradients = []
    for enabled in (False, True):
        layer.zero_grad()
        # What lies in freed memory must not come into the gradient.
        junk = [torch.full((4096,), float("nan")) for _ in range(64)]
        del junk
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            result = layer(x)
        assert result.dtype is (torch.bfloat16 if enabled and depth != 2 else torch.float32)
        result.float().square().sum().backward()
        gradients.append(layer.weight.grad.clone())
    exact, half = gradients
    assert (half - exact).norm() < 0.02 * exact.norm()
