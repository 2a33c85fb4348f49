"""Tensors on disk are whole or absent, and cannot run code."""

from __future__ import annotations

import errno
import io
import pickle

import pytest
import torch

from coranet.contract.errors import JobError, StorageError
from coranet.tensors import load_tensors, save_tensors


@pytest.fixture
def a_checkpoint(awkward_path):
    path = awkward_path / "checkpoints" / "last.pt"
    save_tensors(path, {"weights": torch.arange(6.0).reshape(2, 3), "step": 3, "best": None, "names": ["ü"]})
    return path


def test_tensors_come_back_as_they_were(a_checkpoint):
    content = load_tensors(a_checkpoint)
    assert torch.equal(content["weights"], torch.arange(6.0).reshape(2, 3))
    assert (content["step"], content["best"], content["names"]) == (3, None, ["ü"])


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file")]
)
def test_a_full_disk_leaves_the_old_file_alone(a_checkpoint, monkeypatch, error):
    def fail(content, file) -> None:
        file.write(b"half a file")
        raise error

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(StorageError, match=r"last\.pt' could not be written because the disk is full"):
        save_tensors(a_checkpoint, {"step": 4})
    assert load_tensors(a_checkpoint)["step"] == 3
    assert [path.name for path in a_checkpoint.parent.iterdir()] == ["last.pt"]


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(JobError, match=r"last\.pt' is missing"):
        load_tensors(tmp_path / "last.pt")


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "text"])
def test_a_damaged_file_is_named(a_checkpoint, damage):
    whole = a_checkpoint.read_bytes()
    content = {"empty": b"", "cut": whole[: len(whole) // 2], "garbage": b"\x80\x02garbage", "text": b"hello"}[damage]
    a_checkpoint.write_bytes(content)
    with pytest.raises(JobError, match=r"last\.pt' is damaged"):
        load_tensors(a_checkpoint)


class Intruder:
    """Runs a function when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def test_a_file_from_a_stranger_cannot_run_code(a_checkpoint):
    torch.save({"weights": Intruder()}, a_checkpoint)
    with pytest.raises(JobError, match=r"last\.pt' is damaged"):
        load_tensors(a_checkpoint)
    buffer = io.BytesIO()
    pickle.dump({"weights": Intruder()}, buffer, protocol=2)
    a_checkpoint.write_bytes(buffer.getvalue())
    with pytest.raises(JobError, match=r"last\.pt' is damaged"):
        load_tensors(a_checkpoint)


def test_a_tensor_alone_is_not_what_was_expected(a_checkpoint):
    torch.save(torch.zeros(3), a_checkpoint)
    with pytest.raises(JobError, match=r"last\.pt' is damaged"):
        load_tensors(a_checkpoint)
