"""ITK at work: its images, its warnings in the log, its errors in a sentence."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..contract.errors import DataError, storage_error
from .file_names import utf8_names
from .grid import Grid

_log = logging.getLogger("coranet")

# Of ITK's sentence on a NIfTI file whose axes are rounded, or a little sheared.
_NO_RIGHT_ANGLES = "orthonormal"

_reading = threading.local()
_readers = {"count": 0}
_lock = threading.Lock()

# ITK's warnings on the terminal do not name the file; while a file is read they go to the log.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def _to_the_log(text: str) -> None:
    message = " ".join(text.split())
    if message:
        _log.info("ITK on '%s': %s", getattr(_reading, "path", "an image"), message)


# SimpleITK before 2.3 cannot hand its warnings on.
if hasattr(sitk, "LoggerBase"):

    class _ItkLog(sitk.LoggerBase):
        """Takes what ITK would print."""

        def DisplayText(self, text: str) -> None:  # noqa: N802 - ITK's name
            """Of any kind."""
            _to_the_log(text)

        DisplayErrorText = DisplayWarningText = DisplayGenericOutputText = DisplayDebugText = DisplayText

    # Kept as long as the process: ITK holds no reference to it.
    _make_log: Any = _ItkLog
    _itk_log = _make_log()
    _itk_log.SetAsGlobalITKLogger()


@contextmanager
def itk_reads(path: Path, files: Sequence[Path] = (), remedy: str = "") -> Iterator[list[str]]:
    """While ITK reads a file: warnings to the log, errors as a sentence. Files may be read in several threads.

    Args:
        path: what was asked for, for messages.
        files: what ITK opens; none: `path`.
        remedy: what to do where that is not possible; "": see that the file is whole.

    Returns:
        Names of the files that ITK can take.

    Raises:
        DataError: ITK cannot read the file.
    """
    _reading.path = path
    _count_readers(1)
    try:
        with utf8_names(files or (path,)) as names:
            yield names
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        if _NO_RIGHT_ANGLES in reason:
            raise DataError(
                f"'{path}' has axes that are not quite at right angles (its sform), which neither ITK nor Slicer "
                "reads; correct them with nibabel (image.set_qform(image.affine), "
                "image.set_sform(image.get_qform())) and save it again."
            ) from error
        raise DataError(
            f"'{path}' cannot be read as an image ({reason}); "
            + (remedy or "check that it is an image and complete, or export it again.")
        ) from error
    finally:
        _count_readers(-1)


def _count_readers(change: int) -> None:
    with _lock:
        _readers["count"] += change
        sitk.ProcessObject.SetGlobalWarningDisplay(hasattr(sitk, "LoggerBase") and _readers["count"] > 0)


def image_of(voxels: npt.NDArray[Any], grid: Grid) -> sitk.Image:
    """An image of ITK's, a copy."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def grid_of(image: Any) -> Grid:
    """The first three axes of an image of ITK's, or of a reader that has read a header."""
    matrix = np.array(image.GetDirection())
    size = int(np.sqrt(matrix.size))
    direction = tuple(float(part) for part in matrix.reshape(size, size)[:3, :3].ravel())
    return Grid(tuple(image.GetSize()[:3]), tuple(image.GetSpacing()[:3]), tuple(image.GetOrigin()[:3]), direction)


def write_error(path: Path, error: RuntimeError) -> Exception:
    """The sentence for a file that ITK could not write."""
    # ITK reports a full disk as a plain RuntimeError without errno; ask the disk itself.
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    code = errno.ENOSPC if free < 64 * 2**20 else 0
    return storage_error(path, OSError(code, str(error).strip().splitlines()[-1].strip()))
