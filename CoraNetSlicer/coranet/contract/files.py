"""Files that are either whole or absent: written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .config.json_text import JsonError, decoded, parse_json
from .errors import JobError, storage_error
from .events import json_text

_RENAME_TRIES = 20
_RENAME_WAIT_S = 0.05
# On the thread of a window, too: no longer than a person notices.
_READ_TRIES = 5
_READ_WAIT_S = 0.02
# What a reader gets while the file is being replaced, on Windows and on network folders.
_MOMENTARY = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EINTR, getattr(errno, "ESTALE", errno.EBUSY)}
_PARTIAL = ".partial."
# Folders that this process works in, and the check before each write there.
_FOLDERS: dict[Path, Callable[[], object]] = {}


@contextmanager
def atomic_path(path: str | Path, rename: Callable[[str, str], None] = os.replace) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    The temporary name keeps the suffix, because image writers choose the format by it.

    Args:
        path: the final file.
        rename: replaces the second path by the first; exchanged in tests.

    Raises:
        StorageError: the file could not be written or renamed; the old file, if any, is untouched.
    """
    path = Path(path)
    # Of this thread: the heartbeat and the work may write the same file.
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}{_PARTIAL}{path.name}")
    try:
        _make_folder(path.parent)
        yield temporary
        _flush_to_disk(temporary)
        _require_same(path)
        _rename_patiently(temporary, path, rename)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        # A scanner may hold it, or its folder is gone: that must not hide what went wrong.
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def not_recreated(folder: str | Path, require: Callable[[], object]) -> Iterator[None]:
    """Inside, `atomic_path` writes below a folder only while it is the one that it was at the beginning.

    A folder that is deleted, moved or replaced while this process works in it would else come back, half filled,
    or the work would go on in another job's folder.

    Args:
        folder: exists.
        require: called before each write below it; raises if it is another folder now.
    """
    _FOLDERS[Path(folder)] = require
    try:
        yield
    finally:
        del _FOLDERS[Path(folder)]


def write_json_atomic(path: str | Path, content: Any) -> None:
    """Write `content` as UTF-8 JSON so that a reader sees the old file or the new one, never a part.

    Names of files that are not UTF-8 come back as they were: see `json_text`.
    """
    text = json_text(content, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write a text for people as UTF-8; bytes of names that are not UTF-8 are written as their numbers.

    Raises:
        StorageError: the file could not be written; the old file, if any, is untouched.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def remove_partial_files(folder: str | Path) -> None:
    """Remove what a process that was killed while it wrote has left below a folder that no other process writes to."""
    for path in Path(folder).rglob(f".*{_PARTIAL}*"):
        with suppress(OSError):
            path.unlink()


def read_json(path: str | Path) -> Any:
    """Read a JSON file of a job.

    Raises:
        JobError: the file is missing or is not JSON; the message names it.
    """
    try:
        return parse_json(decoded(_read_patiently(Path(path))))
    except FileNotFoundError:
        raise JobError(f"'{path}' is missing; choose a folder that CoraNet has written.") from None
    except (OSError, JsonError) as error:
        raise JobError(f"'{path}' cannot be read as JSON ({error}); restore the file or start a new job.") from error


def _make_folder(folder: Path) -> None:
    """Make a folder with those above it, but none that is `not_recreated`."""
    root = _require_same(folder)
    if root is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    for missing in reversed([folder, *folder.parents][: len(folder.parts) - len(root.parts)]):
        # Not with its parents: where `root` has just vanished, this fails.
        missing.mkdir(exist_ok=True)


def _require_same(path: Path) -> Path | None:
    """The folder that is `not_recreated` and that a path lies in, once it was asked for; None: there is none."""
    for root, require in list(_FOLDERS.items()):
        if root == path or root in path.parents:
            require()
            return root
    return None


def _read_patiently(path: Path) -> bytes:
    """The content of a file that may be replaced just now."""
    for _ in range(_READ_TRIES - 1):
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno not in _MOMENTARY:
                raise
            time.sleep(_READ_WAIT_S)
    return path.read_bytes()


def _flush_to_disk(path: Path) -> None:
    # A rename may reach the disk before the data does; without this a power cut can leave an empty file.
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _rename_patiently(source: Path, target: Path, rename: Callable[[str, str], None]) -> None:
    # On Windows a rename is refused while a reader or a virus scanner has the target open for a moment.
    for attempt in range(_RENAME_TRIES):
        try:
            rename(str(source), str(target))
            return
        except PermissionError:
            if attempt == _RENAME_TRIES - 1:
                raise
            time.sleep(_RENAME_WAIT_S)


def remove_folder(folder: str | Path) -> None:
    """Remove a folder that can be made again; what another process still holds open stays."""
    shutil.rmtree(folder, ignore_errors=True)
