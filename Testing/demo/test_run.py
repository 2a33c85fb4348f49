"""The demo as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from metrics import ClassRow

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parents[1] / "CoraNetSlicer" / "coranet" / "__main__.py"


def run_demo(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(HERE / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)


def test_a_folder_with_other_peoples_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    ended = run_demo("--output", str(tmp_path))
    assert ended.returncode == 1
    assert "holds files that are not this demo's" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_data_set_that_is_missing_ends_in_one_sentence(tmp_path):
    ended = run_demo("--output", str(tmp_path / "out"), "--data", str(tmp_path / "nowhere.json"))
    assert ended.returncode == 1
    assert "nowhere.json' must be a dataset.json" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_it_leaves_what_it_promises(tmp_path):
    """A few steps on a few phantoms: the way is tested here, not the model's quality."""
    counts = ["--labeled", "2", "--unlabeled", "2", "--validation", "1", "--test", "1"]
    subprocess.run([sys.executable, str(ENGINE), "phantom", str(tmp_path / "data"), *counts], check=True)
    output = tmp_path / "demo output ü"
    few_steps = ["--set", "training.pretraining_steps=3", "--set", "training.self_training_steps=3"]
    ended = run_demo("--data", str(tmp_path / "data" / "dataset.json"), "--output", str(output), *few_steps)
    left = {path.name for path in output.iterdir()}
    assert {"scene.mrb", "curves.png", "metrics.md", "metrics.csv", "jobs"} <= left, ended.stderr
    header = (output / "metrics.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith(",".join(ClassRow.__dataclass_fields__))
    if ended.returncode == 0:
        assert {"slice.png", "view3d.png"} <= left
    else:
        assert "OpenGL" in ended.stderr
