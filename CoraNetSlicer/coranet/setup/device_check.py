"""Is there a graphics card, can this PyTorch compute on it, and is its memory free?"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from ..contract.process import without_window
from .health import Health

_LEAST_FREE_GIB = 3.0


@dataclass(frozen=True)
class NvidiaCard:
    """What the driver reports about a graphics card, whether or not PyTorch can use it."""

    name: str
    driver: str


def nvidia_card() -> NvidiaCard | None:
    """The first NVIDIA card of this machine; None: there is none, or it has no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=True,
            **without_window(),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, driver = (answer.stdout.splitlines() or [""])[0].partition(",")
    return NvidiaCard(name.strip(), driver.strip()) if driver else None


def examine_device(health: Health) -> None:
    """Look at the best device, and compute something on it. PyTorch must be there."""
    card = nvidia_card()
    if card is not None:
        health.facts.update(graphics_card=card.name, graphics_driver=card.driver)
    try:
        kind = _note_device(health)
    except Exception as error:  # noqa: BLE001 - a broken PyTorch may fail in any way
        health.error(
            "torch", "package.broken", f"PyTorch is installed but does not work ({error}).",
            "reinstall it: pip install --force-reinstall torch",
        )  # fmt: skip
        return
    if kind == "cpu":
        _examine_why_no_card(health, card)
    else:
        _examine_computing(health, kind)
        _examine_memory(health)


def _note_device(health: Health) -> str:
    from ..contract.config import MachineConfig
    from ..machine.devices import available_devices, choose_device, device_memory_gib, free_memory_bytes, torch_build

    kind = available_devices()[0]
    device = choose_device(MachineConfig())
    health.facts.update(device=device.name, device_kind=kind, torch_build=torch_build())
    memory = device_memory_gib(kind)
    if memory is not None:
        health.facts["device_gib"] = round(memory, 1)
    free = free_memory_bytes(device)
    if free is not None and kind != "cpu":
        health.facts["device_free_gib"] = round(free / 2**30, 1)
    return kind


def _examine_why_no_card(health: Health, card: NvidiaCard | None) -> None:
    build = health.facts["torch_build"]
    if card is not None and build == "cpu":
        health.warn(
            "device", "device.cpu_build",
            f"this PyTorch computes on the processor only, though there is a graphics card ({card.name}).",
            "install a PyTorch build for your graphics card.",
        )  # fmt: skip
    elif card is not None:
        health.warn(
            "device", "device.driver",
            f"this PyTorch ({build}) cannot use the graphics card {card.name} with its driver {card.driver}.",
            "update the driver, or install a PyTorch build for it.",
        )  # fmt: skip
    elif _has_unusable_apple_gpu():
        health.warn(
            "device", "device.convolution", "this PyTorch cannot compute 3D convolutions on the Apple GPU.",
            "train on the processor, or use a newer PyTorch in a Python made for Apple silicon.",
        )  # fmt: skip


def _has_unusable_apple_gpu() -> bool:
    from ..machine.devices import has_apple_gpu

    return has_apple_gpu()


def _examine_computing(health: Health, kind: str) -> None:
    from ..machine.devices import convolution_error, missing_architecture

    missing = missing_architecture() if kind == "cuda" else ""
    if missing:
        health.error(
            "device", "device.architecture",
            f"this PyTorch ({health.facts['torch_build']}) was not built for {health.facts['device']}: {missing}.",
            "install a PyTorch build for your graphics card.",
        )  # fmt: skip
        return
    reason = convolution_error(kind)
    if reason:
        health.error(
            "device", "device.convolution", f"a 3D convolution fails on {health.facts['device']} ({reason}).",
            "install a PyTorch build for your graphics card, or set the device to 'cpu'.",
        )  # fmt: skip


def _examine_memory(health: Health) -> None:
    free = health.facts.get("device_free_gib")
    if free is not None and free < _LEAST_FREE_GIB:
        health.warn(
            "device", "device.memory", f"only {free:.1f} GiB are free on {health.facts['device']}.",
            "close other programs that use the graphics card.",
        )  # fmt: skip
