"""Where Resources lies: beside the packages when installed, one level up in the source tree."""

from __future__ import annotations

from pathlib import Path

from .errors import StorageError

_PACKAGES_FOLDER = Path(__file__).resolve().parents[2]


def resource_path(name: str, packages_folder: Path = _PACKAGES_FOLDER) -> Path:
    """The path of a file or folder below Resources.

    Args:
        name: with forward slashes, for example "UI/CoraNetSlicer.ui".
        packages_folder: the folder of `coranet` and of CoraNetSlicer.py.

    Raises:
        StorageError: there is no such file; the installation is incomplete.
    """
    candidates = [packages_folder / "Resources" / name, packages_folder.parent / "Resources" / name]
    for path in candidates:
        if path.exists():
            return path
    raise StorageError(f"'{candidates[0]}' is missing; install the extension again.")
