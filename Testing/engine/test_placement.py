from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from coranet.machine.devices import Device
from coranet.networks import Architecture, CoraNet, place

VOLUMES = Architecture("vnet", 2, 4, "batch", (8, 12, 16), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3)))
SLICES = Architecture("unet", 2, 4, "batch", (1, 12, 16), ((1, 2, 2),), ((1, 3, 3), (1, 3, 3)), slice_axis=0)
CPU = Device(torch.device("cpu"), torch.float32, "CPU")


class ContiguousDevice(Device):
    """A device that likes the plain layout, as Apple's GPU does."""

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.contiguous_format


@pytest.mark.parametrize(
    ("architecture", "layout"),
    [
        (VOLUMES, torch.channels_last_3d),
        (replace(VOLUMES, backbone="resnet18"), torch.channels_last_3d),
        (replace(VOLUMES, decoders="branches"), torch.channels_last_3d),
        (SLICES, torch.channels_last),
    ],
    ids=["vnet", "resnet18", "branches", "unet"],
)
def test_weights_and_features_have_the_layout_of_their_convolutions(architecture, layout):
    network = place(CoraNet(architecture), CPU)
    weights = [parameter for parameter in network.parameters() if parameter.ndim >= 4]
    assert weights and all(weight.is_contiguous(memory_format=layout) for weight in weights)
    features: list[torch.Tensor] = []
    for module in network.modules():
        is_product = isinstance(module, nn.Linear)  # its channels are the last axis
        if not list(module.children()) and not is_product:
            module.register_forward_hook(lambda _module, _inputs, output: features.append(output))
    network(torch.randn(2, 1, *architecture.patch_size_kji))
    tensors = [feature for feature in features if isinstance(feature, torch.Tensor)]
    plain = [tensor.shape for tensor in tensors if not tensor.is_contiguous(memory_format=layout)]
    assert len(features) > 20 and not plain


@pytest.mark.parametrize("backbone", [VOLUMES, SLICES, replace(VOLUMES, backbone="resnet18")], ids=lambda a: a.backbone)
def test_the_layout_changes_no_result(backbone):
    torch.manual_seed(0)
    network = CoraNet(backbone).eval()
    image = torch.randn(2, 1, *backbone.patch_size_kji)
    placed = place(copy.deepcopy(network), CPU)
    for before, after in zip(network(image), placed(image), strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_it_is_the_same_network_and_its_copy_keeps_the_layout():
    network = CoraNet(VOLUMES)
    assert place(network, CPU) is network
    weight = copy.deepcopy(network).encoder.downs[0][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last_3d) and weight.requires_grad


def test_a_device_that_likes_the_plain_layout_gets_it():
    network = place(CoraNet(VOLUMES), ContiguousDevice(torch.device("cpu"), torch.float32, "Apple GPU"))
    assert all(parameter.is_contiguous() for parameter in network.parameters())
