"""What is wrong with this machine, and how to mend it. Works where torch is missing: that is one of the findings."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import __version__

_REQUIRED = {"torch": (2, 2), "monai": (1, 3), "numpy": (1, 24), "scipy": (1, 10), "SimpleITK": (2, 2)}
_LEAST_FREE_GIB = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: level "error" (nothing will work) or "warning", what, and how to mend it."""

    level: str
    topic: str
    message: str
    mend: str


@dataclass
class Health:
    """The state of a machine as far as CoraNet needs it."""

    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether training and segmentation can work."""
        return all(finding.level != "error" for finding in self.findings)

    def to_json(self) -> str:
        """For programs: is_well, facts, findings."""
        content = {"is_well": self.is_well, "facts": self.facts, "findings": [asdict(one) for one in self.findings]}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def examine() -> Health:
    """Look at interpreter, packages, device and disk."""
    health = Health()
    health.facts.update(
        coranet=__version__, python=platform.python_version(), interpreter=sys.executable, system=platform.platform()
    )
    if sys.version_info < (3, 10):
        health.findings.append(
            Finding("error", "python", f"Python {platform.python_version()} is too old, expected 3.10 or newer.",
                    "choose another interpreter for the engine.")
        )  # fmt: skip
    for name, least in _REQUIRED.items():
        _examine_package(health, name, least)
    if not any(finding.topic == "torch" for finding in health.findings):
        _examine_device(health)
    _examine_disk(health)
    return health


def report(health: Health) -> str:
    """For people."""
    lines = [f"{key:<12} {value}" for key, value in health.facts.items()]
    lines += [f"{finding.level}: {finding.message} To mend it: {finding.mend}" for finding in health.findings]
    lines.append("all is well." if not health.findings else ("usable." if health.is_well else "not usable."))
    return "\n".join(lines) + "\n"


def _examine_package(health: Health, name: str, least: tuple[int, int]) -> None:
    wanted = f"{name}>={'.'.join(map(str, least))}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        mend = f'install it: {sys.executable} -m pip install "{wanted}"'
        health.findings.append(Finding("error", name, f"the package {name} is missing.", mend))
        return
    health.facts[name] = version
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())
    if numbers < least:
        health.findings.append(
            Finding(
                "error", name, f"{name} {version} is too old, expected {wanted}.", f'upgrade it: pip install "{wanted}"'
            )
        )


def _examine_device(health: Health) -> None:
    try:
        from .config import MachineConfig
        from .devices import available_devices, choose_device, device_memory_gib

        kind = available_devices()[0]
        health.facts["device"] = choose_device(MachineConfig()).name
        memory = device_memory_gib(kind)
        if memory is not None:
            health.facts["device_gib"] = round(memory, 1)
    except (ImportError, OSError, RuntimeError) as error:
        health.findings.append(
            Finding("error", "torch", f"PyTorch is installed but does not work ({error}).", "reinstall it: pip install "
                    "--force-reinstall torch")
        )  # fmt: skip
        return
    if kind == "cpu":
        health.findings.append(
            Finding("warning", "device", "no graphics card is usable; training takes hours instead of minutes.",
                    "use the preset 'quick', or install a PyTorch build for your graphics card.")
        )  # fmt: skip


def _examine_disk(health: Health) -> None:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free / 2**30
    health.facts["disk_free_gib"] = round(free, 1)
    if free < _LEAST_FREE_GIB:
        health.findings.append(
            Finding(
                "warning", "disk", f"only {free:.1f} GiB are free in '{folder}'.", "free some space before a training."
            )
        )
