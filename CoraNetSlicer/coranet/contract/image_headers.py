"""Size and spacing of an image file, from its first bytes: enough to see what does not fit, long before it is read."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

# Headers are a few hundred bytes; some programs write all that they know of the patient into them.
_LONGEST_HEADER = 65536
# Deflate makes 1032 bytes of one at best; some voxels are single bits.
MOST_HEADER_BYTES, _MOST_LINES = 1 << 20, 20_000
# Of a field of NRRD; Teem, which reads it in ITK and Slicer, overruns its message of 1024 bytes about a longer one.
_LONGEST_FIELD = 500
_BEST_PACKED = 8 * 1032
_MOST_VOXELS = 1 << 36
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_VECTOR = re.compile(r"\(([^)]*)\)|none")


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image.

    Attributes:
        size_ijk: number of voxels along each axis.
        spacing_mm: distance of voxel centres along each axis, as written.
        volumes: values in each voxel: of a file of four dimensions, its volumes.
    """

    size_ijk: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    volumes: int = 1


def read_image_header(path: Union[str, Path]) -> Optional[ImageHeader]:
    """Read the header of a NRRD, NIfTI or MetaImage file.

    Returns:
        None for a folder, and for what cannot be read or has another format: the reader of the voxels will raise.
    """
    name = Path(path).name.lower()
    try:
        with gzip.open(path, "rb") if name.endswith(".gz") else open(path, "rb") as file:
            if name.endswith((".nrrd", ".nhdr")):
                return _nrrd(dict(_fields(file.read(_LONGEST_HEADER), ":")))
            if name.endswith((".nii", ".nii.gz")):
                return _nifti(file.read(352))
            return _meta_image(dict(_fields(file.read(_LONGEST_HEADER), "=")))
    except (OSError, EOFError, KeyError, OverflowError, ValueError, struct.error, zlib.error):
        return None


def is_implausible(path: Union[str, Path]) -> bool:
    """Whether a header cannot be read, or names more voxels than the file can hold, however well they are packed.

    A reader that believes such a header takes all time or memory, and takes the application along.
    """
    if not Path(path).is_file():
        return False
    if Path(path).suffix.lower() in (".nrrd", ".nhdr") and has_unreadable_header(path):
        return True
    header = read_image_header(path)
    if header is None:
        return False
    voxels = math.prod(header.size_ijk) * header.volumes
    # The voxels of a detached header are in other files.
    is_detached = Path(path).suffix.lower() in (".nhdr", ".mhd")
    return voxels > (_MOST_VOXELS if is_detached else _BEST_PACKED * Path(path).stat().st_size)


def has_unreadable_header(path: Union[str, Path]) -> bool:
    """Whether the readers of NRRD must not see a file.

    They take minutes for a million comments, and a long field ends their process.
    """
    with open(path, "rb") as file:
        head = file.read(_LONGEST_HEADER)
        end = _END_OF_HEADER.search(head)
        if end is None and len(head) == _LONGEST_HEADER:
            head += file.read(MOST_HEADER_BYTES - _LONGEST_HEADER)
            end = _END_OF_HEADER.search(head)
    lines = (head[: end.start()] if end else head).split(b"\n")
    if not head.startswith(b"NRRD"):
        return False
    is_endless = (end is None and len(head) == MOST_HEADER_BYTES) or len(lines) > _MOST_LINES
    return is_endless or any(len(line) > _LONGEST_FIELD and _is_field(line) for line in lines)


def _is_field(line: bytes) -> bool:
    """Whether a line is no comment, no key with a value of its own, and no free text."""
    return not line.startswith((b"#", b"content:")) and b":=" not in line


def _fields(head: bytes, separator: str) -> Iterator[tuple[str, str]]:
    for line in head.decode("latin-1").splitlines():
        name, found, value = line.partition(separator)
        # A NRRD's header ends with an empty line, a MetaImage's with the name of its data.
        if not line.strip():
            return
        if found:
            yield name.strip().lower(), value.strip()
        if name.strip().lower() == "elementdatafile":
            return


def _nrrd(fields: dict[str, str]) -> ImageHeader:
    sizes = [int(word) for word in fields["sizes"].split()]
    if "space directions" in fields:
        vectors = [match.group(1) for match in _VECTOR.finditer(fields["space directions"])]
        # An axis without direction is not one of space: channels, or time.
        axes = [(size, _length(vector)) for size, vector in zip(sizes, vectors, strict=False) if vector is not None]
        others = [size for size, vector in zip(sizes, vectors, strict=False) if vector is None]
    else:
        spacings = [float(word) for word in fields.get("spacings", "1 " * len(sizes)).split()]
        axes, others = list(zip(sizes, spacings, strict=False)), []
    sizes_ijk, spacing = tuple(size for size, _ in axes), tuple(spacing for _, spacing in axes)
    return ImageHeader(sizes_ijk, spacing, math.prod(others))


def _length(vector: str) -> float:
    return math.sqrt(sum(float(word) ** 2 for word in vector.split(",")))


def _nifti(head: bytes) -> ImageHeader:
    for order in "<>":
        if struct.unpack_from(order + "i", head)[0] == 348:
            return _nifti_axes(struct.unpack_from(order + "8h", head, 40), struct.unpack_from(order + "8f", head, 76))
        if struct.unpack_from(order + "i", head)[0] == 540:
            return _nifti_axes(struct.unpack_from(order + "8q", head, 16), struct.unpack_from(order + "8d", head, 104))
    raise ValueError("no NIfTI header")


def _nifti_axes(sizes: tuple[int, ...], spacings: tuple[float, ...]) -> ImageHeader:
    axes = range(1, 1 + min(3, sizes[0]))
    volumes = math.prod(max(1, sizes[axis]) for axis in range(4, 1 + min(7, sizes[0])))
    size_ijk = tuple(sizes[axis] for axis in axes)
    return ImageHeader(size_ijk, tuple(float(abs(spacings[axis])) for axis in axes), volumes)


def _meta_image(fields: dict[str, str]) -> ImageHeader:
    sizes = tuple(int(word) for word in fields["dimsize"].split())
    spacing = fields.get("elementspacing") or fields.get("elementsize") or "1 " * len(sizes)
    values = int(fields.get("elementnumberofchannels") or 1)
    return ImageHeader(sizes, tuple(float(word) for word in spacing.split()), values)
