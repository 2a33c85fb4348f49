"""Whether an image file is a label map: by what its header says, and by the values of as many voxels as read quickly.

The folder of a data set often holds both. A label map that is taken for a scan teaches nonsense, without an error.
"""

from __future__ import annotations

import gzip
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

# Unpacked in a tenth of a second; of a label map most is background, of which nothing more is looked at.
_BYTES_READ, _BYTES_AT_ONCE = 64_000_000, 262_144
# That are not all the same.
_BYTES_LOOKED_AT = 1_000_000
_LONGEST_HEADER = 65536
# A scan has more grey values; an atlas may have as many structures, but then it is named, or described as one.
_MOST_VALUES = 40
# Of a label map most is background.
_LEAST_BACKGROUND = 0.2
_NIFTI_LABELS = 1002
# Type codes of the module array, by what the formats call them.
_NRRD_TYPES = {
    "uchar": "B", "unsigned char": "B", "uint8": "B", "uint8_t": "B", "signed char": "b", "int8": "b", "int8_t": "b",
    "short": "h", "int16": "h", "int16_t": "h", "signed short": "h", "ushort": "H", "unsigned short": "H",
    "uint16": "H", "uint16_t": "H", "int": "i", "int32": "i", "int32_t": "i", "signed int": "i", "uint": "I",
    "unsigned int": "I", "uint32": "I", "uint32_t": "I",
}  # fmt: skip
_NIFTI_TYPES = {2: "B", 256: "b", 4: "h", 512: "H", 8: "i", 768: "I"}
_META_TYPES = {
    "met_uchar": "B", "met_char": "b", "met_short": "h", "met_ushort": "H", "met_int": "i", "met_uint": "I",
}  # fmt: skip
# gzip.open or open give it; mypy knows of no class of both.
_File = Any
_SEGMENT = re.compile(rb"^Segment\d+_ID:=", re.MULTILINE)


@dataclass(frozen=True)
class _Voxels:
    """The voxels of a file, and of what kind they are.

    Attributes:
        code: type code of the module array; "": none for whole numbers.
        is_little: whether the lowest byte comes first.
        pieces: of the voxels' bytes, in order.
    """

    code: str
    is_little: bool
    pieces: Iterator[bytes]


def is_label_map(path: Union[str, Path]) -> bool:
    """Whether a NRRD, NIfTI or MetaImage file is a label map: whole numbers, few of them, mostly background.

    Returns:
        False for a folder, for what cannot be read, and where the voxels that were looked at are all the same.
    """
    name = Path(path).name.lower()
    try:
        with gzip.open(path, "rb") if name.endswith(".nii.gz") else open(path, "rb") as file:
            if name.endswith((".nii", ".nii.gz")):
                return _is_nifti_of_labels(file)
            if name.endswith(".nrrd"):
                return _is_nrrd_of_labels(file)
            return name.endswith(".mha") and _are_labels(_meta_voxels(file))
    except (OSError, EOFError, KeyError, ValueError, struct.error, zlib.error):
        return False


def _is_nifti_of_labels(file: _File) -> bool:
    head = file.read(352)
    for is_little in (True, False):
        order = "<" if is_little else ">"
        if struct.unpack_from(order + "i", head)[0] != 348:
            continue
        if struct.unpack_from(order + "h", head, 68)[0] == _NIFTI_LABELS:
            return True
        code = _NIFTI_TYPES.get(struct.unpack_from(order + "h", head, 70)[0], "")
        begin, slope = struct.unpack_from(order + "2f", head, 108)
        if slope not in (0.0, 1.0):
            return False
        file.read(max(0, int(begin) - len(head)))
        return _are_labels(_Voxels(code, is_little, _pieces(file)))
    return False


def _is_nrrd_of_labels(file: _File) -> bool:
    head, fields = _text_header(file, b":", b"")
    if _SEGMENT.search(head):
        return True
    code = _NRRD_TYPES.get(fields["type"], "")
    if not code or "data file" in fields or "datafile" in fields:
        return False
    is_little = fields.get("endian", sys.byteorder) == "little"
    encoding = fields["encoding"]
    if encoding in ("gzip", "gz"):
        return _are_labels(_Voxels(code, is_little, _unpacked(file, zlib.MAX_WBITS | 16)))
    return encoding == "raw" and _are_labels(_Voxels(code, is_little, _pieces(file)))


def _meta_voxels(file: _File) -> _Voxels:
    _head, fields = _text_header(file, b"=", b"elementdatafile")
    is_little = fields.get("elementbyteordermsb", fields.get("binarydatabyteordermsb", "false")) != "true"
    is_here = fields["elementdatafile"] == "local"
    code = _META_TYPES.get(fields["elementtype"], "") if is_here else ""
    is_packed = fields.get("compresseddata", "false") == "true"
    return _Voxels(code, is_little, _unpacked(file, zlib.MAX_WBITS) if is_packed else _pieces(file))


def _text_header(file: _File, separator: bytes, last: bytes) -> tuple[bytes, dict[str, str]]:
    """The lines before the voxels, and their fields in small letters; they end with an empty line or a field."""
    head, fields = b"", {}
    while len(head) < _LONGEST_HEADER:
        line = file.readline(_LONGEST_HEADER)
        head += line
        name, _separator, value = line.strip().lower().partition(separator)
        fields[name.strip().decode("latin-1")] = value.strip().decode("latin-1")
        if not line.strip() or (last and name.strip() == last):
            break
    return head, fields


def _pieces(file: _File) -> Iterator[bytes]:
    while piece := file.read(_BYTES_AT_ONCE):
        yield piece


def _unpacked(file: _File, window_bits: int) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(window_bits)
    packed = b""
    while not unpacking.eof:
        packed = unpacking.unconsumed_tail or file.read(_BYTES_AT_ONCE)
        if not packed:
            return
        yield unpacking.decompress(packed, _BYTES_AT_ONCE)


def _are_labels(voxels: _Voxels) -> bool:
    if not voxels.code:
        return False
    different: set[int] = set()
    background = counted = looked_at = read = 0
    rest = b""
    for piece in voxels.pieces:
        values, rest = _values(voxels, rest + piece)
        read += len(piece)
        counted += len(values)
        background += values.count(0)
        if values.count(values[0] if values else 0) < len(values):
            different.update(values)
            looked_at += len(piece)
        if len(different) > _MOST_VALUES or looked_at > _BYTES_LOOKED_AT or read > _BYTES_READ:
            break
    is_labels = 1 < len(different) <= _MOST_VALUES and min(different) >= 0 and 0 in different
    return is_labels and background >= _LEAST_BACKGROUND * counted


def _values(voxels: _Voxels, content: bytes) -> tuple[array[int], bytes]:
    """The whole numbers, and the bytes that are left."""
    values = array(voxels.code)
    whole = len(content) - len(content) % values.itemsize
    values.frombytes(content[:whole])
    if voxels.is_little != (sys.byteorder == "little"):
        values.byteswap()
    return values, content[whole:]
