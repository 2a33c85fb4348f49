"""The files that an image consists of, and whether they are still what they were: by their content, not their names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from .image_files import ending_of, is_dicom_file

_BLOCK = 1 << 20
# A header may name thousands of files; where the voxels follow it, it is short.
_HEADER_BYTES = {".mhd": 1 << 22, ".nhdr": 1 << 22}
_HEADER_BYTES_BEFORE_VOXELS = 64 * 1024
# Text headers whose voxels lie in files of their own (MetaImage, NRRD), and pairs of header and voxels.
_TEXT_HEADERS = (".mhd", ".mha", ".nhdr", ".nrrd")
_DETACHED = re.compile(r"^(?:ElementDataFile\s*=|data ?file:)[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
_PAIRS = {".hdr": (".img", ".img.gz"), ".img": (".hdr",)}
_NUMBERED = re.compile(r"%0?\d*d")


def source_files(images: Iterable[str]) -> list[Path]:
    """All files of some images, each once.

    Those in a folder; beside a header those that it names; beside a file of a DICOM series the others of its folder.
    """
    return list(dict.fromkeys(file for image in images for file in _files_of(Path(image))))


def source_stamp(images: Iterable[str]) -> dict[str, Any]:
    """What `is_changed` needs later: path, size and time of each file, and a hash of all their content.

    Raises:
        OSError: a file cannot be read.
    """
    files = source_files(images)
    # Looked at before they are read: what is written meanwhile counts as changed.
    states = [_state(file) for file in files]
    return {"files": states, "hash": _hash(files)}


def content_hash(images: Iterable[str]) -> str:
    """A hash of the content of all files of some images; where they lie and what they are called does not count.

    Raises:
        OSError: a file cannot be read.
    """
    return _hash(source_files(images))


def is_changed(images: Iterable[str], stamp: Optional[Mapping[str, Any]]) -> bool:
    """Whether the files of some images are others, or have another content, than when their stamp was made.

    Args:
        images: paths, as they were given to `source_stamp`.
        stamp: what that has given; None: it is not known, and nothing counts as changed.

    Raises:
        OSError: a file cannot be read.
    """
    if stamp is None:
        return False
    files = source_files(images)
    if [_state(file) for file in files] == stamp.get("files"):
        return False
    return _hash(files) != stamp.get("hash")


def _files_of(image: Path) -> Iterator[Path]:
    if image.is_dir():
        yield from sorted(entry for entry in image.iterdir() if entry.is_file())
        return
    yield image
    suffix = image.suffix.lower()
    if suffix in _TEXT_HEADERS:
        yield from (path for path in _detached(image) if path.is_file() and path != image)
    for other in _PAIRS.get(suffix, ()):
        # On a case-sensitive file system the ending may be written in capitals.
        yield from (path for path in map(image.with_suffix, (other, other.upper())) if path.is_file())
    if not ending_of(image.name) and is_dicom_file(image):
        # A file of a DICOM series stands for the image that it belongs to.
        yield from (path for path in _files_of(image.parent) if path != image)


def _detached(header: Path) -> Iterator[Path]:
    with open(header, "rb") as file:
        text = os.fsdecode(file.read(_HEADER_BYTES.get(header.suffix.lower(), _HEADER_BYTES_BEFORE_VOXELS)))
    match = _DETACHED.search(text)
    if match is None:
        return
    named = match[1].strip()
    if named.upper().startswith("LIST"):
        yield from (header.parent / line.strip() for line in text[match.end() :].splitlines() if line.strip())
    elif _NUMBERED.search(named):
        before, _, after = _NUMBERED.sub("\0", named.split()[0], count=1).partition("\0")
        pattern = re.compile(f"{re.escape(before)}[0-9]+{re.escape(after)}")
        yield from sorted(path for path in header.parent.iterdir() if pattern.fullmatch(path.name))
    elif named.upper() != "LOCAL":
        yield header.parent / named


def _state(file: Path) -> list[Any]:
    state = file.stat()
    return [str(file), state.st_size, state.st_mtime_ns]


def _hash(files: Iterable[Path]) -> str:
    """Of the content of files in their order; what they are called does not count."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.stat().st_size.to_bytes(8, "little"))
        with open(file, "rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
