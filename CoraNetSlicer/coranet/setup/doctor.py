"""What is wrong with this machine, and how to fix it. Works where torch is missing: that is one of the findings.

This file, health.py and package_check.py also run in a Python that is too old for everything else, to say so.
"""

from __future__ import annotations

import platform
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from .. import __version__
from .health import Finding, Health
from .package_check import examine_packages

__all__ = ["Finding", "Health", "examine", "report"]

_LEAST_PYTHON = (3, 10)
_LEAST_FREE_GIB = 5.0


def examine() -> Health:
    """Check interpreter, packages, device and disk."""
    health = Health()
    health.facts.update(
        coranet=__version__, python=platform.python_version(), interpreter=sys.executable, system=platform.platform()
    )
    # Programs that install look at this folder before they download.
    health.facts["packages_folder"] = sysconfig.get_path("purelib")
    _examine_python(health)
    if health.is_well:
        examine_packages(health)
    if not (health.has_error("python") or health.has_error("torch")):
        from .device_check import examine_device

        examine_device(health)
    _examine_disk(health)
    return health


def report(health: Health) -> str:
    """For people."""
    width = max([12, *map(len, health.facts)])
    lines = [f"{key:<{width}} {value}" for key, value in health.facts.items()]
    lines += [f"{finding.level}: {finding.message} To fix it: {finding.fix}" for finding in health.findings]
    lines.append("all is well." if not health.findings else ("usable." if health.is_well else "not usable."))
    return "\n".join(lines) + "\n"


def main_of_an_old_python(args: list[str]) -> int:
    """What the program does in a Python that is too old for it: the doctor alone works.

    Args:
        args: those of the command line.

    Returns:
        Exit code.
    """
    health = examine()
    if args[:1] == ["doctor"]:
        sys.stdout.write(health.to_json() if "--json" in args else report(health))
        return 1
    sys.stderr.write(f"error: {health.findings[0].message} Please {health.findings[0].fix}\n")
    return 8


def _examine_python(health: Health) -> None:
    if sys.version_info < _LEAST_PYTHON:
        health.error(
            "python", "python.too_old", f"Python {platform.python_version()} is too old, expected 3.10 or newer.",
            "choose another interpreter for the engine.",
        )  # fmt: skip


def _examine_disk(health: Health) -> None:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free / 2**30
    health.facts["disk_free_gib"] = round(free, 1)
    if free < _LEAST_FREE_GIB:
        health.warn(
            "disk", "disk.low", f"only {free:.1f} GiB are free in '{folder}'.", "free some space before a training."
        )
