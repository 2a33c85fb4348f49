"""How large a job is, and its end. What a job did not make is never deleted, even if it lies in the job's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .directory import Job
from .errors import CoraNetError, JobError, storage_error
from .status import JobStatus


def job_size(job: Job) -> int:
    """What would be deleted with a job, in bytes."""
    return sum(file.lstat().st_size for part in _parts(job) for file in _files(part))


def delete_job(job: Job) -> bool:
    """Delete a job.

    Its folder may be one that a person chose and that holds other files, too: those stay, and the folder with them.

    Returns:
        Whether the folder is gone.

    Raises:
        JobError: a process works on the job.
        StorageError: something could not be deleted; the folder is no job any more, but holds what remained.
    """
    if job.status() is JobStatus.RUNNING:
        raise JobError(f"'{job.folder}' is running; stop it before you delete it.")
    parts = _parts(job)
    try:
        for part in parts:
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            elif part.exists():
                part.unlink()
        for folder in (job.images_folder, job.labels_folder, job.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise storage_error(error.filename or job.folder, error) from error
    return not job.folder.exists()


def _parts(job: Job) -> list[Path]:
    """All that is the job's own; first the file without which a folder is no job, so that half a job is none."""
    return [*job.own_paths, *_exported(job), *job.folder.glob(".*.partial.*")]


def _exported(job: Job) -> list[Path]:
    """Images and label maps that were written for the job; scans that it only names are not its own."""
    try:
        cases = job.read_relative_datalist().cases
    except CoraNetError:
        return []
    # A linked folder does not belong to the job, nor do files above it that a manipulated list names.
    own_folders = [folder.name for folder in (job.images_folder, job.labels_folder) if not folder.is_symlink()]
    named = [Path(path) for case in cases for path in case.files]
    return [job.folder / path for path in named if str(path.parent) in own_folders and path.name not in ("", "..")]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for folder, _, names in os.walk(path):
            yield from (Path(folder) / name for name in names)
    elif path.exists():
        yield path
