"""A network on the device where it computes, its weights laid out as the convolutions there like them."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from ..machine.devices import Device

Network = TypeVar("Network", bound=nn.Module)


def place(network: Network, device: Device) -> Network:
    """Move a network to a device, in place.

    Weights of 3D convolutions get the device's memory format, those of 2D convolutions the one that belongs to it;
    `Module.to` accepts only one of both.

    Returns:
        The same network.
    """
    network.to(device.torch_device)
    if device.memory_format is torch.contiguous_format:
        return network
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if parameter.ndim in layouts:
            # A copy, not `contiguous`: with one input channel a plain weight already counts as channels-last, keeps its
            # plain strides, and all features after it would be plain too.
            parameter.data = torch.empty_like(parameter.data, memory_format=layouts[parameter.ndim]).copy_(parameter)
    return network
