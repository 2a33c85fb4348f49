"""Tensors in files that are either whole or absent, and from which nothing can run."""

from __future__ import annotations

import errno
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from .contract.errors import JobError, storage_error
from .contract.files import atomic_path

# What torch raises depends on the bytes it meets.
_DAMAGED = (
    OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError, pickle.UnpicklingError,
    ArithmeticError, AssertionError, ImportError, MemoryError, struct.error,
)  # fmt: skip


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors to a file that is either whole or absent.

    Raises:
        StorageError: it could not be written.
    """
    with atomic_path(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:
            # torch reports a full disk as a RuntimeError of its zip writer.
            cause = error if isinstance(error, OSError) else OSError(errno.ENOSPC, str(error))
            raise storage_error(path, cause) from error


def load_tensors(path: Path) -> dict[str, Any]:
    """Read tensors; nothing in the file can run code.

    Raises:
        JobError: the file is absent or damaged.
    """
    try:
        with warnings.catch_warnings():
            # Of what is in the file; whether it can be used is checked below.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise JobError(f"'{path}' is missing; nothing was saved yet, start a new job.") from None
    except _DAMAGED as error:
        raise JobError(f"'{path}' is damaged ({type(error).__name__}); start a new job.") from error
    if not isinstance(content, dict):
        raise JobError(f"'{path}' is damaged (it holds a {type(content).__name__}); start a new job.")
    return content
