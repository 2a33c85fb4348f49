"""Which files and folders are scans, which are left out and why, and which cannot be read under their name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from .errors import DataError
from .image_headers import has_unreadable_header
from .listed_paths import same_letters

# Longest first: a name ends with ".nii.gz" before it ends with ".gz".
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
SEGMENTATION_ENDING = ".seg.nrrd"
# Of these the readers know the name in small letters and in capitals, of the others in small letters alone.
_ALSO_IN_CAPITALS = (".nii.gz", ".nii", ".nrrd", ".nhdr")
_OTHER_FORMATS = (
    ".img", ".img.gz", ".hdr", ".hdr.gz", ".mgz", ".mgh", ".mnc", ".gipl", ".nii.bz2", ".nii.xz", ".nii.zst",
    ".nrrd.gz", ".mha.gz", ".tif", ".tiff", ".vti", ".vtk", ".h5", ".hdf5", ".npy", ".npz", ".par", ".v", ".hv",
)  # fmt: skip
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
# Beside a header they are its voxels.
_VOXELS_OF_A_HEADER = (".raw", ".zraw", ".raw.gz", ".raw.bz2", ".img", ".gz", ".bz2", ".bin", ".dat")
_HEADERS = (".nhdr", ".mhd")
_SURELY_NO_DICOM = (
    ".txt", ".json", ".csv", ".tsv", ".xml", ".html", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".py", ".md", ".mrml",
    ".xlsx", ".docx", ".log", ".yaml", ".yml", ".raw", ".zraw", ".gz", ".zip", ".bval", ".bvec", ".mat", ".h5", ".npy",
    ".npz",
)  # fmt: skip
_DICOM_MAGIC_AT = 128
# The index of a CD or of an export: its name, and its class near the beginning, by the standard.
_INDEX_NAME, _INDEX_CLASS, _INDEX_CLASS_WITHIN = "dicomdir", b"1.2.840.10008.1.3.10\0", 512
# A file of DICOM without its preamble begins with one of these elements, little-endian: (0002, 0000), (0008, 0000), ...
_FIRST_ELEMENTS = (b"\2\0\0\0", b"\x08\0\0\0", b"\x08\0\1\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
# Pointers of Git LFS and git-annex to files that were not fetched are shorter.
_LONGEST_POINTER = 512
_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex/", b".git/annex/")
_NAMES_IN_A_SENTENCE = 5


@dataclass(frozen=True)
class FolderScans:
    """What a folder holds.

    Attributes:
        scans: (name without ending, path) of each, sorted by name.
        left_out: what else there is and why it is left out, a sentence for each reason.
    """

    scans: tuple[tuple[str, Path], ...]
    left_out: tuple[str, ...] = ()


def find_images(folder: Union[str, Path]) -> list[tuple[str, Path]]:
    """The scans of `scans_in`, without what is left out."""
    return list(scans_in(folder).scans)


def scans_in(folder: Union[str, Path], ending: str = "", of_labels: bool = False) -> FolderScans:
    """The scans in a folder: image files, sub-folders that hold a DICOM series, and the series in the folder itself.

    Args:
        folder: is searched, but of its sub-folders only those that directly hold DICOM files count.
        ending: of the names that count (nnU-Net's "file_ending"); "": that of any image.
        of_labels: label maps are looked for, so that segmentations of Slicer (.seg.nrrd) count.

    Raises:
        DataError: the folder is missing, or holds no scan.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'; choose the folder that holds the images.")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"the folder '{folder}' cannot be read ({error.strerror or error}); make it readable, or choose another."
        ) from error
    sorting = _Sorting(folder)
    for entry in entries:
        sorting.take(entry, _reason_to_leave_out(entry, ending, of_labels))
    return sorting.result()


class _Sorting:
    """Separates the scans of a folder from what is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[tuple[str, Path]] = []
        self._others: list[Path] = []
        self._reasons: dict[str, list[str]] = {}

    def take(self, entry: Path, reason: str) -> None:
        """Look at an entry, for which there may be a reason to leave it out."""
        if reason:
            self._leave_out([entry.name], reason)
        elif entry.name.startswith(".") or _is_dicom_index(entry):
            return  # what systems and programs keep for themselves
        elif is_image_file(entry):
            self._found.append((image_name(entry), entry))
        elif entry.is_dir() and _holds_dicom(entry):
            self._found.append((entry.name, entry))
            beside = [f"{entry.name}/{path.name}" for path in _visible(entry) if is_image_file(path)]
            self._leave_out(beside, _IN_A_SERIES)
        else:
            self._others.append(entry)

    def result(self) -> FolderScans:
        """All that was found.

        Raises:
            DataError: there is no scan.
        """
        files, folders = (
            [other for other in self._others if other.is_dir() is is_folder] for is_folder in (False, True)
        )
        if _is_any_dicom(files):
            self._found.append((self._folder.name, self._folder))
            files = [entry for entry in files if not _may_be_dicom(entry)]
        self._leave_out([entry.name for entry in files if not _are_voxels(entry, self._found)], _NO_IMAGES)
        self._leave_out([entry.name for entry in folders if _visible(entry)], _NOT_SEARCHED)
        left_out = [f"in '{self._folder}' {_left_out(names, reason)}" for reason, names in self._reasons.items()]
        if not self._found:
            raise _no_scan(self._folder, left_out, folders)
        return FolderScans(tuple(sorted(self._found)), tuple(left_out))

    def _leave_out(self, names: Sequence[str], reason: str) -> None:
        if names:
            self._reasons.setdefault(reason, []).extend(names)


def holds_images(folder: Union[str, Path]) -> bool:
    """Whether a folder directly holds image files or a DICOM series."""
    folder = Path(folder)
    return any(is_image_file(path) for path in _visible(folder)) or _holds_dicom(folder)


def image_name(path: Union[str, Path]) -> str:
    """The name of a scan without the ending of its format; of a folder its own name."""
    name = Path(path).name
    return same_letters(name[: len(name) - len(ending_of(name))])


def is_image_file(path: Union[str, Path]) -> bool:
    """Whether it is a file whose name ends like that of an image."""
    return Path(path).is_file() and bool(ending_of(Path(path).name))


def ending_of(name: str) -> str:
    """The ending of an image's format, in small letters; "" if the name has none."""
    return next((ending for ending in IMAGE_ENDINGS if name.lower().endswith(ending)), "")


def require_readable(path: Union[str, Path]) -> None:
    """Raise DataError, saying why, where a file or folder cannot be the image that its name says.

    The readers of both processes check here before they read, so that both agree.
    """
    path = Path(path)
    if not path.exists():
        reason = _NOT_FETCHED if path.is_symlink() else "does not exist; correct the path"
        raise DataError(f"'{path}' {reason}.")
    reason = _unreadable_name(path)
    if reason:
        raise DataError(f"'{path}' {reason}.")
    if path.is_file() and ending_of(path.name) in (".nrrd", ".nhdr") and has_unreadable_header(path):
        raise DataError(
            f"'{path}' cannot be read: its header has no end within the first megabyte or 20,000 lines, or a field of "
            "more than 500 bytes; copy or download the file again."
        )


def names_in_words(names: Sequence[str]) -> str:
    """Some names in a sentence, and how many more there are."""
    shown = [f"'{name}'" for name in names[:_NAMES_IN_A_SENTENCE]]
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


_NOT_FETCHED = (
    "is a link to a file that is not there; fetch the file ('git annex get' or 'datalad get' where a data set is kept "
    "so), or restore it"
)
_POINTER = "is a Git pointer, not the file itself; fetch the file ('git lfs pull' or 'git annex get')"
_BESIDE_NII = "has a file without '.gz' beside it, with which it would be confused; move or rename one of them"
_INDEX = "is the index of a DICOM export, not an image; give the folder of a series"
_CAPITALS = "has an ending in capital letters, which image readers do not know; rename it in lower case"
_HIDDEN = "begins with a dot, as hidden files do; rename it if it is a scan"
_SEGMENTATION = "is a segmentation by its ending '.seg.nrrd', not a scan; rename it if it is one"
_OTHER_FORMAT = "has a format that CoraNet does not read; convert it to .nii.gz or .nrrd"
_ARCHIVE = "is an archive; unpack it"
_NO_IMAGES = "has no image file ending"
_NOT_SEARCHED = "is a sub-folder without a DICOM series in it, which is not searched; give it as an input of its own"
_IN_A_SERIES = "lies in a sub-folder that is read as a DICOM series; move it out"


def _reason_to_leave_out(entry: Path, ending: str, of_labels: bool) -> str:
    """Why an entry of a folder is not taken for a scan, though it looks like one; "" if it is, or is something else."""
    name = entry.name.lower()
    if name.startswith("."):
        return _HIDDEN if ending_of(name) and not name.startswith("._") else ""
    if entry.is_dir():
        return ""
    if not entry.exists():
        return _NOT_FETCHED
    if ending_of(name):
        if ending and not name.endswith(ending.lower()):
            return f"does not end with '{ending}', which dataset.json names as its file_ending"
        if name.endswith(SEGMENTATION_ENDING) and not of_labels:
            return _SEGMENTATION
        return _unreadable_name(entry)
    if name.endswith(_ARCHIVES):
        return _ARCHIVE
    return _OTHER_FORMAT if name.endswith(_OTHER_FORMATS) and not _has_header(entry) else ""


def _unreadable_name(path: Path) -> str:
    """Why a file that exists would not be read, or another one in its place; "" if there is no reason."""
    if _is_dicom_index(path):
        return _INDEX
    ending = ending_of(path.name)
    if not ending or not path.is_file():
        return ""
    written = path.name[len(path.name) - len(ending) :]
    if written not in (ending, ending.upper() if ending in _ALSO_IN_CAPITALS else ending):
        return _CAPITALS
    # Asked for x.nii.gz, ITK reads x.nii where that exists, without a word.
    if ending == ".nii.gz" and path.with_name(path.name[:-3]).exists():
        return _BESIDE_NII
    return _POINTER if _is_pointer(path) else ""


def _is_pointer(path: Path) -> bool:
    try:
        if not 0 < path.stat().st_size < _LONGEST_POINTER:
            return False
        return path.read_bytes().startswith(_POINTERS)
    except OSError:
        return False


def _left_out(names: Sequence[str], why: str) -> str:
    if len(names) == 1:
        return f"{names_in_words(names)} is left out: it {why}."
    return f"{len(names)} entries are left out, {names_in_words(names)}: each {why}."


def _no_scan(folder: Path, left_out: Sequence[str], folders: Iterable[Path]) -> DataError:
    expected = f"expected files ending with {', '.join(sorted(IMAGE_ENDINGS))}, or sub-folders with a DICOM series each"
    deeper = [entry.name for entry in folders if any(is_image_file(path) for path in _visible(entry))]
    if deeper:
        do, which = ("does", "that folder") if len(deeper) == 1 else ("do", "one of these folders")
        return DataError(
            f"'{folder}' holds no image itself, but {names_in_words(deeper)} {do}; give {which}, or list the cases in "
            "a dataset.json."
        )
    reasons = [_capital(sentence) for sentence in left_out if _NO_IMAGES not in sentence]
    return DataError(" ".join([f"'{folder}' holds no image; {expected}.", *reasons[:2]]))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def _has_header(voxels: Path) -> bool:
    stem = voxels.name.split(".")[0]
    return any(voxels.with_name(stem + ending).exists() for ending in (*_HEADERS, ".nrrd", ".mha"))


def _are_voxels(entry: Path, scans: Sequence[tuple[str, Path]]) -> bool:
    """Whether a file holds the voxels of a header beside it."""
    headers = [path.name[: -len(ending_of(path.name))] for _, path in scans if path.name.lower().endswith(_HEADERS)]
    return entry.name.lower().endswith(_VOXELS_OF_A_HEADER) and any(entry.name.startswith(name) for name in headers)


def _holds_dicom(folder: Path) -> bool:
    return _is_any_dicom(entry for entry in _visible(folder) if entry.is_file())


def _is_any_dicom(files: Iterable[Path]) -> bool:
    return any(is_dicom_file(path) for path in files if _may_be_dicom(path))


def _may_be_dicom(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and not name.startswith(".") and not ending_of(name) and not name.endswith(_SURELY_NO_DICOM)


def _is_dicom_index(path: Path) -> bool:
    return path.name.lower() == _INDEX_NAME and path.is_file()


def is_dicom_file(path: Path) -> bool:
    """Whether a file is a slice, or several, of DICOM, by its content; files that begin with a dot are none.

    Nor is the index of a CD or of an export, in whose folder other folders hold the images.
    """
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_INDEX_CLASS_WITHIN)
    except OSError:
        return False
    if head[_DICOM_MAGIC_AT : _DICOM_MAGIC_AT + 4] == b"DICM":
        return _INDEX_CLASS not in head
    # Then the name of a type in two capitals, or a length below 65536.
    return head[:4] in _FIRST_ELEMENTS and (head[4:6].isupper() or head[6:8] == b"\0\0")
