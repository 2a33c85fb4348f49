"""Images in and out: the only package that reads and writes them, and it looks for itself (docs/reference/inputs.md).

Arrays are indexed (k, j, i), the order of Slicer's ``arrayFromVolume``. Geometry is SimpleITK's (LPS, mm) and is
passed through: nothing here converts between LPS and RAS. An error in a file that can be corrected without a
guess is corrected and reported (`notes`); everything else is refused with a `DataError`.

Names are loaded on first use: what looks at DICOM headers (`dicom_folder`) runs in Slicer, too, where
SimpleITK is not to be loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dicom_folder import parts_of
    from .grid import Grid, Volume
    from .notes import noted_by
    from .reading import read_grid, read_image, read_label_map
    from .writing import on_grid, write_volume

__all__ = [
    "Grid",
    "Volume",
    "noted_by",
    "on_grid",
    "parts_of",
    "read_grid",
    "read_image",
    "read_label_map",
    "write_volume",
]

_FILE_OF = {
    "Grid": "grid", "Volume": "grid", "noted_by": "notes", "on_grid": "writing", "parts_of": "dicom_folder",
    "read_grid": "reading", "read_image": "reading", "read_label_map": "reading", "write_volume": "writing",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_FILE_OF[name]}", __name__), name)
