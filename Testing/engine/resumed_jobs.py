"""What the tests of --resume share: a training that was begun, and a folder of scans that grows."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from small_jobs import call, settings

from coranet.command_line import cli
from coranet.job_process import launch

SEGMENT = ("--set", "machine.threads=1", "--set", "machine.device=cpu")


@pytest.fixture
def worked_on(monkeypatch) -> list:
    """The work that would be done, each on its job."""
    jobs: list = []
    monkeypatch.setattr(cli, "_claimed", lambda work: nullcontext(jobs.append(work)))
    monkeypatch.setattr(launch, "worker_for", lambda *arguments: lambda *more: 0)
    return jobs


@pytest.fixture
def scans(a_phantom_set, tmp_path) -> Path:
    """The dataset.json of a copy of the phantoms that a test may change."""
    return shutil.copytree(a_phantom_set.parent, tmp_path / "scans") / "dataset.json"


@pytest.fixture
def a_training(scans, tmp_path, worked_on) -> Path:
    """The folder of a training that was begun."""
    assert call("train", scans, "--output", tmp_path / "job", *settings()) == 0
    worked_on.clear()
    return tmp_path / "job"


def change(path: Path, **changes) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


def rows(path: Path, key: str) -> list:
    return json.loads(path.read_text(encoding="utf-8"))[key]


def swap_the_labels(path: Path) -> None:
    first, second, *others = rows(path, "training")
    change(path, training=[{**first, "label": second["label"]}, {**second, "label": first["label"]}, *others])


def make_a_case_unlabeled(path: Path) -> None:
    first, *others = rows(path, "training")
    change(path, training=others, unlabeled=[*rows(path, "unlabeled"), {"image": first["image"]}])


@pytest.fixture
def inbox(a_phantom_set, tmp_path) -> Path:
    """A folder of two scans that grows."""
    (tmp_path / "inbox").mkdir()
    for name in ("22", "23"):
        put(a_phantom_set, tmp_path / "inbox", name, int(name) - 21)
    return tmp_path / "inbox"


def put(phantoms: Path, inbox: Path, name: str, number: int) -> None:
    shutil.copy(phantoms.parent / "images" / f"case00{number}.nrrd", inbox / f"{name}.nrrd")


def results(folder: Path) -> dict[str, float]:
    """When each complete case was made."""
    files = sorted((folder / "predictions").glob("*/result.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8"))["created"] for path in files}
