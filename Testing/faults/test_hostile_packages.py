"""Models and jobs that somebody else has made: nothing in them runs, reaches beyond them, or takes all memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from amounts import counts
from readers import READERS, answer_of
from valid_files import write_all

from coranet.contract import Case, Datalist, Job, JobKind, Role, delete_job
from coranet.contract.case_names import is_folder_name
from coranet.contract.config import TrainConfig


class _Runs:
    """Pickled, it makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self):
        return os.mkdir, (self._path,)


def _repacked(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write the zip of a torch file anew, with other content of some entries."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def _state(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def _with_first(path: Path, tensor: object) -> None:
    state = dict(_state(path))
    state[next(iter(state))] = tensor
    torch.save(state, path)


def _add_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("archive/data/99", "w") as file:
        for _ in range(64):
            file.write(b"\0" * (1 << 20))


def _climb(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../climbed", b"x")


# What is done to weights.pt, and whether it may be read nevertheless.
WEIGHTS: dict[str, tuple[Callable[[Path, Path], object], bool]] = {
    "a pickle that runs": (lambda path, ran: path.write_bytes(pickle.dumps(_Runs(ran))), False),
    "a pickle that runs, protocol 0": (lambda path, ran: path.write_bytes(pickle.dumps(_Runs(ran), 0)), False),
    "a zip with a pickle that runs": (
        lambda path, ran: _repacked(path, lambda name, old: pickle.dumps(_Runs(ran)) if "pkl" in name else old), False,
    ),
    "torch's old format with one that runs": (
        lambda path, ran: torch.save({"a": _Runs(ran)}, path, _use_new_zipfile_serialization=False), False,
    ),
    "torch's format with one that runs": (lambda path, ran: torch.save({"a": _Runs(ran)}, path), False),
    "a whole module": (lambda path, ran: torch.save(torch.nn.Linear(2, 2), path), False),
    "a list": (lambda path, ran: torch.save([1, 2], path), False),
    "a number": (lambda path, ran: torch.save(5, path), False),
    "no tensors": (lambda path, ran: torch.save({"a": 1, "b": "c"}, path), False),
    "keys that are no names": (lambda path, ran: torch.save({1: torch.ones(2), None: torch.ones(1)}, path), False),
    "empty": (lambda path, ran: path.write_bytes(b""), False),
    "text": (lambda path, ran: path.write_text("hello", encoding="utf-8"), False),
    "zeros": (lambda path, ran: path.write_bytes(b"\0" * 5000), False),
    "missing": (lambda path, ran: path.unlink(), False),
    "a folder": (lambda path, ran: (path.unlink(), path.mkdir()), False),
    "a link to itself": (lambda path, ran: (path.unlink(), path.symlink_to(path.name)), False),
    "a million cubed": (lambda path, ran: _with_first(path, torch.zeros(1).expand(10**6, 10**6, 10**6)), False),
    "a text among tensors": (lambda path, ran: _with_first(path, "x"), False),
    "a tensor less": (lambda path, ran: torch.save(dict(list(_state(path).items())[1:]), path), False),
    "a tensor more": (lambda path, ran: torch.save({**_state(path), "more": torch.ones(3)}, path), False),
    "complex": (lambda path, ran: _with_first(path, torch.zeros(2, dtype=torch.complex64)), False),
    "sparse": (lambda path, ran: _with_first(path, torch.zeros(2, 2).to_sparse()), False),
    "a bomb": (lambda path, ran: _add_bomb(path), True),
    "an entry that climbs": (lambda path, ran: _climb(path), True),
    **{
        f"cut at {share:.0%}": (
            lambda path, ran, share=share: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)]),
            False,
        )
        for share in (0.01, 0.1, 0.3, 0.6, 0.9, 0.99)
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def model(files, tmp_path) -> Path:
    return Path(shutil.copytree(files["model"].parent, tmp_path / "model")) / "model.json"


@pytest.mark.parametrize("row", WEIGHTS)
@pytest.mark.parametrize("file", ["weights.pt", "tensors"])
def test_weights(files, model, tmp_path, row, file):
    spoil, may_be_read = WEIGHTS[row]
    path = model.with_name("weights.pt")
    try:
        spoil(path, tmp_path / "ran")
    except OSError:
        pytest.skip("this system makes no such file")
    counts["hostile weights"] += 1
    answer = answer_of(READERS["tensors"], path) if file == "tensors" else answer_of(READERS["model"], model)
    assert answer.refusal or may_be_read or file == "tensors"
    assert not (tmp_path / "ran").exists(), "what a model brings along has run"
    assert not list(tmp_path.parent.glob("climbed")) and not list(tmp_path.glob("climbed"))


# Keys of a card that would make a network which no memory holds, or none at all.
CARDS = {
    "1024 filters at 12 levels": {"base_filters": 1024, "strides": [[2, 2, 2]] * 11, "kernels": [[3, 3, 3]] * 12},
    "10^9 filters": {"base_filters": 10**9},
    "65536 classes": {"classes": 65536},
    "a kernel of 10^6": {"kernels": [[10**6] * 3, [3, 3, 3]]},
    "10^4 levels": {"strides": [[2, 2, 2]] * 10**4, "kernels": [[3, 3, 3]] * (10**4 + 1)},
    "a patch of 10^6 cubed": {"patch_size_kji": [10**6] * 3},
    "no filters": {"base_filters": 0},
    "one class": {"classes": 1},
    "steps of 0": {"strides": [[0, 0, 0]]},
    "a million channels": {"in_channels": 10**6},
    "another backbone": {"backbone": "../../unet"},
}


@pytest.mark.parametrize("row", CARDS)
def test_networks_of_a_card(model, row):
    content = json.loads(model.read_text(encoding="utf-8"))
    content["architecture"].update(CARDS[row])
    model.write_text(json.dumps(content), encoding="utf-8")
    counts["hostile cards of models"] += 1
    assert answer_of(READERS["model"], model).refusal


# -- jobs --

CLIMBING = (
    "..", ".", "", " ", "...", "../x", "a/../../x", "/etc/x", "a/b", "a\\b", "..\\x", "C:x", "C:\\x",
    "\\\\server\\share",
    "//server/share", "a\0b", "a\nb", "x" * 300, "x:stream", ". .",
)  # fmt: skip


@pytest.mark.parametrize("name", CLIMBING)
def test_names_of_cases(files, name):
    path = files["job_datalist"]
    valid = path.read_bytes()
    content = json.loads(valid)
    content["cases"][0]["id"] = name
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        counts["climbing names"] += 1
        assert answer_of(READERS["job"], files["job"]).refusal
        assert not is_folder_name(name)
    finally:
        path.write_bytes(valid)


@pytest.mark.parametrize("name", ["a", "patient 7", "Müller Ⅱ", "case.1", "..a", "a..b", "x" * 255])
def test_names_that_old_jobs_may_have(name):
    assert is_folder_name(name)


@pytest.fixture
def a_job(tmp_path) -> Callable[..., Job]:
    """Makes a job whose datalist names an image, in a folder with somebody else's files."""

    def make(image: str) -> Job:
        for place in (tmp_path / "mine.txt", tmp_path / "else" / "mine.nrrd"):
            place.parent.mkdir(exist_ok=True)
            place.write_text("mine", encoding="utf-8")
        cases = Datalist((Case("a", Role.UNLABELED, image),))
        job = Job.create(tmp_path / "job", JobKind.TRAIN, TrainConfig.from_preset("quick"), cases)
        (job.folder / "mine.txt").write_text("mine", encoding="utf-8")
        return job

    return make


@pytest.mark.parametrize(
    "image",
    [
        "images/..",
        "images/../..",
        "images/../mine.txt",
        "../mine.txt",
        "images/../../mine.txt",
        "labels/..",
        "images/.",
    ],
)
def test_what_a_list_names_above_a_job_is_not_deleted_with_it(a_job, tmp_path, image):
    delete_job(a_job(image))
    counts["climbing names"] += 1
    for place in (tmp_path / "mine.txt", tmp_path / "job" / "mine.txt", tmp_path / "else" / "mine.nrrd"):
        assert place.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("folder", ["images", "labels", "cache", "model", "checkpoints", "snapshots"])
def test_what_lies_behind_a_link_is_not_deleted_with_a_job(a_job, tmp_path, folder):
    job = a_job("images/mine.nrrd")
    try:
        (job.folder / folder).symlink_to(tmp_path / "else", target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    delete_job(job)
    counts["climbing names"] += 1
    assert (tmp_path / "else" / "mine.nrrd").read_text(encoding="utf-8") == "mine"
