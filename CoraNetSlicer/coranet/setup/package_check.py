"""Are the packages there, new enough, whole, and do they work together?"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from typing import Optional

from .health import Health

REQUIRED = {"torch": (2, 2), "monai": (1, 3), "numpy": (1, 24), "scipy": (1, 10), "SimpleITK": (2, 2)}
_NAMES = {"torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy"}


def requirement(name: str) -> str:
    """What pip should install, for example "monai>=1.3"."""
    return f"{name}>={'.'.join(map(str, REQUIRED[name]))}"


def examine_packages(health: Health) -> None:
    """Look at each package that the engine needs; what is there is loaded."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        # What a package has to say while it is loaded is not the doctor's answer.
        warnings.simplefilter("ignore")
        for name in REQUIRED:
            _examine(health, name)
        if not (health.has_error("torch") or health.has_error("numpy")):
            _examine_exchange(health)


def installed_version(name: str) -> Optional[str]:
    """The version of a package; None: it is not there; "": it is, but what describes it is damaged."""
    try:
        return _version_of(importlib.metadata.distribution(name))
    except importlib.metadata.PackageNotFoundError:
        return "" if _leftover(name) else None


def release_numbers(version: str) -> tuple[int, ...]:
    """The numbers of a release: (1, 5) of "1.5rc1", (2, 2, 0) of "1!2.2.0a0+cu121"; () where there is none."""
    release = re.match(r"\s*v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in release[1].split(".")) if release else ()


def is_older(version: str, than: tuple[int, ...]) -> bool:
    """Whether a version is older than a release; one before a release ("1.5rc1") counts as the release.

    An uninformative version, as of a package that was built from its source tree without tags ("0+unknown"), is
    not called old.
    """
    numbers = release_numbers(version)
    is_unknown = not numbers or (numbers == (0,) and "+" in version)
    return not is_unknown and numbers[: len(than)] < than


def _version_of(distribution: importlib.metadata.Distribution) -> str:
    try:
        version: Optional[str] = distribution.version
    except Exception:  # noqa: BLE001 - what is damaged may fail in any way; it differs between versions of Python
        version = None
    return version or ""


def _leftover(name: str) -> bool:
    """Whether a folder without a package in it is all that is there: what an interrupted installation leaves."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is None


def _examine(health: Health, name: str) -> None:
    title, version = _NAMES.get(name, name), installed_version(name)
    if version is None:
        fix = f'install it: {sys.executable} -m pip install "{requirement(name)}"'
        health.error(name, "package.missing", f"the package {name} is missing.", fix)
        return
    if not version:
        _note_broken(health, name, f"{title} is only partly installed: its metadata is missing.")
        return
    health.facts[name] = version
    if is_older(version, REQUIRED[name]):
        needed = requirement(name)
        health.error(
            name, "package.too_old", f"{name} {version} is too old, expected {needed}.",
            f'upgrade it: pip install "{needed}"',
        )  # fmt: skip
        return
    reason = _reason_not_loadable(name)
    if reason:
        _note_broken(health, name, f"{title} is installed but does not work ({reason}).")
    elif importlib.metadata.distribution(name).files is None and name in ("torch", "monai"):
        health.warn(
            name, "package.unlisted", f"{title} works, but the list of its files is missing, so pip cannot replace it.",
            f"install it anew: pip install --force-reinstall --no-deps {name}",
        )  # fmt: skip


def _reason_not_loadable(name: str) -> str:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken package may fail in any way
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__
    # A folder that lost its files is still a module, an empty one.
    return "" if getattr(module, "__file__", None) else "its files are missing"


def _note_broken(health: Health, name: str, message: str) -> None:
    health.error(name, "package.broken", message, f"reinstall it: pip install --force-reinstall {name}")


def _examine_exchange(health: Health) -> None:
    """Old builds of PyTorch were made for NumPy 1 and cannot hand arrays to NumPy 2."""
    import torch

    try:
        torch.zeros(1).numpy()
    except Exception as error:  # noqa: BLE001 - as above
        health.error(
            "numpy", "package.clash",
            f"PyTorch {torch.__version__} cannot work with NumPy {health.facts['numpy']} ({error}).",
            'install a NumPy that it was built for: pip install "numpy<2", best in an environment of its own.',
        )  # fmt: skip
