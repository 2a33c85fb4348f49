"""Headers of NRRD and MetaImage files: where their voxels are and how many bytes they take.

Sources: the NRRD file format (teem.sourceforge.net/nrrd/format.html) and MetaIO's documentation of its fields.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import DataError

# Some programs write all that they know of the patient into a header.
_LONGEST_HEADER = 1 << 20
# No scan has more slices.
_MOST_FILES = 100_000
_NRRD_BYTES = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t",
        "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"),
    8: ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t",
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"),
}  # fmt: skip
_META_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip


@dataclass(frozen=True)
class NrrdHeader:
    """A NRRD file's fields, names in lower case, and its length up to the first voxel."""

    fields: dict[str, str]
    length: int

    @property
    def encoding(self) -> str:
        """One of raw, gzip, bzip2, or another one as it is written."""
        name = self.fields.get("encoding", "").lower()
        return {"gz": "gzip", "bz2": "bzip2"}.get(name, name)

    @property
    def is_detached(self) -> bool:
        """Whether the voxels are in other files."""
        return bool(self._data_file)

    @property
    def byte_skip(self) -> int:
        """Bytes before the voxels, after decompression; -1: all but the voxels."""
        return _integer(self.fields.get("byte skip", self.fields.get("byteskip", "0")))

    @property
    def bytes_needed(self) -> int | None:
        """Bytes of all voxels, decompressed, or their number where they are text; None where unknown."""
        kind = self.fields.get("type", "").lower()
        size = next((size for size, names in _NRRD_BYTES.items() if kind in names), None)
        if size is not None and self.encoding in ("ascii", "text", "txt"):
            size = 1
        sizes = [_integer(word) for word in self.fields.get("sizes", "").split()]
        has_lines = "line skip" in self.fields or "lineskip" in self.fields
        if size is None or not sizes or min(sizes) < 1 or has_lines:
            return None
        return size * math.prod(sizes)

    def data_files(self, header: Path) -> list[Path]:
        """The files with the voxels of a detached header; [] where they follow it."""
        first, _, rest = self._data_file.partition("\n")
        parts = first.split()
        if not parts:
            return []
        if parts[0].upper() == "LIST":
            return [header.parent / line.strip() for line in rest.splitlines() if line.strip()]
        if len(parts) >= 4 and "%" in parts[0]:
            return _numbered(header.parent, parts)
        return [header.parent / first.strip()]

    @property
    def _data_file(self) -> str:
        return self.fields.get("data file", self.fields.get("datafile", ""))


@dataclass(frozen=True)
class MetaHeader:
    """A MetaImage file's fields, names in lower case, and its length up to the first voxel."""

    fields: dict[str, str]
    length: int

    @property
    def is_compressed(self) -> bool:
        """Whether the voxels are a zlib stream."""
        return self.fields.get("compresseddata", "false").lower().startswith(("t", "1"))

    @property
    def compressed_size(self) -> int:
        """Bytes of the compressed voxels in the header; 0: not given."""
        return max(0, _integer(self.fields.get("compresseddatasize", "0")))

    @property
    def is_text(self) -> bool:
        """Whether the voxels are written as text."""
        return self.fields.get("binarydata", "true").lower().startswith(("f", "0"))

    @property
    def header_size(self) -> int:
        """Bytes before the voxels in their own file; -1: all but the voxels."""
        return _integer(self.fields.get("headersize", "0"))

    @property
    def bytes_needed(self) -> int | None:
        """Bytes of all voxels, decompressed, or their number where they are text; None where unknown."""
        size = _META_BYTES.get(self.fields.get("elementtype", "").upper().removesuffix("_ARRAY"))
        sizes = [_integer(word) for word in self.fields.get("dimsize", "").split()]
        if size is None or not sizes or min(sizes) < 1:
            return None
        return (
            (1 if self.is_text else size)
            * math.prod(sizes)
            * max(1, _integer(self.fields.get("elementnumberofchannels", "1")))
        )

    def data_files(self, header: Path) -> list[Path]:
        """The files with the voxels; [] where they follow the header."""
        first, _, rest = self.fields.get("elementdatafile", "LOCAL").partition("\n")
        parts = first.split()
        if not parts or parts[0].upper() == "LOCAL":
            return []
        if parts[0].upper().startswith("LIST"):
            return [header.parent / line.strip() for line in rest.splitlines() if line.strip()]
        if len(parts) >= 4 and "%" in parts[0]:
            return _numbered(header.parent, parts)
        return [header.parent / first.strip()]


def read_nrrd_header(path: Path) -> NrrdHeader | None:
    """The header of a NRRD file; None if it has none."""
    content = _beginning(path)
    if not content.startswith(b"NRRD"):
        return None
    end = re.search(rb"\r?\n\r?\n", content)
    length = end.end() if end else len(content)
    lines = content[:length].decode("latin-1").splitlines()
    fields: dict[str, str] = {}
    for number, line in enumerate(lines):
        name, found, value = line.partition(":")
        if not found or line.startswith("#") or value.startswith("="):
            continue
        name, value = name.strip().lower(), value.strip()
        fields[name] = value
        if name in ("data file", "datafile") and value.upper().startswith("LIST"):
            # The names follow, one a line, up to the end of the header.
            fields[name] = "\n".join([value, *lines[number + 1 :]])
            break
    return NrrdHeader(fields, length)


def read_meta_header(path: Path) -> MetaHeader | None:
    """The header of a MetaImage file; None if it has none."""
    content = _beginning(path)
    fields: dict[str, str] = {}
    at = 0
    while at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        name, found, value = content[at:end].decode("latin-1").partition("=")
        at = end + 1
        if not found:
            return None
        fields[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":
            if value.strip().upper().startswith("LIST"):
                fields["elementdatafile"] += "\n" + content[at:].decode("latin-1")
            return MetaHeader(fields, at)
    return None


def _beginning(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_HEADER)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read ({error.strerror}); check that you may read it.") from None


def _numbered(folder: Path, parts: list[str]) -> list[Path]:
    """Names such as ``slice%03d.raw 1 20 1``, or ``slice%03d.raw 20 1 -1``."""
    first, last, step = (_integer(word) for word in parts[1:4])
    step = step or 1
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if not 0 < len(numbers) <= _MOST_FILES:
        return []
    try:
        return [folder / (parts[0] % number) for number in numbers]
    except (TypeError, ValueError):
        return []


def _integer(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        return 0
