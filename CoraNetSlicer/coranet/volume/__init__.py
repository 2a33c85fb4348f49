"""Images in and out: the only package that reads and writes them, and it looks for itself (docs/reference/inputs.md).

Arrays are indexed (k, j, i), the order of Slicer's ``arrayFromVolume``. Geometry is SimpleITK's (LPS, mm) and is
passed through: nothing here converts between LPS and RAS. What a file says wrongly and what can be put right without a
guess is put right and told (`notes`); everything else is refused with a `DataError`.
"""

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
