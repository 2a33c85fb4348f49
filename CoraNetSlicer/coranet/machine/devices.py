"""Where to compute, and how numbers are held there. The only file that asks for graphics cards."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ..contract.config import MachineConfig
from ..contract.errors import DeviceError, is_memory_error
from .main_memory import available_bytes, peak_bytes

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Share of the time in float32 below which bfloat16 is taken on a processor.
_CLEARLY_FASTER = 0.8


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

    @property
    def memory_format(self) -> torch.memory_format:
        """The tensor layout that convolutions like best here."""
        return torch.contiguous_format if self.torch_device.type == "mps" else torch.channels_last_3d

    def autocast(self) -> AbstractContextManager[Any]:
        """Run the network in `dtype` inside this context."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.dtype)

    def grad_scaler(self) -> torch.amp.GradScaler:
        """Keeps small gradients from vanishing in float16; does nothing in the other formats."""
        kind, enabled = self.torch_device.type, self.dtype is torch.float16
        # torch 2.2 has the class for CUDA alone; switched off it is the same everywhere.
        scaler = getattr(torch.amp, "GradScaler", None)
        return scaler(kind, enabled=enabled) if scaler else torch.cuda.amp.GradScaler(enabled=enabled)

    def optimizer_options(self) -> dict[str, Any]:
        """Arguments with which AdamW is fastest here: fused into one kernel where torch can."""
        return {"fused": True} if _has_fused_adamw(self.torch_device) else {}

    def empty_cache(self) -> None:
        """Give memory back that torch holds in reserve, after it ran out."""
        if self.torch_device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.torch_device.type == "mps":
            torch.mps.empty_cache()


def available_devices() -> list[str]:
    """Names of the usable devices, best first."""
    names = []
    if torch.cuda.is_available():
        names.append("cuda")
    if has_apple_gpu() and "conv3d" not in convolution_error("mps").lower():
        # PyTorch before 2.3 has no 3D convolution there: the processor is all that is left.
        names.append("mps")
    return [*names, "cpu"]


def has_apple_gpu() -> bool:
    """Whether this PyTorch sees an Apple GPU; it may still lack what the network needs."""
    return bool(torch.backends.mps.is_available())


def torch_build() -> str:
    """What this PyTorch was built for: "cpu", "CUDA 12.8", "ROCm 6.2"."""
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return f"ROCm {torch.version.hip}" if getattr(torch.version, "hip", None) else "cpu"


@cache
def convolution_error(kind: str) -> str:
    """Why a small 3D convolution and its gradient cannot be computed on a device; "": they can."""
    try:
        layer = torch.nn.Conv3d(1, 2, 3, padding=1).to(kind)
        layer(torch.ones(1, 1, 6, 6, 6, device=kind)).sum().backward()
        gradient = layer.weight.grad
        return "" if gradient is not None and bool(torch.isfinite(gradient).all()) else "its result is not a number"
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]


def missing_architecture() -> str:
    """Why the kernels of this PyTorch do not run on the CUDA card; "": they do, or it is unknown."""
    built_for = torch.cuda.get_arch_list()
    major, minor = torch.cuda.get_device_capability(0)
    if not built_for or torch.version.cuda is None or runs_on(built_for, major, minor):
        return ""
    return f"the card needs sm_{major}{minor}, it has {', '.join(built_for)}"


def runs_on(built_for: Sequence[str], major: int, minor: int) -> bool:
    """Whether a build for some architectures runs on a card of a compute capability.

    Args:
        built_for: such as "sm_86" (machine code, runs within its major version) or "compute_90" (compiled on the card).
        major: of the card's compute capability.
        minor: of the card's compute capability.
    """
    for name in built_for:
        kind, _, digits = name.partition("_")
        number = re.match(r"\d+", digits)
        if number is None:
            continue
        own = divmod(int(number.group()), 10)
        if (kind == "sm" and own[0] == major and own[1] <= minor) or (kind == "compute" and own <= (major, minor)):
            return True
    return False


def device_count(kind: str) -> int:
    """How many devices of a kind ("cuda", "mps", "cpu") there are for one process each."""
    return torch.cuda.device_count() if kind == "cuda" else 1


def choose_device(config: MachineConfig, local_rank: int = 0, local_processes: int = 1) -> Device:
    """The device of a configuration; also sets the number of processor threads.

    Args:
        config: kind of device, precision, threads (of each process).
        local_rank: number of this process among those of the machine; it takes the graphics card of that number.
        local_processes: processes that share the machine and, unless threads are given, its processors.

    Raises:
        DeviceError: the device is not there, or cannot compute in the precision asked for.
    """
    torch.set_num_threads(config.threads or max(1, _processors() // local_processes))
    available = available_devices()
    kind = available[0] if config.device == "auto" else config.device
    if kind not in available:
        raise DeviceError(
            f"the device '{kind}' is not available, found {', '.join(available)}; "
            "choose 'auto', or install a PyTorch build for your graphics card."
        )
    if kind == "cuda" and local_rank >= device_count(kind):
        raise DeviceError(
            f"process {local_rank + 1} of this machine has no graphics card of its own, found {device_count(kind)}; "
            "start at most as many processes."
        )
    place = torch.device(kind, local_rank) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(place)
    return Device(place, _dtype(kind, config.precision), _name(place))


def device_memory_gib(kind: str) -> float | None:
    """Total memory of a graphics card in GiB; None where it cannot be asked."""
    if kind != "cuda":
        return None
    return float(torch.cuda.get_device_properties(0).total_memory) / 2**30


def free_memory_bytes(device: Device) -> int | None:
    """Memory that tensors can still take on a device; None: unknown."""
    place = device.torch_device
    if place.type == "cuda":
        # What torch holds in reserve without using it is free as well.
        unused = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return int(torch.cuda.mem_get_info(place)[0] + unused)
    if place.type == "mps":
        # Not available in torch before 2.5.
        most = getattr(torch.mps, "recommended_max_memory", None)
        return int(most() - torch.mps.driver_allocated_memory()) if most else available_bytes()
    return available_bytes()


def used_memory(device: Device) -> str:
    """The most memory that the work of this process took so far, in a sentence; "" where it cannot be asked."""
    place = device.torch_device
    if place.type == "cuda":
        used, kind = int(torch.cuda.max_memory_reserved(place)), "of the graphics card's memory"
    elif place.type == "mps":
        used, kind = int(torch.mps.driver_allocated_memory()), "of memory"
    else:
        used, kind = peak_bytes() or 0, "of main memory"
    return f"at most {used / 2**30:.1f} GiB {kind} were used." if used else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or is_memory_error(error)


def processor_computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX512_BF16, AMX); without, it is slower than float32."""
    answers = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    if all(answers):
        return any(bool(answer()) for answer in answers if answer)
    try:
        # Not available in torch before 2.6.
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})


@cache
def is_bfloat16_faster() -> bool:
    """Whether this processor convolves clearly faster in bfloat16 than in float32, forward and backward; measured once.

    That it multiplies bfloat16 is not enough: of two processors with AVX512_BF16 one gained, the other took 1.5 times
    as long.
    """
    seconds = {dtype: min(_convolution_seconds(dtype) for _ in range(5)) for dtype in (torch.float32, torch.bfloat16)}
    # Near to each other the better format is the more exact one, on each start of a job.
    return seconds[torch.bfloat16] < _CLEARLY_FASTER * seconds[torch.float32]


def _convolution_seconds(dtype: torch.dtype) -> float:
    """Time of this thread, which other programs hardly change, for a convolution as in the middle of a network."""
    image = torch.ones(2, 16, 16, 24, 24, dtype=dtype).to(memory_format=torch.channels_last_3d).requires_grad_()
    kernel = torch.ones(16, 16, 3, 3, 3, dtype=dtype).to(memory_format=torch.channels_last_3d).requires_grad_()
    start = time.thread_time()
    result = torch.nn.functional.conv3d(image, kernel, padding=1)
    result.backward(torch.ones_like(result))
    return time.thread_time() - start


def _dtype(kind: str, precision: str) -> torch.dtype:
    if precision == "float16" and kind != "cuda":
        raise DeviceError(f"the precision 'float16' needs a CUDA graphics card, the device is '{kind}'; choose 'auto'.")
    if precision != "auto":
        return _DTYPES[precision]
    if kind == "cuda":
        return torch.bfloat16 if _cuda_computes_bfloat16() else torch.float16
    gains = kind == "cpu" and processor_computes_bfloat16() and is_bfloat16_faster()
    return torch.bfloat16 if gains else torch.float32


def _cuda_computes_bfloat16() -> bool:
    try:
        # Emulated it is slower than float16.
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:
        # torch before 2.5 does not count emulation.
        return bool(torch.cuda.is_bf16_supported())


def _name(place: torch.device) -> str:
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    count = torch.get_num_threads()
    return {"mps": "Apple GPU", "cpu": f"CPU ({count} {'thread' if count == 1 else 'threads'})"}[place.type]


def _processors() -> int:
    """Processors that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _has_fused_adamw(place: torch.device) -> bool:
    parameter = torch.nn.Parameter(torch.zeros(2, device=place))
    parameter.grad = torch.ones_like(parameter)
    try:
        torch.optim.AdamW([parameter], fused=True).step()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return False
    return True
