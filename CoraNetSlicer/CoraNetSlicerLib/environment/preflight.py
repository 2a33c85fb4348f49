"""What would make an installation fail after gigabytes were downloaded, found before."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..core.translation import _

# Download and unpacked files of PyTorch: the builds for NVIDIA's cards carry CUDA's libraries.
_CUDA_GIB, _PLAIN_GIB, _SMALL_GIB = 10.0, 3.0, 0.3
# MAX_PATH of Windows without the zero at its end.
_LONGEST_PATH = 259
# PyTorch 2.13 has a license text 173 characters below the folder of packages; later ones may go deeper.
_DEEPEST_FILE = 180


@dataclass(frozen=True)
class Obstacle:
    """Why nothing is installed: a code for programs, and a sentence."""

    code: str
    message: str


def needed_gib(with_torch: bool = True) -> float:
    """How much room an installation needs on this computer, in GiB."""
    if not with_torch:
        return _SMALL_GIB
    return _CUDA_GIB if shutil.which("nvidia-smi") else _PLAIN_GIB


def obstacle(packages_folder: Path, with_torch: bool, platform: str = sys.platform) -> Optional[Obstacle]:
    """The first reason not to begin an installation; None: there is none.

    Args:
        packages_folder: where the packages will be; need not be there yet.
        with_torch: PyTorch is among them.
        platform: as sys.platform.
    """
    existing = next((one for one in (packages_folder, *packages_folder.parents) if one.is_dir()), None)
    if existing is None or not _is_writable(existing):
        text = _("'{folder}' cannot be written. Choose an environment of its own in a folder of yours.")
        return Obstacle("folder.read_only", text.format(folder=packages_folder))
    too_many = characters_too_many(str(packages_folder), platform) if with_torch else 0
    if too_many:
        text = _(
            "The path '{folder}' is {count} characters too long for the files of PyTorch on Windows. Choose an "
            "environment folder with a short path, for example 'C:\\CoraNet'."
        )
        return Obstacle("folder.path_too_long", text.format(folder=packages_folder, count=too_many))
    free, needed = shutil.disk_usage(existing).free / 2**30, needed_gib(with_torch)
    if free < needed:
        text = _("Only {free} GiB are free for '{folder}', about {needed} are needed. Free some space first.")
        return Obstacle(
            "folder.no_space", text.format(free=round(free, 1), folder=packages_folder, needed=round(needed, 1))
        )
    return None


def characters_too_many(packages_folder: str, platform: str = sys.platform) -> int:
    """By how many characters the files of PyTorch would be too deep below a folder of packages; 0: they fit."""
    if platform != "win32" or _windows_allows_long_paths():
        return 0
    return max(0, len(packages_folder) + 1 + _DEEPEST_FILE - _LONGEST_PATH)


def _windows_allows_long_paths() -> bool:
    """Whether the switch of Windows is on; the Pythons of python.org and of uv heed it."""
    try:
        import winreg
    except ImportError:  # not on Windows
        return False
    try:
        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False


def _is_writable(folder: Path) -> bool:
    try:
        # os.access says yes to folders of Windows in which nobody but an administrator may write.
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
