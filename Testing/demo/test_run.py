"""The demo as a person runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import run
from metrics import ClassRow

ENGINE = run.MODULE_FOLDER / "coranet" / "__main__.py"


@pytest.fixture
def ends(monkeypatch, capsys):
    """The exit code of the demo with these arguments, and its errors; in this process."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["run.py", *map(str, arguments)])
        return run.main(), capsys.readouterr().err

    return call


def test_a_folder_with_other_peoples_files_is_left_alone(tmp_path, ends):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    exit_code, errors = ends("--output", tmp_path)
    assert exit_code == 1
    assert "holds files that are not this demo's" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_data_set_that_is_missing_ends_in_one_sentence(tmp_path, ends):
    exit_code, errors = ends("--output", tmp_path / "out", "--data", tmp_path / "nowhere.json")
    assert exit_code == 1
    assert "nowhere.json' must be a dataset.json" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_it_leaves_what_it_promises(tmp_path):
    """A few steps on a few phantoms: the way is tested here, not the model's quality."""
    counts = ["--labeled", "2", "--unlabeled", "2", "--validation", "1", "--test", "1"]
    subprocess.run([sys.executable, str(ENGINE), "phantom", str(tmp_path / "data"), *counts], check=True)
    output = tmp_path / "demo output ü"
    few_steps = ["--set", "training.pretraining_steps=3", "--set", "training.self_training_steps=3"]
    args = ["--data", str(tmp_path / "data" / "dataset.json"), "--output", str(output), *few_steps]
    ended = subprocess.run([sys.executable, run.__file__, *args], capture_output=True, text=True, encoding="utf-8",
                           errors="replace", check=False)  # fmt: skip
    names = {path.name for path in output.iterdir()}
    assert {"scene.mrb", "curves.png", "metrics.md", "metrics.csv", "jobs"} <= names, ended.stderr
    header = (output / "metrics.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith(",".join(ClassRow.__dataclass_fields__))
    if ended.returncode == 0:
        assert {"slice.png", "view3d.png"} <= names
    else:
        assert "OpenGL" in ended.stderr
