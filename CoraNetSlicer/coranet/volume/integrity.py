"""Whether an image file has all its voxels, and its compressed stream the checksum that it was written with.

ITK takes what is missing in a NIfTI file for zeros, and what is no number; it reads a damaged MetaImage file as it is,
and compares no checksum.
"""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..contract.errors import DataError
from .nifti_header import FIRST_VOXEL, NiftiHeader, is_nifti, read_nifti_header
from .notes import note
from .text_headers import MetaHeader, NrrdHeader, read_meta_header, read_nrrd_header

_CHUNK = 1 << 20
# zlib distinguishes both by itself.
_GZIP_OR_ZLIB = 47
_GZIP = b"\x1f\x8b"


def require_whole(path: Path) -> None:
    """Look at the length and the checksum of a NRRD, MetaImage or NIfTI file, and of the files that it names.

    Raises:
        DataError: voxels are missing or damaged, or a file of voxels is.
    """
    name = path.name.lower()
    if is_nifti(path):
        _require_whole_nifti(path)
    elif name.endswith((".nrrd", ".nhdr")):
        _require_whole_nrrd(path)
    elif name.endswith((".mha", ".mhd")):
        meta = read_meta_header(path)
        if meta is not None:
            _require_whole_meta(path, meta)


def _require_whole_nifti(path: Path) -> None:
    header = read_nifti_header(path)
    with open(path, "rb") as file:
        is_compressed = file.read(2) == _GZIP
    if is_compressed and not path.name.lower().endswith(".gz"):
        raise DataError(
            f"'{path}' is compressed, but its name does not say so, and ITK and Slicer go by the name; rename it to "
            f"'{path.name}.gz'."
        )
    if header is None:
        if is_compressed:
            _require_stream(path, 0, 1)
        raise DataError(
            f"'{path}' cannot be read as an image (it has no NIfTI header); check that it is complete and open it "
            "in Slicer."
        )
    _require_offset(path, header)
    numbers = _Numbers(header)
    if is_compressed:
        _require_stream(path, 0, header.bytes_needed, look=numbers.look)
    else:
        _require_length(path, path.stat().st_size, header.bytes_needed)
        with open(path, "rb") as file:
            while header.fractions and (piece := file.read(_CHUNK)):
                numbers.look(piece)
    if numbers.wrong:
        raise DataError(
            f"'{path}' has {numbers.wrong} voxels that are not numbers (NaN or infinite), which ITK and Slicer read as "
            "0; replace them by the background value."
        )


class _Numbers:
    """Counts the voxels of a NIfTI file that are not numbers, while its bytes go by.

    Attributes:
        wrong: how many there are.
    """

    def __init__(self, header: NiftiHeader) -> None:
        self.wrong = 0
        self._type = np.dtype(header.fractions) if header.fractions else None
        self._before, self._left = header.offset, header.bytes_needed - header.offset
        self._rest = b""

    def look(self, piece: bytes) -> None:
        """Look at the next bytes."""
        if self._type is None:
            return
        skipped = min(self._before, len(piece))
        self._before -= skipped
        data = self._rest + piece[skipped:]
        data, self._rest = data[: self._left], b""
        whole = len(data) - len(data) % self._type.itemsize
        self._left -= whole
        self._rest = data[whole:]
        self.wrong += int(np.count_nonzero(~np.isfinite(np.frombuffer(data[:whole], self._type))))


def _require_offset(path: Path, header: NiftiHeader) -> None:
    """ITK and Slicer read voxels that begin before byte 352 from byte 348 on, which shifts them by four bytes."""
    if header.offset < FIRST_VOXEL:
        raise DataError(
            f"'{path}' says that its voxels begin at byte {header.offset}, which lies in its header, expected "
            f"{FIRST_VOXEL} or more (vox_offset); load it with nibabel, which takes {FIRST_VOXEL}, and save it again."
        )


def _require_whole_nrrd(path: Path) -> None:
    header = read_nrrd_header(path)
    if header is not None:
        _require_whole_pieces(path, header)


def _require_whole_pieces(path: Path, header: NrrdHeader) -> None:
    needed = header.bytes_needed
    if needed is None:
        return
    for piece in header.data_files(path):
        _require_there(path, piece)
    pieces = header.data_files(path) or [path]
    start = 0 if header.is_detached else header.length
    part = math.ceil(needed / len(pieces))
    for piece in pieces:
        if header.encoding == "raw":
            # A "byte skip" of -1 counts from the end: what lies before the voxels may be anything.
            skipped = max(0, header.byte_skip)
            _require_length(piece, piece.stat().st_size - start - skipped, part, is_noted=header.byte_skip == 0)
        elif header.encoding in ("ascii", "text", "txt"):
            _require_numbers(piece, start, part)
        elif header.encoding == "gzip":
            _require_stream(piece, start, part + max(0, header.byte_skip))
        elif header.encoding == "bzip2":
            _require_bzip2(piece, start, part)


def _require_whole_meta(path: Path, header: MetaHeader) -> None:
    needed = header.bytes_needed
    if needed is None:
        return
    pieces = header.data_files(path)
    for piece in pieces:
        _require_there(path, piece)
    if header.is_compressed and not pieces and not header.compressed_size:
        # ITK takes the compressed bytes for voxels then.
        raise DataError(
            f"'{path}' does not say how long its compressed data are (CompressedDataSize); write that into its header, "
            "or save the image again."
        )
    start = header.length if not pieces else max(0, header.header_size)
    part = math.ceil(needed / max(1, len(pieces)))
    for piece in pieces or [path]:
        if header.is_text:
            _require_numbers(piece, start, part)
        elif header.is_compressed:
            _require_stream(piece, start, part, header.compressed_size if not pieces else 0)
        else:
            _require_length(piece, piece.stat().st_size - start, part, is_noted=header.header_size == 0)


def _require_there(path: Path, piece: Path) -> None:
    if not piece.is_file():
        raise DataError(f"'{path}' has its voxels in '{piece}', which does not exist; put the file there.")
    if piece.samefile(path):
        raise DataError(
            f"'{path}' names itself as the file of its voxels; correct the name, or export the image again."
        )


def _require_length(path: Path, size: int, needed: int, is_noted: bool = True) -> None:
    if size < needed:
        raise DataError(
            f"'{path}' cannot be read: voxels are missing at its end (it has {max(0, size)} bytes of voxels, expected "
            f"{needed}); copy or download the file again."
        )
    if size > needed and is_noted:
        note(f"'{path}' has {size - needed} bytes more than its header declares; they are left out.")


def _require_stream(path: Path, start: int, needed: int, named: int = 0, look: Callable[[bytes], object] = len) -> None:
    """Decompress a gzip or zlib stream to its end, which compares its checksum; gzip members in a row count as one.

    Args:
        path: the file.
        start: where the stream begins.
        needed: bytes that must come out.
        named: bytes that the header gives the stream, of which ITK reads no more; 0: it does not say.
        look: gets what comes out, piece by piece.
    """
    size = 0
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(_CHUNK)
        is_member = True
        while is_member:
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                length, data = _decoded(decoder, data, file, look)
            except zlib.error as error:
                raise _damaged(path, _reason(error)) from None
            size += length
            if not decoder.eof:
                raise DataError(
                    f"'{path}' cannot be read: voxels are missing at its end, its compressed data stop after {size} "
                    f"of {needed} bytes; copy or download the file again."
                )
            data += file.read(_CHUNK)
            is_member = data.startswith(_GZIP)
        length = file.tell() - len(data) - start
        surplus = len(data.rstrip(b"\0"))
    if 0 < named < length:
        raise DataError(
            f"'{path}' cannot be read: its header gives its compressed data {named} bytes, they are {length}; copy or "
            "download the file again."
        )
    _require_length(path, size, needed)
    if surplus:
        note(f"'{path}' has bytes after its compressed data; they are left out.")


def _require_numbers(path: Path, start: int, needed: int) -> None:
    """Count the numbers of voxels that are written as text."""
    with open(path, "rb") as file:
        file.seek(start)
        count = len(file.read().replace(b",", b" ").split())
    if count < needed:
        raise DataError(
            f"'{path}' cannot be read: voxels are missing at its end (it has {count}, expected {needed}); copy or "
            "download the file again."
        )


def _decoded(
    decoder: zlib._Decompress, data: bytes, file: BinaryIO, look: Callable[[bytes], object]
) -> tuple[int, bytes]:
    """How long a stream is, and what has been read after its end; it is looked at in pieces of bounded size."""
    size = 0
    while data and not decoder.eof:
        piece = decoder.decompress(data, _CHUNK)
        look(piece)
        size += len(piece)
        data = decoder.unconsumed_tail or (b"" if decoder.eof else file.read(_CHUNK))
    if not decoder.eof:
        piece = decoder.flush()
        look(piece)
        size += len(piece)
    return size, decoder.unused_data


def _require_bzip2(path: Path, start: int, needed: int) -> None:
    size = 0
    with open(path, "rb") as file:
        file.seek(start)
        try:
            with bz2.BZ2File(file) as stream:
                while part := stream.read(_CHUNK):
                    size += len(part)
        except (OSError, EOFError) as error:
            raise _damaged(path, _reason(error)) from None
    _require_length(path, size, needed)


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"'{path}' cannot be read: its compressed data are damaged ({reason}); copy or download the file again."
    )


def _reason(error: Exception) -> str:
    message = str(error).rpartition(": ")[2]
    return "they do not have the checksum that they were written with" if "check" in message else message
