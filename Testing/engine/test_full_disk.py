"""A full disk is told in one sentence, leaves what was written before, and the job goes on when there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from small_jobs import ENGINE, call, environment, errors_in, the_only_error, training_job

from coranet.contract import files as job_files
from coranet.tensors import load_tensors


@pytest.mark.slow
def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(a_phantom_set, tmp_path, capsys, monkeypatch):
    job = training_job(tmp_path / "job", a_phantom_set)
    flush, saved = job_files._flush_to_disk, []

    def full_from_the_second_checkpoint_on(path: Path) -> None:
        saved.extend([path] if path.name.endswith("last.pt") else [])
        if len(saved) >= 2:
            raise OSError(28, "No space left on device")
        flush(path)

    monkeypatch.setattr(job_files, "_flush_to_disk", full_from_the_second_checkpoint_on)
    assert call("train", a_phantom_set, "--output", job.folder, "--resume") == 7
    error = the_only_error(capsys)
    assert (
        "last.pt' could not be written because the disk is full; free some space and run again with --resume" in error
    )
    assert load_tensors(job.last_checkpoint_path)["step"] == 3
    monkeypatch.undo()
    assert call("train", a_phantom_set, "--output", job.folder, "--resume") == 0
    assert load_tensors(job.last_checkpoint_path)["step"] == 10


LIMITED = """
import resource, runpy, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of a file")
@pytest.mark.parametrize("limit", [100, 12_000, 25_000])
def test_a_disk_without_room_is_told_by_a_real_process(a_phantom_set, tmp_path, limit):
    job = training_job(tmp_path / "job", a_phantom_set)
    with open(job.log_path, "wb") as log:
        log.write(b" " * 200)
    args = ["train", str(a_phantom_set), "--output", str(job.folder), "--resume"]
    answer = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), str(ENGINE), *args],
        env=environment(), capture_output=True, text=True, encoding="utf-8", check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert answer.returncode == 7
    (error,) = errors_in(answer.stderr)
    assert "could not be written because the disk is full; free some space" in error
    assert str(job.folder) in error
    assert "Logging error" not in answer.stderr and "Exception ignored" not in answer.stderr
    assert not list(job.folder.rglob("*.partial.*"))
    assert call("train", a_phantom_set, "--output", job.folder, "--resume") == 0
