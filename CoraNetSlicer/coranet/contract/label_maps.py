"""Whether an image file is a label map: by its header, and by the values of as many voxels as read quickly.

The folder of a data set often holds both. A label map that is taken for a scan teaches nonsense, without an error.
"""

from __future__ import annotations

import gzip
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Union

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
    "unsigned int": "I", "uint32": "I", "uint32_t": "I", "float": "f", "double": "d",
}  # fmt: skip
_NIFTI_TYPES = {2: "B", 256: "b", 4: "h", 512: "H", 8: "i", 768: "I", 16: "f", 64: "d"}
_META_TYPES = {
    "met_uchar": "B", "met_char": "b", "met_short": "h", "met_ushort": "H", "met_int": "i", "met_uint": "I",
    "met_float": "f", "met_double": "d",
}  # fmt: skip
# gzip.open or open give it; mypy knows of no class of both.
_File = Any
_FRACTIONS = ("f", "d")
_LARGEST_VALUE, _MOST_STRUCTURES = 65535, 255
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, struct.error, zlib.error)
_SEGMENT = re.compile(rb"^Segment\d+_ID:=", re.MULTILINE)


@dataclass(frozen=True)
class _Voxels:
    """The voxels of a file, and of what kind they are.

    Attributes:
        code: type code of the module array; "": none that is read here.
        is_little: whether the lowest byte comes first.
        pieces: of the voxels' bytes, in order.
        declares_labels: whether the header declares labels.
    """

    code: str
    is_little: bool
    pieces: Iterator[bytes]
    declares_labels: bool = False


def is_label_map(path: Union[str, Path]) -> bool:
    """Whether a NRRD, NIfTI or MetaImage file is a label map: whole numbers, few of them, mostly background.

    Returns:
        False for a folder, for what cannot be read, and where the voxels that were looked at are all the same.
    """
    try:
        with _opened(path) as file:
            voxels = _voxels_of(file, Path(path).name.lower())
            return voxels.declares_labels or _are_labels(voxels)
    except _UNREADABLE:
        return False


def values_in(path: Union[str, Path]) -> Optional[tuple[int, ...]]:
    """All values of a label map but 0, sorted; every voxel is looked at.

    Returns:
        None for a file that cannot be read here, and for one with other values than whole numbers from 0 to 65535, or
        with more than 255 of them.
    """
    values: set[float] = set()
    remainder = b""
    try:
        with _opened(path) as file:
            voxels = _voxels_of(file, Path(path).name.lower(), with_fractions=True)
            if not voxels.code:
                return None
            for piece in voxels.pieces:
                new, remainder = _distinct(voxels, remainder + piece, values)
                values |= new
                if len(values) > _MOST_STRUCTURES + 1 or not all(_is_label_value(value) for value in new):
                    return None
    except _UNREADABLE:
        return None
    return tuple(sorted(int(value) for value in values if value))


def are_of_label_map(values: Collection[float], background: int, count: int) -> bool:
    """Whether values are those of a label map: few of them, none below 0, and mostly 0.

    Args:
        values: different ones.
        background: voxels with the value 0.
        count: of all voxels.
    """
    is_few = 1 < len(values) <= _MOST_VALUES
    return is_few and min(values) >= 0 and 0 in values and background >= _LEAST_BACKGROUND * count


def _opened(path: Union[str, Path]) -> _File:
    return gzip.open(path, "rb") if str(path).lower().endswith(".nii.gz") else open(path, "rb")


def _voxels_of(file: _File, name: str, with_fractions: bool = False) -> _Voxels:
    """The voxels of an open file.

    Args:
        file: at its beginning.
        name: of the file, in small letters.
        with_fractions: whether voxels of a type with fractions count, too.
    """
    if name.endswith((".nii", ".nii.gz")):
        voxels = _nifti_voxels(file)
    elif name.endswith(".nrrd"):
        voxels = _nrrd_voxels(file)
    else:
        voxels = _meta_voxels(file) if name.endswith(".mha") else _Voxels("", True, iter(()))
    return voxels if with_fractions or voxels.code not in _FRACTIONS else replace(voxels, code="")


def _nifti_voxels(file: _File) -> _Voxels:
    head = file.read(352)
    for is_little in (True, False):
        order = "<" if is_little else ">"
        if struct.unpack_from(order + "i", head)[0] != 348:
            continue
        declares_labels = struct.unpack_from(order + "h", head, 68)[0] == _NIFTI_LABELS
        code = _NIFTI_TYPES.get(struct.unpack_from(order + "h", head, 70)[0], "")
        begin, slope = struct.unpack_from(order + "2f", head, 108)
        file.read(max(0, int(begin) - len(head)))
        return _Voxels(code if slope in (0.0, 1.0) else "", is_little, _pieces(file), declares_labels)
    raise ValueError("no NIfTI header")


def _nrrd_voxels(file: _File) -> _Voxels:
    head, fields = _text_header(file, b":", b"")
    declares_labels = _SEGMENT.search(head) is not None
    code = _NRRD_TYPES.get(fields["type"], "")
    encoding = fields["encoding"]
    is_packed = encoding in ("gzip", "gz")
    if "data file" in fields or "datafile" in fields or not (is_packed or encoding == "raw"):
        code = ""
    is_little = fields.get("endian", sys.byteorder) == "little"
    pieces = _unpacked(file, zlib.MAX_WBITS | 16) if is_packed else _pieces(file)
    return _Voxels(code, is_little, pieces, declares_labels)


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
    remainder = b""
    for piece in voxels.pieces:
        values, remainder = _values(voxels, remainder + piece)
        read += len(piece)
        counted += len(values)
        background += values.count(0)
        if values.count(values[0] if values else 0) < len(values):
            different.update(values)
            looked_at += len(piece)
        if len(different) > _MOST_VALUES or looked_at > _BYTES_LOOKED_AT or read > _BYTES_READ:
            break
    return are_of_label_map(different, background, counted)


def _values(voxels: _Voxels, content: bytes) -> tuple[array[int], bytes]:
    """The whole numbers, and the bytes that are left."""
    values = array(voxels.code)
    whole = len(content) - len(content) % values.itemsize
    values.frombytes(content[:whole])
    if voxels.is_little != (sys.byteorder == "little"):
        values.byteswap()
    return values, content[whole:]


def _distinct(voxels: _Voxels, content: bytes, known: set[float]) -> tuple[set[float], bytes]:
    """The values that occur and are not known yet, and the bytes that are left; most pieces are all the same."""
    size = array(voxels.code).itemsize
    end = len(content) - len(content) % size
    whole, remainder = content[:end], content[end:]
    columns = [whole[byte::size] for byte in range(size)]
    low = columns.pop(0 if voxels.is_little else -1)
    fit_in_a_byte = voxels.code not in _FRACTIONS and not any(column.strip(b"\0") for column in columns)
    if fit_in_a_byte and (voxels.code != "b" or low.isascii()):
        new = low.translate(None, bytes(int(value) for value in known if value < 256))
        return {float(value) for value in set(new)}, remainder
    if whole == whole[:size] * (len(whole) // size):
        whole = whole[:size]
    return {float(value) for value in set(_values(voxels, whole)[0])} - known, remainder


def _is_label_value(value: float) -> bool:
    return 0 <= value <= _LARGEST_VALUE and value == int(value)
