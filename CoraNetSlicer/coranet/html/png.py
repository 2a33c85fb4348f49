"""Small pictures as PNG (ISO/IEC 15948), ready to stand inside a page."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode a picture.

    Args:
        pixels: (rows, columns, 3), red, green, blue from 0 to 255.
    """
    rows, columns, _ = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, _RGB, 0, 0, 0)
    # Each row begins with the number of its filter; 0: none.
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, columns * 3)], axis=1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """A picture as the address of an HTML image; see `png_bytes`."""
    return f"data:image/png;base64,{base64.b64encode(png_bytes(pixels)).decode('ascii')}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
