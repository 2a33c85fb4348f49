"""Which files and folders of a folder are scans."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError, storage_error

# Longest first: a name ends with ".nii.gz" before it ends with ".gz".
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_DICOM_MAGIC_AT = 128
# A series folder may hold a stray text file or two; more than this is not looked at.
_FILES_LOOKED_AT = 8


def find_images(folder: str | Path) -> list[tuple[str, Path]]:
    """The scans in a folder: image files, and sub-folders (or the folder itself) that hold a DICOM series.

    Args:
        folder: is searched, but of its sub-folders only those that directly hold DICOM files count.

    Returns:
        (name without ending, path) of each, sorted by name.

    Raises:
        DataError: the folder is missing, or holds no scan.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'; choose the folder that holds the images.")
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise storage_error(folder, error) from error
    found = [(image_name(entry), entry) for entry in entries if is_image_file(entry)]
    found += [(entry.name, entry) for entry in entries if entry.is_dir() and _holds_dicom(entry)]
    if not found and _holds_dicom(folder):
        found = [(folder.name, folder)]
    if not found:
        raise DataError(
            f"'{folder}' holds no image; expected files ending with {', '.join(sorted(IMAGE_ENDINGS))}, "
            "or sub-folders with a DICOM series each."
        )
    return sorted(found)


def image_name(path: str | Path) -> str:
    """The name of a scan without the ending of its format; of a folder its own name."""
    name = Path(path).name
    return name[: len(name) - len(_ending_of(name))]


def is_image_file(path: str | Path) -> bool:
    """Whether it is a file whose name ends like that of an image."""
    return Path(path).is_file() and bool(_ending_of(Path(path).name))


def _ending_of(name: str) -> str:
    return next((ending for ending in IMAGE_ENDINGS if name.lower().endswith(ending)), "")


def _holds_dicom(folder: Path) -> bool:
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.is_file())[:_FILES_LOOKED_AT]
        return any(_is_dicom(path) for path in files)
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(_DICOM_MAGIC_AT)
        return file.read(4) == b"DICM"
