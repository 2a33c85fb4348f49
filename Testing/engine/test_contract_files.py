"""A file of a job is whole or absent, and a failed write leaves the one before."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from small_jobs import environment

from coranet.contract import files
from coranet.contract.errors import JobError, JobTakenError, StorageError
from coranet.contract.files import atomic_path, not_recreated, read_json, remove_folder, write_json_atomic


@pytest.fixture
def a_file(awkward_path):
    path = awkward_path / "state.json"
    write_json_atomic(path, {"value": "old"})
    return path


def everything_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_json_comes_back_as_it_was(a_file):
    content = {"name": "Größe – 心臓", "values": [1, 2.5, None, True]}
    write_json_atomic(a_file, content)
    assert read_json(a_file) == content
    assert "Größe" in a_file.read_text(encoding="utf-8")


def test_a_folder_is_made_for_it(tmp_path):
    write_json_atomic(tmp_path / "a" / "b" / "c.json", 1)
    assert read_json(tmp_path / "a" / "b" / "c.json") == 1


def test_the_temporary_file_keeps_the_suffix_that_image_writers_choose_by(tmp_path):
    with atomic_path(tmp_path / "scan.nii.gz") as temporary:
        assert temporary.name.endswith("scan.nii.gz") and temporary.name.startswith(".")
        temporary.touch()
    assert everything_in(tmp_path) == ["scan.nii.gz"]


def test_not_a_number_is_never_written(a_file):
    with pytest.raises(ValueError):
        write_json_atomic(a_file, {"loss": float("nan")})
    assert read_json(a_file) == {"value": "old"}
    assert everything_in(a_file.parent) == ["state.json"]


def test_an_error_on_the_way_leaves_the_old_file_alone(a_file):
    with pytest.raises(RuntimeError, match="half way"), atomic_path(a_file) as temporary:
        temporary.write_text("half a file", encoding="utf-8")
        raise RuntimeError("half way")
    assert read_json(a_file) == {"value": "old"}
    assert everything_in(a_file.parent) == ["state.json"]


def test_a_failed_rename_leaves_the_old_file_alone(a_file):
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(StorageError, match=r"state\.json' could not be written"), atomic_path(a_file, refuse) as path:
        path.write_text("new", encoding="utf-8")
    assert read_json(a_file) == {"value": "old"}
    assert everything_in(a_file.parent) == ["state.json"]


def test_a_full_disk_leaves_the_old_file_alone(a_file, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match=r"state\.json' could not be written because the disk is full"):
        write_json_atomic(a_file, {"value": "new"})
    assert read_json(a_file) == {"value": "old"}
    assert everything_in(a_file.parent) == ["state.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of a file")
def test_a_file_beyond_the_limit_of_the_system_leaves_the_old_file_alone(a_file, repository):
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from coranet.contract.errors import StorageError\n"
        "from coranet.contract import write_json_atomic\n"
        "try: write_json_atomic(sys.argv[1], 'x' * 5000)\n"
        "except StorageError as error: sys.stdout.write(str(error))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(a_file)], env=environment(PYTHONPATH=str(repository / "CoraNetSlicer")),
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert answer.stdout.startswith(f"'{a_file}' could not be written because the disk is full")
    assert read_json(a_file) == {"value": "old"}
    assert everything_in(a_file.parent) == ["state.json"]


def test_a_rename_that_is_refused_for_a_moment_is_tried_again(a_file, monkeypatch):
    monkeypatch.setattr(files, "_RENAME_WAIT_S", 0.0)
    refusals = iter([PermissionError(errno.EACCES, "in use"), PermissionError(errno.EACCES, "in use")])

    def rename(source: str, target: str) -> None:
        for error in refusals:
            raise error
        os.replace(source, target)

    with atomic_path(a_file, rename) as path:
        path.write_text('"new"', encoding="utf-8")
    assert read_json(a_file) == "new"


def test_a_rename_that_is_refused_for_good_is_an_error(a_file, monkeypatch):
    monkeypatch.setattr(files, "_RENAME_WAIT_S", 0.0)
    tries = []

    def rename(source: str, target: str) -> None:
        tries.append(source)
        raise PermissionError(errno.EACCES, "in use")

    with pytest.raises(StorageError, match="in use"), atomic_path(a_file, rename) as path:
        path.write_text("new", encoding="utf-8")
    assert len(tries) > 5


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(JobError, match=r"job\.json' is missing"):
        read_json(tmp_path / "job.json")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(JobError, match=r"job\.json' cannot be read as JSON"):
        read_json(tmp_path / "job.json")


def test_a_folder_is_removed_and_a_missing_one_is_no_error(tmp_path):
    (tmp_path / "cache" / "deep").mkdir(parents=True)
    remove_folder(tmp_path / "cache")
    remove_folder(tmp_path / "cache")
    assert everything_in(tmp_path) == []


class TestAFolderThatIsNeverMadeAgain:
    def test_folders_in_it_are_made(self, tmp_path):
        with not_recreated(tmp_path, lambda: None):
            write_json_atomic(tmp_path / "a" / "b" / "c.json", {})
            write_json_atomic(tmp_path / "d.json", {})
        assert (tmp_path / "a" / "b" / "c.json").is_file() and everything_in(tmp_path) == ["a", "d.json"]

    def test_it_is_not_made_itself(self, tmp_path):
        folder = tmp_path / "job"
        folder.mkdir()
        with not_recreated(folder, lambda: None):
            folder.rmdir()
            with pytest.raises(StorageError):
                write_json_atomic(folder / "a" / "b.json", {})
            assert not folder.exists()
        write_json_atomic(folder / "a" / "b.json", {})
        assert folder.is_dir()

    def test_others_are_made(self, tmp_path):
        with not_recreated(tmp_path / "job", pytest.fail):
            write_json_atomic(tmp_path / "job 2" / "a.json", {})
        assert everything_in(tmp_path) == ["job 2"]

    def test_a_file_that_was_begun_in_it_does_not_come_into_another(self, a_file):
        a_file.write_text("the other one's")
        calls = []

        def require() -> None:
            calls.append(1)
            if len(calls) == 2:
                raise JobTakenError("another job.")

        with not_recreated(a_file.parent, require), pytest.raises(JobTakenError):
            write_json_atomic(a_file, {})
        assert a_file.read_text() == "the other one's" and len(everything_in(a_file.parent)) == 1


@pytest.fixture
def held(monkeypatch):
    """A scanner holds each new file: none can be taken away."""

    def refuse(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "used by another process", str(path))

    monkeypatch.setattr(files.Path, "unlink", refuse)


def test_a_temporary_file_that_is_held_does_not_hide_what_went_wrong(a_file, held, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush_to_disk", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_json_atomic(a_file, {"value": "new"})
    assert read_json(a_file) == {"value": "old"}


def test_a_temporary_file_that_is_held_is_no_error_of_a_write_that_went_well(a_file, held):
    write_json_atomic(a_file, {"value": "new"})
    assert read_json(a_file) == {"value": "new"}
