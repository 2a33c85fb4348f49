"""NIfTI files written byte by byte, so that their headers can be as odd as those that people have."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "c8": 32,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
}
SPACING = (1.0, 1.25, 2.0)
AFFINE = np.array([[-1.0, 0, 0, 10], [0, -1.25, 0, 20], [0, 0, 2, 30]])


def voxels(dtype: str = "i2") -> np.ndarray:
    """(k, j, i)."""
    return np.random.default_rng(0).integers(0, 100, (7, 6, 5)).astype(dtype)


def write_nifti(path: Path, array: np.ndarray | None = None, **header: Any) -> Path:
    """A file of either version; what is not given is a well-made header whose place is in its sform.

    Args:
        path: ends with .nii or .nii.gz.
        array: (k, j, i); None: `voxels()`.
        header: fields by name: version, order, dim, pixdim, qfac, sform, sform_code, qform (b, c, d, x, y, z),
            qform_code, slope, inter, units, offset.
    """
    array = voxels() if array is None else array
    is_plain = not {"sform", "sform_code", "qform_code"} & set(header)
    settings = {"sform_code": 1 if is_plain else 0, **header}
    content = _first(array, settings) if settings.get("version", 1) == 1 else _second(array, settings)
    order = settings.get("order", "<")
    content += array.astype(array.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path


def _fields(array: np.ndarray, fields: dict[str, Any]) -> tuple[list[int], list[float], Any, Any]:
    sizes = fields.get("dim", (array.ndim, *array.shape[::-1]))
    dim = [*sizes, *[1] * (8 - len(sizes))]
    pixdim = [fields.get("qfac", 1.0), *fields.get("pixdim", SPACING)]
    pixdim += [1.0] * (8 - len(pixdim))
    return dim, pixdim, fields.get("qform", (0, 0, 0, 0, 0, 0)), np.asarray(fields.get("sform", AFFINE))[:3].ravel()


def _first(array: np.ndarray, fields: dict[str, Any]) -> bytes:
    order = fields.get("order", "<")
    dim, pixdim, qform, sform = _fields(array, fields)
    code = CODES[array.dtype.str[1:]]

    def pack(form: str, *values: Any) -> bytes:
        return struct.pack(order + form, *values)

    head = pack("i", 348) + bytes(36) + pack("8h", *dim) + bytes(14) + pack("hhh", code, array.itemsize * 8, 0)
    head += pack("8f", *pixdim) + pack(
        "3f", fields.get("offset", 352.0), fields.get("slope", 1.0), fields.get("inter", 0.0)
    )
    head += pack("hBB", 0, 0, fields.get("units", 2)) + bytes(24) + bytes(104)
    head += pack("hh", fields.get("qform_code", 0), fields["sform_code"]) + pack("6f", *qform) + pack("12f", *sform)
    return head + bytes(16) + b"n+1\0" + bytes(4)


def _second(array: np.ndarray, fields: dict[str, Any]) -> bytes:
    order = fields.get("order", "<")
    dim, pixdim, qform, sform = _fields(array, fields)
    code = CODES[array.dtype.str[1:]]

    def pack(form: str, *values: Any) -> bytes:
        return struct.pack(order + form, *values)

    head = pack("i", 540) + b"n+2\0\r\n\x1a\n" + pack("hh", code, array.itemsize * 8) + pack("8q", *dim) + bytes(24)
    head += (
        pack("8d", *pixdim)
        + pack("q", int(fields.get("offset", 544)))
        + pack("dd", fields.get("slope", 1), fields.get("inter", 0))
    )
    head += bytes(32) + bytes(16) + bytes(80) + bytes(24)
    head += pack("ii", fields.get("qform_code", 0), fields["sform_code"]) + pack("6d", *qform) + pack("12d", *sform)
    head += pack("ii", 0, fields.get("units", 2)) + pack("i", 0) + bytes(16) + bytes(1) + bytes(15)
    assert len(head) == 540, len(head)
    return head + bytes(4)
