"""What would make an installation fail after gigabytes were downloaded, found before."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ..core.translation import _
from .environment import Environment, InterpreterKind
from .windows_paths import characters_too_many, windows_allows_long_paths

# Download and unpacked files of PyTorch: the builds for NVIDIA's cards carry CUDA's libraries.
_CUDA_GIB, _PLAIN_GIB, _SMALL_GIB = 10.0, 3.0, 0.3


@dataclass(frozen=True)
class Obstacle:
    """Why nothing is installed: a code for programs, and a sentence."""

    code: str
    message: str


def obstacle(
    environment: Environment,
    facts: Mapping[str, Any],
    packages: Sequence[str],
    platform: str = sys.platform,
) -> Optional[Obstacle]:
    """The first reason not to begin an installation; None: there is none.

    Args:
        environment: where to install.
        facts: the doctor's, of this environment.
        packages: what to install.
        platform: as sys.platform.
    """
    folder = str(facts.get("packages_folder", ""))
    if facts.get("packages_writable") is False:
        text = _("Packages cannot be written to '{folder}'. Choose a private folder, or start Slicer as administrator.")
        return Obstacle("folder.read_only", text.format(folder=folder))
    if "torch" in packages:
        many = _too_long(environment, folder, platform)
        if many:
            text = _(
                "The path '{folder}' is {count} characters too long for the files of PyTorch on Windows. Choose a "
                "private folder with a short path, for example 'C:\\CoraNet', or install Slicer in a shorter one."
            )
            return Obstacle("folder.path_too_long", text.format(folder=folder, count=many))
    needed = _needed_gib(facts, packages)
    free = facts.get("packages_free_gib")
    if free is not None and free < needed:
        text = _("Only {free} GiB are free for '{folder}', about {needed} are needed. Free some space first.")
        return Obstacle("folder.no_space", text.format(free=free, folder=folder, needed=round(needed)))
    return None


def _too_long(environment: Environment, folder: str, platform: str) -> int:
    may_be_long = environment.kind is InterpreterKind.OTHER and windows_allows_long_paths()
    return characters_too_many(folder, may_be_long, environment.packages_folder is not None, platform)


def _needed_gib(facts: Mapping[str, Any], packages: Sequence[str]) -> float:
    if "torch" not in packages:
        return _SMALL_GIB
    return _CUDA_GIB if "graphics_card" in facts else _PLAIN_GIB
