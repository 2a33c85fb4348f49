"""Where Resources lies: beside the module when installed, one level up in the source tree."""

from __future__ import annotations

from pathlib import Path

from coranet.contract.errors import StorageError

_MODULE_FOLDER = Path(__file__).resolve().parents[2]


def resource_path(name: str, module_folder: Path = _MODULE_FOLDER) -> Path:
    """The path of a file below Resources.

    Args:
        name: with forward slashes, for example "UI/CoraNetSlicer.ui".
        module_folder: the folder of CoraNetSlicer.py.

    Raises:
        StorageError: there is no such file; the installation is incomplete.
    """
    candidates = [module_folder / "Resources" / name, module_folder.parent / "Resources" / name]
    for path in candidates:
        if path.exists():
            return path
    raise StorageError(f"'{candidates[0]}' is missing; install the extension again.")
