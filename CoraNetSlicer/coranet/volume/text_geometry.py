"""What the text headers of NRRD and MetaImage files say of spacing: whether at all, and in which unit.

ITK takes a spacing that is not there for 1 mm and does not look at units.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from ..contract.errors import DataError
from .grid import Grid, by
from .notes import note
from .text_headers import MetaHeader, read_meta_header, read_nrrd_header

_MM_PER_UNIT = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0,
    "m": 1e3, "meter": 1e3, "meters": 1e3, "metre": 1e3, "metres": 1e3,
    "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0,
    "um": 1e-3, "\u00b5m": 1e-3, "\u03bcm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3,
    "micrometers": 1e-3, "micrometre": 1e-3, "micrometres": 1e-3,
    "nm": 1e-6, "nanometer": 1e-6, "nanometers": 1e-6, "nanometre": 1e-6, "nanometres": 1e-6,
    "in": 25.4, "inch": 25.4, "inches": 25.4,
}  # fmt: skip
_DIMENSIONS = 3
_PLACING = ("transformmatrix", "rotation", "orientation", "offset", "position", "origin")


def in_millimetres(path: Path, grid: Grid) -> Grid:
    """The grid that a text header means.

    Args:
        path: an image file of any format.
        grid: as ITK understands its header.

    Raises:
        DataError: the header of a NRRD or MetaImage file names no spacing, axes of different units, no place, or a
            scale of the intensities.
    """
    spacing, units = _described(path)
    if spacing is not None and sum(math.isfinite(length) and length != 0 for length in spacing) < _DIMENSIONS:
        raise DataError(
            f"'{path}' does not say how large its voxels are: its header has no spacing, or one that is 0 or no "
            "number; write it into the header, or export the image again."
        )
    known = {_MM_PER_UNIT[unit.strip().lower()] for unit in units if unit.strip().lower() in _MM_PER_UNIT}
    if len(known) > 1:
        raise DataError(f"'{path}' has axes of different units ({', '.join(units)}); correct its header.")
    factor = known.pop() if known else 1.0
    if factor == 1:
        return grid
    mm = [value * factor for value in (*grid.spacing_mm, *grid.origin_mm)]
    note(f"'{path}' is in {units[0]}; its voxels are {by(tuple(mm[:3]))} mm large.")
    return Grid(grid.size_ijk, (mm[0], mm[1], mm[2]), (mm[3], mm[4], mm[5]), grid.direction)


def _described(path: Path) -> tuple[list[float] | None, list[str]]:
    """Spacings and units as a header names them; (None, []) where it is another format, or has vectors instead."""
    name = path.name.lower()
    if name.endswith((".nrrd", ".nhdr")) and (nrrd := read_nrrd_header(path)):
        units = re.findall(r'"([^"]*)"', nrrd.fields.get("space units", nrrd.fields.get("units", "")))
        directions = nrrd.fields.get("space directions")
        if directions is None:
            return _numbers(nrrd.fields.get("spacings", "")), units
        # An axis without a direction has no spacing either.
        return (None if directions.count("(") >= _DIMENSIONS else []), units
    if name.endswith((".mha", ".mhd")) and (meta := read_meta_header(path)):
        placing = " ".join(meta.fields.get(name, "") for name in _PLACING)
        if not all(map(math.isfinite, _numbers(placing))):
            raise DataError(
                f"'{path}' has a matrix or an offset that is not a number; save it again with the right header."
            )
        _require_unscaled(path, meta)
        unit = meta.fields.get("distanceunits", "")
        spacing = meta.fields.get("elementspacing", meta.fields.get("elementsize", ""))
        return _numbers(spacing), [unit] if unit else []
    return None, []


def _require_unscaled(path: Path, meta: MetaHeader) -> None:
    """Look for a scale of the intensities, which ITK and Slicer pass over."""
    slope, offset = (
        _numbers(meta.fields.get(f"elementtointensityfunction{name}", usual))
        for name, usual in (("slope", "1"), ("offset", "0"))
    )
    if slope != [1.0] or offset != [0.0]:
        raise DataError(
            f"'{path}' scales its intensities (ElementToIntensityFunctionSlope and ...Offset), which ITK and Slicer "
            "pass over; apply both to its voxels, and remove them from its header."
        )


def _numbers(text: str) -> list[float]:
    numbers = []
    for word in text.split():
        try:
            numbers.append(float(word))
        except ValueError:
            numbers.append(math.nan)
    return numbers
