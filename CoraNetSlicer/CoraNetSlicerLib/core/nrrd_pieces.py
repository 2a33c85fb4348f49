"""Result images as the engine writes them, read a piece at a time, so that the application goes on in between.

Slicer's own reader reads the header and says where the image lies; only the voxels are unpacked here.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_FLOAT, VTK_UNSIGNED_CHAR, VTK_UNSIGNED_SHORT
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract.errors import DataError
from coranet.contract.image_headers import is_implausible

from .images import read_image

# Takes ten to twenty milliseconds to unpack and to check.
_PIECE_BYTES = 1 << 21
_READ_BYTES = 1 << 18
_LONGEST_HEADER = 1 << 16
_GZIP = 31
_TYPES = {"unsigned char": VTK_UNSIGNED_CHAR, "unsigned short": VTK_UNSIGNED_SHORT, "float": VTK_FLOAT}
# What the engine writes; a header with other fields is one that only Slicer's reader understands.
_FIELDS = {"type", "dimension", "space", "sizes", "space directions", "kinds", "endian", "encoding", "space origin"}


class NrrdPieces:
    """An image that lies where its header says, and whose voxels are still to be read.

    Attributes:
        node: vtkMRMLScalarVolumeNode outside of any scene, with room for the voxels.
    """

    def __init__(self, path: Path, node: Any, voxels_at: int) -> None:
        """Use `open`.

        Args:
            path: of the file.
            node: see above.
            voxels_at: where in the file the compressed voxels begin, in bytes.
        """
        self.node = node
        self._path = path
        self._voxels_at = voxels_at

    @staticmethod
    def open(path: Path) -> Optional[NrrdPieces]:
        """Read a header.

        Returns:
            None if the file is not one as the engine writes it: then Slicer's reader should read it, or say what is
            wrong with it.
        """
        # Slicer's reader says what is wrong with a header that lies.
        found = None if is_implausible(path) else _header(path)
        node = None if found is None else _empty_node(path, _TYPES[found[0]["type"]])
        return None if found is None or node is None else NrrdPieces(path, node, found[1])

    def read(self) -> Iterator[np.ndarray]:
        """Read all voxels.

        Yields:
            Those just read, flat; a view of the node's own.

        Raises:
            DataError: the file is damaged, or cannot be read any more.
        """
        voxels = vtk_to_numpy(self.node.GetImageData().GetPointData().GetScalars())
        room = voxels.view(np.uint8)
        filled = 0
        try:
            for content in self._unpacked(len(room)):
                room[filled : filled + len(content)] = np.frombuffer(content, dtype=np.uint8)
                begin, filled = filled, filled + len(content)
                yield voxels[begin // voxels.itemsize : filled // voxels.itemsize]
        except (OSError, zlib.error) as error:
            raise DataError(f"'{self._path}' cannot be read ({error}); segment the volume again.") from error

    def _unpacked(self, total: int) -> Iterator[bytearray]:
        """All `total` bytes, in pieces of which only the last may be shorter."""
        inflate = zlib.decompressobj(_GZIP)
        packed = b""
        with open(self._path, "rb") as file:
            file.seek(self._voxels_at)
            for begin in range(0, total, _PIECE_BYTES):
                piece, size = bytearray(), min(_PIECE_BYTES, total - begin)
                # To the end of the stream: its checksum is compared there.
                while len(piece) < size or (begin + size == total and not inflate.eof):
                    packed = packed or file.read(_READ_BYTES)
                    content = inflate.decompress(packed, max(1, size - len(piece)))
                    if len(piece) + len(content) > size or not (content or packed):
                        raise DataError(f"'{self._path}' has too few or too many voxels; segment the volume again.")
                    packed = inflate.unconsumed_tail
                    piece += content
                yield piece


def image_header(path: Path) -> Any:
    """A volume node outside of any scene that lies where an image does; its voxels may not be read.

    Raises:
        DataError: it is missing, or cannot be read.
    """
    pieces = NrrdPieces.open(path)
    return read_image(path, slicer.vtkMRMLScalarVolumeNode()) if pieces is None else pieces.node


def _header(path: Path) -> Optional[tuple[dict[str, str], int]]:
    """The fields of a header, and where the voxels begin; None if it is not one as the engine writes it."""
    try:
        with open(path, "rb") as file:
            head, end, _ = file.read(_LONGEST_HEADER).partition(b"\n\n")
        lines = head.decode("ascii").split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if not end or not lines[0].startswith("NRRD"):
        return None
    # Comments, and what a program notes for itself ("key:=value"), do not matter.
    said = (line for line in lines[1:] if not line.startswith("#") and ":=" not in line)
    fields = dict(line.partition(": ")[::2] for line in said)
    is_ours = set(fields) <= _FIELDS and fields.get("type") in _TYPES
    is_ours = is_ours and fields.get("encoding") == "gzip" and fields.get("dimension") == "3"
    is_ours = is_ours and fields.get("endian", sys.byteorder) == sys.byteorder
    return (fields, len(head) + len(end)) if is_ours else None


def _nrrd_reader() -> Any:
    try:
        from vtkTeem import vtkTeemNRRDReader
    except ImportError:  # outside the application, everything is in one module
        return slicer.vtkTeemNRRDReader()
    return vtkTeemNRRDReader()


def _empty_node(path: Path, scalar_type: int) -> Any:
    reader = _nrrd_reader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    if reader.GetReadStatus():
        return None
    image = vtkImageData()
    image.SetExtent(reader.GetDataExtent())
    image.AllocateScalars(scalar_type, 1)
    to_indices = reader.GetRasToIjkMatrix()
    to_world = vtkMatrix4x4()
    vtkMatrix4x4.Invert(to_indices, to_world)
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(to_world)
    return node
