"""Image files that lie, are cut, or hold what no scan holds: each a row with the file and the right answer."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from valid_files import GRID, labels, voxels

from coranet.volume import write_volume


@dataclass(frozen=True)
class Row:
    """A hostile file.

    Attributes:
        name: of the row.
        file: of the image, with the ending that says its format.
        write: writes it.
        reader: "image" or "label_map".
        right: the voxels that are a right answer, (k, j, i); None: it must be refused.
        may_refuse: whether a refusal is right, too.
    """

    name: str
    file: str
    write: Callable[[Path], object]
    reader: str = "image"
    right: np.ndarray | None = None
    may_refuse: bool = False


def _itk_image(array: np.ndarray, is_vector: bool = False) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    if image.GetDimension() == 3:
        image.SetSpacing(GRID.spacing_mm)
        image.SetOrigin(GRID.origin_mm)
        image.SetDirection(GRID.direction)
    return image


def _saved(array: np.ndarray, is_vector: bool = False, compressed: bool = False) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        sitk.WriteImage(_itk_image(array, is_vector), str(path), useCompression=compressed)

    return write


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


# -- cut files --

_FORMATS = ("a.nrrd", "a.nhdr", "a.nii", "a.nii.gz", "a.mha", "a.mhd")
# In the header, at its end, in the voxels, and the last byte; of both files where there are two.
_SHARES = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.999)


def _cut(share: float, compressed: bool, ending: str = "") -> Callable[[Path], object]:
    def write(path: Path) -> None:
        _saved(voxels(), compressed=compressed)(path)
        cut = path
        if ending:
            found = [file for file in path.parent.iterdir() if file.name.startswith("a.") and file != path]
            cut = found[0] if found else path
        content = cut.read_bytes()
        cut.write_bytes(content[: min(int(len(content) * share), len(content) - 1)])

    return write


def cut_rows() -> Iterator[Row]:
    """Each format, cut at many places."""
    for file in _FORMATS:
        for compressed in (False, True):
            for share in _SHARES:
                kind = "packed" if compressed else "plain"
                # The last letter of a header of text may be the end of a line, which nobody misses.
                yield Row(f"{file}, {kind}, cut at {share:.1%}", file, _cut(share, compressed), "image", voxels(), True)
                if file in ("a.nhdr", "a.mhd"):
                    yield Row(f"voxels of {file}, {kind}, cut at {share:.1%}", file, _cut(share, compressed, "raw"))


# -- headers --


def _nrrd(*, data: bytes = b"\0" * 8, **fields: str) -> Callable[[Path], object]:
    """A NRRD file with other fields than a valid one's; None leaves one out, data are the bytes after the header."""
    valid = {
        "type": "short", "dimension": "3", "space": "left-posterior-superior", "sizes": "2 2 2",
        "space_directions": "(1,0,0) (0,1,0) (0,0,1)", "kinds": "domain domain domain", "endian": "little",
        "encoding": "raw", "space_origin": "(0,0,0)",
    }  # fmt: skip
    chosen = {key: value for key, value in {**valid, **fields}.items() if value}
    head = "NRRD0004\n" + "".join(f"{key.replace('_', ' ')}: {value}\n" for key, value in chosen.items()) + "\n"
    return _bytes(head.encode() + data)


def _nifti(size: tuple[int, ...], code: int = 4, bits: int = 16, data: bytes = b"\0" * 16) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(size), *size, *([1] * (7 - len(size))))
    struct.pack_into("<hh", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, *([1.0] * 8))
    struct.pack_into("<f", head, 108, 352.0)
    head[344:348] = b"n+1\0"
    return bytes(head) + data


def _meta(data: bytes = b"\0" * 16, **fields: str) -> Callable[[Path], object]:
    valid = {
        "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
        "ElementSpacing": "1 1 1", "DimSize": "2 2 2", "ElementType": "MET_SHORT", "ElementDataFile": "LOCAL",
    }  # fmt: skip
    # What follows the name of the data is data.
    chosen = {**valid, **fields}
    chosen["ElementDataFile"] = chosen.pop("ElementDataFile")
    lines = [f"{key} = {value}\n" for key, value in chosen.items() if value]
    return _bytes("".join(lines).encode() + data)


_MILLION = "1000000 1000000 1000000"
_NRRD_FIELDS = {
    "10^6 cubed": {"sizes": _MILLION},
    "10^6 cubed, packed": {"sizes": _MILLION, "encoding": "gzip"},
    "3000 cubed": {"sizes": "3000 3000 3000"},
    "3000 cubed, packed": {"sizes": "3000 3000 3000", "encoding": "gzip"},
    "sizes beyond 64 bits": {"sizes": "99999999999999999999 2 2"},
    "size 0": {"sizes": "0 2 2"},
    "negative size": {"sizes": "-2 2 2"},
    "sizes that are no numbers": {"sizes": "a b c"},
    "two sizes": {"sizes": "2 2"},
    "no sizes": {"sizes": ""},
    "dimension 0": {"dimension": "0"},
    "dimension 16": {"dimension": "16"},
    "dimension 10^9": {"dimension": "1000000000"},
    "no type": {"type": ""},
    "unknown type": {"type": "quaternion"},
    "type block": {"type": "block"},
    "no encoding": {"encoding": ""},
    "unknown encoding": {"encoding": "lzma"},
    "no space directions": {"space_directions": "none none none"},
    "parallel axes": {"space_directions": "(1,0,0) (1,0,0) (0,0,1)"},
    "an axis of length 0": {"space_directions": "(0,0,0) (0,1,0) (0,0,1)"},
    "NaN directions": {"space_directions": "(nan,0,0) (0,1,0) (0,0,1)"},
    "infinite directions": {"space_directions": "(inf,0,0) (0,1,0) (0,0,1)"},
    "NaN origin": {"space_origin": "(nan,0,0)"},
    "two directions": {"space_directions": "(1,0,0) (0,1,0)"},
    "a file of data elsewhere": {"data_file": "../../../../etc/passwd"},
    "itself as data": {"data_file": "a.nrrd"},
    "no file of data": {"data_file": "nothing.raw"},
    "an absolute file of data": {"data_file": "/etc/hostname"},
    "a list of a million files": {"data_file": "x%06d.raw 1 1000000 1"},
    "a long line skip": {"line_skip": "1000000000"},
    "a long byte skip": {"byte_skip": "1000000000000"},
    "a negative byte skip": {"byte_skip": "-5"},
    # Teem overruns the buffer of its message about them.
    "sizes of 5000 letters": {"sizes": "a" * 5000},
    "a type of 1100 letters": {"type": "a" * 1100},
    "kinds of 1500 letters": {"kinds": "a" * 1500},
    "an unknown field of 5000 letters": {"unknown": "a" * 5000},
}


def header_rows() -> Iterator[Row]:
    """Headers that say what cannot be."""
    for name, fields in _NRRD_FIELDS.items():
        yield Row(f"NRRD, {name}", "a.nrrd", _nrrd(**fields))
    yield Row("NRRD, only its first line", "a.nrrd", _bytes(b"NRRD0004\n"))
    yield Row("NRRD of a later version", "a.nrrd", _bytes(b"NRRD9999\ntype: short\n\n"))
    yield Row("NRRD, 30,000 comments", "a.nrrd", _bytes(b"NRRD0004\n" + b"# x\n" * 30_000 + b"\n"))
    yield Row("NRRD, a header of 5 MB", "a.nrrd", _bytes(b"NRRD0004\n" + b"# x\n" * 1_250_000))
    yield Row("NRRD, one line of 5 MB", "a.nrrd", _bytes(b"NRRD0004\n# " + b"x" * 5_000_000))
    yield Row("NRRD, a line of 5000 letters", "a.nrrd", _bytes(b"NRRD0004\n" + b"a" * 5000 + b"\n\n"))
    yield Row("NRRD, a bomb", "a.nrrd", _nrrd(encoding="gzip", data=gzip.compress(b"\0" * 200_000_000, 1)))
    sizes: dict[str, tuple[int, ...]] = {
        "32767 cubed": (32767, 32767, 32767), "size 0": (0, 2, 2), "negative": (-2, 2, 2), "no axis": (),
        "seven axes": (2,) * 7, "one axis": (4,), "3000 cubed": (3000, 3000, 3000),
    }  # fmt: skip
    for name, size in sizes.items():
        yield Row(f"NIfTI, {name}", "a.nii", _bytes(_nifti(size)))
        yield Row(f"packed NIfTI, {name}", "a.nii.gz", _bytes(gzip.compress(_nifti(size))))
    for code, bits in ((0, 0), (1, 1), (32, 64), (1536, 128), (128, 24), (999, 7), (4, -16)):
        yield Row(f"NIfTI, type {code} of {bits} bits", "a.nii", _bytes(_nifti((2, 2, 2), code, bits, b"\0" * 128)))
    meta = {
        "10^6 cubed": {"DimSize": _MILLION}, "3000 cubed": {"DimSize": "3000 3000 3000"},
        "size 0": {"DimSize": "0 2 2"}, "negative size": {"DimSize": "-2 2 2"},
        "no size": {"DimSize": ""}, "100 axes": {"NDims": "100"},
        "0 axes": {"NDims": "0"}, "no type": {"ElementType": ""}, "unknown type": {"ElementType": "MET_X"},
        "data elsewhere": {"ElementDataFile": "../../../etc/hostname"}, "no data": {"ElementDataFile": "nothing.raw"},
        "itself as data": {"ElementDataFile": "a.mha"}, "spacing 0": {"ElementSpacing": "0 1 1"},
        "NaN spacing": {"ElementSpacing": "nan 1 1"}, "negative spacing": {"ElementSpacing": "-1 1 1"},
        "a matrix of zeros": {"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "a short matrix": {"TransformMatrix": "1 0"},
        "packed, with the wrong length": {"CompressedData": "True", "CompressedDataSize": "999999999"},
    }  # fmt: skip
    for name, fields in meta.items():
        yield Row(f"MetaImage, {name}", "a.mha", _meta(**fields))


# -- voxels --


def voxel_rows() -> Iterator[Row]:
    """Images that are whole and are no scan, or no label map."""
    image, found = voxels().astype(np.float32), labels()
    nan, infinite = image.copy(), image.copy()
    nan[0, 0, 0], infinite[0, 0, 0] = np.nan, -np.inf
    yield Row("one NaN", "a.nrrd", _saved(nan))
    yield Row("one infinite", "a.nrrd", _saved(infinite))
    yield Row("nothing but NaN", "a.nii", _saved(np.full_like(image, np.nan)))
    yield Row("one voxel", "a.nrrd", _saved(image[:1, :1, :1]))
    yield Row("one slice", "a.nrrd", _saved(image[:1]))
    yield Row("one column", "a.nrrd", _saved(image[:, :, :1]))
    yield Row("two dimensions", "a.nrrd", _saved(image[0]))
    yield Row("four dimensions", "a.nrrd", _saved(np.stack([image, image])))
    yield Row("four dimensions, NIfTI", "a.nii.gz", _saved(np.stack([image, image])))
    yield Row("RGB", "a.nrrd", _saved(np.stack([image.astype(np.uint8)] * 3, -1), True))
    yield Row("RGBA, MetaImage", "a.mha", _saved(np.stack([image.astype(np.uint8)] * 4, -1), True))
    yield Row("complex", "a.nrrd", _saved(image + 1j * image))
    yield Row("complex, NIfTI", "a.nii", _saved((image + 1j * image).astype(np.complex64)))
    yield Row("a constant", "a.nrrd", _saved(np.full_like(image, 3.0)), right=np.full_like(image, 3.0))
    yield Row("64 bits", "a.nrrd", _saved(voxels().astype(np.int64)), right=image)
    for kind, row in _label_maps(found).items():
        right = row if kind.startswith("whole") else None
        yield Row(f"label map, {kind}", "a.nrrd", _saved(row), "label_map", right)


def _label_maps(found: np.ndarray) -> dict[str, np.ndarray]:
    negative, half, nan = found.astype(np.int16), found.astype(np.float32), found.astype(np.float64)
    negative[1, 1, 1], half[1, 1, 1], nan[1, 1, 1] = -1, 0.5, np.nan
    large, huge = found.astype(np.uint32), found.astype(np.float64)
    large[1, 1, 1], huge[1, 1, 1] = 70_000, 1e30
    many = np.arange(100**3, dtype=np.uint32).reshape(100, 100, 100)
    return {
        "negative": negative, "fractional": half, "NaN": nan, "beyond 65535": large, "huge": huge,
        "10^6 values": many, "complex": found.astype(np.complex64),
        "whole numbers as float": found.astype(np.float32),
        "whole numbers of 64 bits": found.astype(np.int64), "whole, empty": np.zeros_like(found),
    }  # fmt: skip


def _other_file_rows() -> Iterator[Row]:
    contents = {
        "empty": b"", "text": b"hello\n", "zeros": b"\0" * 4000, "a zip": b"PK\x03\x04" + b"\0" * 500,
        "a pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        "HTML of a login page": b"<html><body>Sign in</body></html>",
        "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n",
        "gzip of nothing": gzip.compress(b""), "half a gzip": gzip.compress(_nifti((2, 2, 2)))[:30],
        "gzip with a wrong checksum": gzip.compress(_nifti((2, 2, 2)))[:-8] + b"\1" * 8, "random bytes":
        np.random.default_rng(1).bytes(5000),
    }  # fmt: skip
    for name, content in contents.items():
        for file in ("a.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.nhdr"):
            yield Row(f"{name} as {file}", file, _bytes(content))
    yield Row("a folder of that name", "a.nrrd", lambda path: path.mkdir())
    yield Row("a link to itself", "a.nrrd", lambda path: path.symlink_to(path.name))
    yield Row("a link to nothing", "a.nrrd", lambda path: path.symlink_to("nothing"))
    yield Row("not there", "a.nrrd", lambda path: None)


def whole_rows() -> Iterator[Row]:
    """Whole files of each format, which must be read: a reader that refuses everything would pass all other rows."""
    for file in _FORMATS:
        for compressed in (False, True):
            kind = "packed" if compressed else "plain"
            yield Row(f"whole {file}, {kind}", file, _saved(voxels(), compressed=compressed), right=voxels())
    yield Row("as the engine writes it", "a.nrrd", lambda path: write_volume(path, voxels(), GRID), right=voxels())


ROWS = [*whole_rows(), *cut_rows(), *header_rows(), *voxel_rows(), *_other_file_rows()]
