"""Size and place of voxels in the header of a NIfTI file, and whether its parts agree.

A header names the spacing twice (``pixdim`` and ``sform``) and the place twice (``qform`` and ``sform``). ITK takes the
spacing from ``pixdim`` regardless of ``sform``, and 1 mm where ``pixdim`` is 0 or no number, without a warning.
Source: nifti1.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import DataError
from .grid import SPACING_TOLERANCE, Grid, by
from .notes import note

# Bits 0 to 2 of xyzt_units.
_METRES, _MICRONS = 1, 3
_MM_PER_UNIT = {_METRES: 1e3, _MICRONS: 1e-3}
_UNIT_NAMES = {_METRES: "metres", _MICRONS: "micrometres"}
# Voxels of a scan larger than this are no voxels: the unit is wrong.
_LARGEST_SPACING_MM = 100.0
_SCANNER = 1
# Types of voxels that may be no numbers.
_FRACTIONS = {16: "f4", 64: "f8"}
# Where voxels begin at the earliest in a file of one piece.
FIRST_VOXEL = 352
_ORTHOGONAL = 1e-3

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that decide on geometry and length.

    Attributes:
        sizes: of each dimension.
        pixdim: spacing along the first three of them, as written.
        fractions: type of voxels with fractions, as NumPy writes it; "": they are whole numbers, or others.
        bits: of a voxel.
        offset: of the first voxel, bytes.
        slope, intercept: scl_slope and scl_inter.
        unit: 1 metres, 2 millimetres, 3 micrometres, 0 unknown.
        qform_code, sform_code: what the two places mean; 0: there is none.
        quaternion: b, c, d and the offsets x, y, z of the qform.
        qfac: pixdim[0], -1 for a left-handed qform.
        sform: (3, 4).
    """

    sizes: tuple[int, ...]
    pixdim: tuple[float, ...]
    fractions: str
    bits: int
    offset: int
    slope: float
    intercept: float
    unit: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    qfac: float
    sform: Array

    @property
    def bytes_needed(self) -> int:
        """Length of a file with these voxels, uncompressed."""
        return max(self.offset, FIRST_VOXEL) + math.prod(max(size, 1) for size in self.sizes) * self.bits // 8


def is_nifti(path: Path) -> bool:
    """Whether the name of a file is that of a NIfTI file in one piece."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti_header(path: Path) -> NiftiHeader | None:
    """The header of a file, compressed or not; None if it has none.

    Raises:
        DataError: it is of the second version.
    """
    try:
        with open(path, "rb") as raw:
            is_compressed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_compressed else open(path, "rb") as file:
            content = file.read(540)
    except (EOFError, OSError, zlib.error):
        return None
    for order in "<>":
        if len(content) >= 348 and struct.unpack_from(f"{order}i", content)[0] == 348:
            return _fields(content, order)
        if len(content) >= 540 and struct.unpack_from(f"{order}i", content)[0] == 540:
            raise DataError(
                f"'{path}' is a NIfTI-2 file, which ITK and Slicer do not read; save it as NIfTI-1 or NRRD."
            )
    return None


def _fields(content: bytes, order: str) -> NiftiHeader:
    def field(form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, content, at)

    dim, pixdim = field("8h", 40), field("8f", 76)
    return NiftiHeader(
        sizes=dim[1 : 1 + min(7, max(0, dim[0]))],
        pixdim=pixdim[1:4],
        fractions=f"{order}{_FRACTIONS[kind]}" if (kind := field("h", 70)[0]) in _FRACTIONS else "",
        bits=field("h", 72)[0],
        offset=_whole(field("f", 108)[0]),
        slope=field("f", 112)[0],
        intercept=field("f", 116)[0],
        unit=field("B", 123)[0] & 7,
        qform_code=field("h", 252)[0],
        sform_code=field("h", 254)[0],
        quaternion=field("6f", 256),
        qfac=pixdim[0],
        sform=np.reshape(field("12f", 280), (3, 4)),
    )


def _whole(offset: float) -> int:
    return int(offset) if math.isfinite(offset) else 0


def nifti_grid(path: Path, header: NiftiHeader, grid: Grid) -> Grid:
    """The grid that a header means.

    Args:
        path: the file, for messages.
        header: of the file; checked by `require_one_meaning`.
        grid: as ITK understands the header.
    """
    if not _sform_counts(header):
        return grid
    written = np.array(header.pixdim)
    if np.all(np.isfinite(written) & (written > 0)):
        return grid
    unit = _MM_PER_UNIT.get(header.unit, 1.0)
    lengths = np.linalg.norm(header.sform[:, :3], axis=0) * unit
    spacing = tuple(float(length) for length in lengths)
    note(f"'{path}' has a spacing of {by(header.pixdim)} in its header (pixdim); {by(spacing)} mm of its sform count.")
    # A spacing below 0 turns an axis round in an image of ITK's, and not yet where a header alone was read.
    signs = np.where((written < 0) & (np.array(grid.spacing_mm) > 0), -1.0, 1.0)
    direction = np.reshape(grid.direction, (3, 3)) * signs
    return Grid(grid.size_ijk, spacing, grid.origin_mm, tuple(direction.ravel().tolist()))  # type: ignore[arg-type]


def require_one_meaning(path: Path, header: NiftiHeader) -> None:
    """Look whether the parts of a header agree, before ITK chooses one of them.

    Raises:
        DataError: the spacing is unknown or named twice differently, the place is no number or mirrored in one of its
            two forms, or intensities have an intercept without a slope.
    """
    if _sform_is_used(header) and not _is_upright(header.sform):
        raise DataError(
            f"'{path}' has a sheared grid (sform), its axes are not at right angles; resample it onto an upright grid."
        )
    _require_spacing(path, header)
    _require_place(path, header)
    unit = header.unit
    if unit in _MM_PER_UNIT:
        spacing = tuple(_MM_PER_UNIT[unit] * abs(value) for value in header.pixdim)
        if max(spacing) > _LARGEST_SPACING_MM:
            raise DataError(
                f"'{path}' gives its unit as {_UNIT_NAMES[unit]}; then its voxels are {by(spacing)} mm large; "
                "correct the unit (xyzt_units) in its header."
            )
        note(f"'{path}' is in {_UNIT_NAMES[unit]}; its voxels are {by(spacing)} mm large.")
    is_scaled = math.isfinite(header.slope) and header.slope != 0
    if (not is_scaled and header.intercept and math.isfinite(header.intercept)) or (
        is_scaled and not math.isfinite(header.intercept)
    ):
        raise DataError(
            f"'{path}' scales intensities by {header.slope:g} and adds {header.intercept:g} (scl_slope, scl_inter), "
            "which programs interpret differently; set the slope to 1 and the intercept to 0, or to the true values."
        )


def _require_spacing(path: Path, header: NiftiHeader) -> None:
    written = np.array(header.pixdim)
    is_good = np.isfinite(written) & (written > 0)
    if not is_good.all() and not _sform_counts(header):
        raise DataError(
            f"'{path}' has a spacing of {by(header.pixdim)} in its header (pixdim), expected numbers above 0; correct "
            "it, or export the image again."
        )
    if not _sform_is_used(header):
        return
    lengths = np.linalg.norm(header.sform[:, :3], axis=0)
    is_named = np.isfinite(written) & (written != 0)
    if not np.allclose(np.abs(written[is_named]), lengths[is_named], rtol=SPACING_TOLERANCE, atol=0):
        raise DataError(
            f"'{path}' names two spacings: {by(header.pixdim)} (pixdim) and {by(tuple(lengths))} (sform) in its "
            "header; find out which one is true and correct the other, or export the image again."
        )


def _require_place(path: Path, header: NiftiHeader) -> None:
    if header.sform_code > 0 and not _is_matrix(header.sform):
        if not _qform_is_good(header):
            raise DataError(
                f"'{path}' does not say where it lies: its sform has a column of zeros or of no numbers; correct its "
                "header, or export the image again."
            )
        if not np.isfinite(header.sform).all():
            raise DataError(f"'{path}' has an sform that is not a matrix of numbers; set its sform_code to 0.")
        note(f"'{path}' has an sform of zeros; its qform counts.")
    if header.qform_code > 0 and not _qform_is_good(header) and not _sform_counts(header):
        raise DataError(f"'{path}' has a qform that is not a rotation; correct its header, or export the image again.")
    if header.qform_code <= 0 and header.sform_code <= 0:
        note(
            f"'{path}' does not give its orientation in the patient (qform_code and sform_code are 0); it is taken "
            "to lie as Slicer shows it."
        )
    if header.qform_code > 0 and _sform_counts(header) and _qform_is_good(header):
        _compare(path, header)


def _compare(path: Path, header: NiftiHeader) -> None:
    """Look at both places where a header has two."""
    matrix = header.sform[:, :3]
    is_mirrored = np.linalg.det(matrix) < 0
    if is_mirrored != (header.qfac < 0):
        raise DataError(
            f"'{path}' is mirrored in one of its two positions (qform, sform) but not in the other, so left and right "
            "are unclear; correct its header, or export the image again."
        )
    if not _sform_is_used(header):
        return
    rotation = _rotation(header.quaternion[:3]) * [1, 1, -1 if header.qfac < 0 else 1]
    axes = matrix / np.linalg.norm(matrix, axis=0)
    shift = np.abs(header.sform[:, 3] - header.quaternion[3:]).max()
    if np.abs(axes - rotation).max() > 1e-2 or shift > np.linalg.norm(matrix, axis=0).min():
        note(f"'{path}' has two positions that differ (qform, sform); the sform counts, as in Slicer.")


def _sform_counts(header: NiftiHeader) -> bool:
    return header.sform_code > 0 and _is_matrix(header.sform)


def _sform_is_used(header: NiftiHeader) -> bool:
    """Whether ITK takes the place from the sform: that of the scanner, or the only one."""
    return _sform_counts(header) and (header.sform_code == _SCANNER or header.qform_code <= 0)


def _is_matrix(sform: Array) -> bool:
    if not np.isfinite(sform).all():
        return False
    lengths = np.linalg.norm(sform[:, :3], axis=0)
    return bool(np.all(lengths > 0)) and abs(float(np.linalg.det(sform[:, :3] / lengths))) > 1e-6


def _is_upright(sform: Array) -> bool:
    axes = sform[:, :3] / np.linalg.norm(sform[:, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() <= _ORTHOGONAL)


def _qform_is_good(header: NiftiHeader) -> bool:
    if header.qform_code <= 0 or not np.isfinite(header.quaternion).all():
        return False
    return sum(value * value for value in header.quaternion[:3]) <= 1 + 1e-3


def _rotation(quaternion: tuple[float, ...]) -> Array:
    """The matrix of a unit quaternion of which b, c, d are given; nifti1.h, method 2."""
    b, c, d = quaternion
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    return np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
