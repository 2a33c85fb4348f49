"""Errors for people: each message is one sentence with what was expected, what came and what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path

# Exit code of an unexpected error.
UNEXPECTED = 70

# What the allocators of processors, CUDA, its libraries and MPS say.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|STATUS_ALLOC_FAILED|bad_alloc|bad allocation"
    # oneDNN without memory for its plan of a convolution; Python without memory for a thread's stack.
    r"|could not create a (primitive|memory object)|can't start new thread"
)
# What loaders of libraries say; many modules are loaded late. Without a right to run them from there, they say more.
_NO_ROOM_FOR_LIBRARY = re.compile(
    r"failed to map segment from shared object(?!: Operation not permitted)|cannot allocate memory"
    r"|paging file is too small",
    re.IGNORECASE,
)
_WINDOWS_COMMITMENT_LIMIT = 1455

# What is longer is cut in its middle: a message that quotes a damaged file must not be as long as the file.
_LONGEST = 2000


def is_memory_error(error: BaseException) -> bool:
    """Whether an error means that memory ran out, by its type or its message, without importing PyTorch."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_COMMITMENT_LIMIT
    if isinstance(error, ImportError):
        return _NO_ROOM_FOR_LIBRARY.search(str(error)) is not None
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None
    )


class CoraNetError(Exception):
    """Base of every expected error; its text is shown to the user as it is, without a traceback."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(str(message)))


class ConfigError(CoraNetError):
    """A setting has an unknown name or a value outside its range."""

    exit_code = 2


class DataError(CoraNetError):
    """An image, a label or a datalist cannot be used."""

    exit_code = 3


class ModelError(CoraNetError):
    """A model folder is missing, incomplete, or does not fit the input."""

    exit_code = 4


class JobError(CoraNetError):
    """A job directory is missing, damaged, or in use by another process."""

    exit_code = 5


class JobTakenError(JobError):
    """Another process has taken the job over meanwhile; this one must write nothing more."""


class DeviceError(CoraNetError):
    """The chosen computing device is absent or too small."""

    exit_code = 6


class StorageError(CoraNetError):
    """A file could not be written: the disk is full, read-only or the path is not allowed."""

    exit_code = 7


class PackageError(CoraNetError):
    """A Python package that the engine needs is missing."""

    exit_code = 8


class JobCancelled(CoraNetError):
    """The job was asked to stop and did so at a safe point; its checkpoint is on disk."""

    exit_code = 130


def _codes(*names: str) -> frozenset[int]:
    """The numbers of some errors of the operating system, as far as this one knows them."""
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_NO_SPACE = _codes("ENOSPC", "EFBIG", "EDQUOT")
# Errors of the operating system, and what to do about them.
_REMEDIES = (
    (_codes("EACCES", "EPERM", "EROFS"), "choose a folder in which you may write"),
    (_codes("EMFILE", "ENFILE"), "too many files are open: close other programs, or raise the limit ('ulimit -n')"),
    (_codes("ENAMETOOLONG"), "its name or path is too long: choose a folder with a shorter one"),
    (
        _codes("EISDIR", "ENOTDIR", "EEXIST", "ENOTEMPTY"),
        "a file or folder of that name already exists: choose another",
    ),
    (
        _codes("EIO", "ESTALE", "ENODEV", "ENXIO", "EHOSTDOWN", "EHOSTUNREACH", "ETIMEDOUT", "ENOTCONN", "EREMOTEIO"),
        "its disk or network folder does not answer: check it, and continue with --resume",
    ),
    (_codes("ENOENT"), "it or its folder is gone: put it back, and continue with --resume"),
    (_codes("ETXTBSY", "EBUSY"), "it is open in another program: close that program"),
)
_OTHER_REMEDY = "check its folder and the space there"


def missing_package(error: ModuleNotFoundError) -> PackageError:
    """The error for a missing package, with how to get it."""
    return PackageError(f"the package '{error.name}' is missing; 'coranet doctor' says how to install it.")


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """The sentence for a failed write.

    Args:
        path: the file that could not be written.
        error: of the operating system.

    Returns:
        A StorageError that names the file and what to do.
    """
    return _file_error(path, error, "could not be written")


def file_error(path: str | Path, error: OSError) -> StorageError:
    """As `storage_error`, where it is unknown whether the file was read or written."""
    return _file_error(path, error, "could not be read or written")


def _file_error(path: str | Path, error: OSError, failure: str) -> StorageError:
    if error.errno in _NO_SPACE:
        return StorageError(
            f"'{path}' could not be written because the disk is full; free some space and run again with --resume "
            "(everything written before is intact)."
        )
    remedy = next((remedy for codes, remedy in _REMEDIES if error.errno in codes), _OTHER_REMEDY)
    return StorageError(f"'{path}' {failure} ({error.strerror or error}); {remedy}.")


def _one_line(text: str) -> str:
    """A text on one line, as a terminal and an event show it; the middle of a very long one is left out."""
    line = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 600]} ... {line[-500:]}"


def reason_of(error: Exception) -> str:
    """What an error says without what to do, for a sentence that says itself what to do."""
    first, *more = str(error).splitlines() or [""]
    # torch goes on with each weight's name.
    sentence = first.rstrip(":") if more else first
    return sentence.rpartition("; ")[0] or sentence.rstrip(".") if isinstance(error, CoraNetError) else sentence
