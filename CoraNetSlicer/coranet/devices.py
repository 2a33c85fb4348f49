"""Where to compute. The only file that asks for graphics cards."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from .config import MachineConfig
from .errors import DeviceError


@dataclass(frozen=True)
class Device:
    """A place to compute and the number format used there.

    Attributes:
        torch_device: where tensors live.
        dtype: number format of the network's arithmetic; weights stay float32.
        name: what a person calls it.
    """

    torch_device: torch.device
    dtype: torch.dtype
    name: str

    def autocast(self) -> AbstractContextManager[Any]:
        """Run the network in `dtype` inside this context."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.dtype)

    @property
    def memory_format(self) -> torch.memory_format:
        """The tensor layout that convolutions like best here."""
        return torch.contiguous_format if self.torch_device.type == "mps" else torch.channels_last_3d


def available_devices() -> list[str]:
    """Names of the usable devices, best first."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(config: MachineConfig) -> Device:
    """The device that a configuration asks for; also sets the number of processor threads.

    Raises:
        DeviceError: the device is not there.
    """
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    available = available_devices()
    kind = available[0] if config.device == "auto" else config.device
    if kind not in available:
        raise DeviceError(
            f"the device '{kind}' is not available, found {', '.join(available)}; "
            "choose 'auto', or install a PyTorch build for your graphics card."
        )
    return Device(torch.device(kind), _dtype(kind, config.precision), _name(kind))


def device_memory_gib(kind: str) -> float | None:
    """Total memory of a graphics card in GiB; None where it cannot be asked."""
    if kind != "cuda":
        return None
    return float(torch.cuda.get_device_properties(0).total_memory) / 2**30


def _dtype(kind: str, precision: str) -> torch.dtype:
    if precision == "auto":
        # On processors bfloat16 is fast only where the chip has it, and there is no portable way to ask.
        precision = "bfloat16" if kind == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _name(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name(0)
    return {"mps": "Apple GPU", "cpu": f"CPU ({torch.get_num_threads()} threads)"}[kind]
