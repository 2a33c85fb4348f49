"""The command line as a person uses it: each command a process of its own, started by the path of the file."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_jobs import ENGINE, call, environment, run_engine, settings, the_only_error, tiny_phantoms, training_job

from coranet import __version__
from coranet.contract import Job, JobStatus, RegionList
from coranet.volume import read_grid, read_image, read_label_map, write_volume

HEADS = ("segmentation", "conservative", "radical")
ONE_THREAD = ("--set", "machine.threads=1")


@pytest.fixture(scope="module")
def odd_phantoms(tmp_path_factory) -> Path:
    """Phantoms in a folder with an awkward name, whose label values are 4 and 300 instead of 1 and 2."""
    datalist = tiny_phantoms(tmp_path_factory.mktemp("odd") / "Müller Ⅱ scans")
    for path in (datalist.parent / "labels").iterdir():
        volume = read_label_map(path)
        write_volume(path, np.array([0, 4, 300], np.uint16)[volume.voxels], volume.grid)
    content = json.loads(datalist.read_text(encoding="utf-8"))
    content["labels"] = {"0": "background", "300": "Läsion", "4": "organ"}
    datalist.write_text(json.dumps(content), encoding="utf-8")
    return datalist


@pytest.fixture(scope="module")
def an_odd_training(odd_phantoms, tmp_path_factory):
    """`train` on the odd phantoms: the answer of the process, and the job."""
    folder = tmp_path_factory.mktemp("odd training") / "Job für Läsionen"
    return run_engine("train", odd_phantoms, "--output", folder, *settings()), folder


@pytest.fixture(scope="module")
def a_segmentation(an_odd_training, odd_phantoms, tmp_path_factory):
    """`segment` on two of the odd phantoms: the answer of the process, and the folder of results."""
    folder = tmp_path_factory.mktemp("odd results") / "Ergebnisse 1"
    scans = [odd_phantoms.parent / "images" / f"case00{number}.nrrd" for number in (5, 6)]
    return run_engine("segment", *scans, "--model", an_odd_training[1], "--output", folder, *ONE_THREAD), folder


def lines_without_a_bar(text: str) -> list[str]:
    assert "\r" not in text and "[#" not in text and "[." not in text
    return text.splitlines()


# -- train --


@pytest.mark.slow
def test_a_training_leaves_the_files_of_the_document(an_odd_training):
    answer, folder = an_odd_training
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == ""
    files = {str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "job.json", "config.json", "datalist.json", "events.jsonl", "process.json", "log.txt", "checkpoints/last.pt",
        "checkpoints/best.pt", "checkpoints/plan.json", "checkpoints/training_set.json", "model/model.json",
        "model/weights.pt",
    }  # fmt: skip
    assert Job.open(folder).status() is JobStatus.FINISHED


@pytest.mark.slow
def test_what_is_no_terminal_gets_lines_and_no_bar(an_odd_training):
    answer, folder = an_odd_training
    lines = lines_without_a_bar(answer.stderr)
    assert f"CoraNet {__version__} on CPU (1 thread), step 0 of 10" in lines
    assert re.fullmatch(r"finished after \d+ s: validation Dice: organ .*, Läsion .* See '.*model'\.", lines[-1])
    assert str(folder / "model") in lines[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals in Python")
def test_a_terminal_shows_a_bar_with_the_time_left(a_phantom_set, tmp_path):
    exit_code, shown = in_a_terminal("train", a_phantom_set, "--output", tmp_path / "job", *settings())
    assert exit_code == 0
    assert re.search(r"\rself-training \[#{30}\] 10/10  0 s left", shown)
    assert "finished after" in shown.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals in Python")
def test_a_prepared_job_that_fails_says_so_in_a_terminal(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set)
    (a_phantom_set.parent / "images" / "case001.nrrd").rename(tmp_path / "away.nrrd")
    try:
        exit_code, shown = in_a_terminal("run", job.folder)
    finally:
        (tmp_path / "away.nrrd").rename(a_phantom_set.parent / "images" / "case001.nrrd")
    assert exit_code == 3
    assert re.search(r"error: '.*case001\.nrrd' does not exist", shown) and "Traceback" not in shown


def in_a_terminal(*args) -> tuple[int, str]:
    """Exit code, and what a person would see."""
    terminal, inside = os.openpty()
    command = [sys.executable, str(ENGINE), *map(str, args)]
    with subprocess.Popen(command, env=environment(), stdout=inside, stderr=inside) as process:
        os.close(inside)
        shown = b"".join(iter(lambda: read_or_nothing(terminal), b"")).decode("utf-8")
        os.close(terminal)
    return process.returncode, shown


def read_or_nothing(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when nobody is left inside
        return b""


@pytest.mark.slow
def test_the_configuration_of_a_job_is_complete(an_odd_training):
    _, folder = an_odd_training
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["preset"] == "quick"
    assert config["training"]["pretraining_steps"] == 4
    assert config["data"]["patch_size_kji"] == [8, 12, 12]
    assert config == Job.open(folder).read_config().to_dict()


# -- segment --


@pytest.mark.slow
def test_a_segmentation_leaves_the_files_of_the_document(a_segmentation):
    answer, folder = a_segmentation
    assert answer.returncode == 0, answer.stderr
    lines_without_a_bar(answer.stderr)
    for case in ("case005", "case006"):
        names = sorted(path.name for path in (folder / "predictions" / case).iterdir())
        images = [f"{name}.nrrd" for name in (*HEADS, "uncertain", "uncertainty", "margin", "second", "regions")]
        assert names == sorted([*images, "regions.json", "result.json"])
    assert Job.open(folder).status() is JobStatus.FINISHED


@pytest.mark.slow
def test_results_lie_on_the_grid_of_the_scan_with_the_values_of_the_labels(a_segmentation, odd_phantoms):
    files = Job.open(a_segmentation[1]).prediction("case006")
    grid = read_grid(odd_phantoms.parent / "images" / "case006.nrrd")
    for path in (files.segmentation, files.conservative, files.radical, files.uncertain, files.uncertainty):
        assert read_grid(path).difference(grid) == ""
    values = {name: set(np.unique(read_label_map(getattr(files, name)).voxels).tolist()) for name in HEADS}
    assert all(found <= {0, 4, 300} for found in values.values()), values
    assert set.union(*values.values()) - {0}, "nothing was found, so nothing was tested"


@pytest.mark.slow
def test_the_uncertain_region_holds_all_voxels_where_the_heads_name_different_labels(a_segmentation):
    files = Job.open(a_segmentation[1]).prediction("case006")
    conservative, radical = (read_label_map(path).voxels for path in (files.conservative, files.radical))
    uncertain = read_label_map(files.uncertain).voxels
    uncertainty = read_image(files.uncertainty).voxels
    assert not (conservative != radical)[uncertain == 0].any()
    if files.read_result()["caution"] <= 0:
        # Above, a third class may be what makes a voxel uncertain.
        np.testing.assert_array_equal(uncertain, conservative != radical)
    np.testing.assert_array_equal(uncertain == 1, uncertainty >= files.read_result()["uncertainty_threshold"])
    assert uncertainty.min() >= 0 and uncertainty.max() <= 1


@pytest.mark.slow
def test_the_result_says_what_was_found(a_segmentation, an_odd_training, odd_phantoms):
    files = Job.open(a_segmentation[1]).prediction("case006")
    result = json.loads(files.result.read_text(encoding="utf-8"))
    assert set(result) == {
        "schema_version", "case", "image", "model", "created", "labels", "volumes_ml", "uncertain_ml", "seconds",
        "versions", "caution", "uncertainty_threshold", "regions", "scan", "source", "model_hash", "doubt", "quality",
    }  # fmt: skip
    assert (result["schema_version"], result["case"]) == (1, "case006")
    assert result["image"] == str(odd_phantoms.parent / "images" / "case006.nrrd")
    assert result["model"] == str(an_odd_training[1] / "model")
    assert [(label["value"], label["name"]) for label in result["labels"]] == [(4, "organ"), (300, "Läsion")]
    assert set(result["seconds"]) == {"read", "find", "predict", "write", "regions"}
    assert result["regions"] == len(RegionList.read(files.regions).regions)
    assert result["versions"]["coranet"] == __version__ and {"torch", "python"} <= set(result["versions"])


@pytest.mark.slow
def test_volumes_are_those_of_the_label_maps(a_segmentation):
    files = Job.open(a_segmentation[1]).prediction("case006")
    result = files.read_result()
    voxel_ml = 1.0 * 1.25 * 2.0 / 1000
    for label in result["labels"]:
        members = np.array([read_label_map(getattr(files, head)).voxels == label["value"] for head in HEADS])
        volumes = {HEADS[0]: members[0].sum(), "conservative": members.all(0).sum(), "radical": members.any(0).sum()}
        counted = {head: count * voxel_ml for head, count in volumes.items()}
        assert result["volumes_ml"][label["name"]] == pytest.approx(counted)
    assert result["uncertain_ml"] == pytest.approx(read_label_map(files.uncertain).voxels.sum() * voxel_ml)


@pytest.mark.slow
def test_a_folder_of_scans_is_segmented_with_a_copied_model(a_trained_job, a_phantom_set, awkward_path):
    model = shutil.copytree(a_trained_job.model_folder, awkward_path / "my model")
    scans = awkward_path / "scans"
    scans.mkdir()
    for name in ("a.nrrd", "b.c.nrrd", "notes.txt"):
        shutil.copy(a_phantom_set.parent / "images" / "case006.nrrd", scans / name)
    assert call("segment", scans, "--model", model, "--output", awkward_path / "out", *ONE_THREAD) == 0
    assert sorted(path.name for path in (awkward_path / "out" / "predictions").iterdir()) == ["a", "b.c"]


def test_a_segmentation_that_is_complete_is_not_done_again(a_trained_job, a_phantom_set, tmp_path, capsys):
    scan = a_phantom_set.parent / "images" / "case006.nrrd"
    args = ("segment", scan, "--model", a_trained_job.folder, "--output", tmp_path / "out")
    assert call(*args, *ONE_THREAD) == 0
    result = Job.open(tmp_path / "out").prediction("case006").result
    before = result.stat().st_mtime_ns
    assert call(*args) == 5
    assert call(*args, "--resume") == 0
    assert result.stat().st_mtime_ns == before


# -- evaluate --


def test_an_evaluation_leaves_figures_and_a_table(a_trained_job, a_phantom_set, awkward_path, capsys):
    folder = awkward_path / "scores"
    assert call("evaluate", a_phantom_set, "--model", a_trained_job.folder, "--output", folder, *ONE_THREAD) == 0
    job = Job.open(folder)
    metrics = json.loads(job.metrics_path.read_text(encoding="utf-8"))
    assert set(metrics) == {"schema_version", "cases", "mean", "seen_in_training", "warnings"}
    assert list(metrics["cases"]) == ["case006"]
    assert set(metrics["mean"]["dice"]) == {"organ", "lesion"}
    with open(job.metrics_table_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["class"]) for row in rows] == [("case006", "organ"), ("case006", "lesion")]
    assert float(rows[0]["dice"]) == metrics["cases"]["case006"]["dice"]["organ"]
    assert f"test Dice: organ {metrics['mean']['dice']['organ']:.3f}" in capsys.readouterr().err


def test_the_dice_of_an_evaluation_is_that_of_the_files(a_trained_job, a_phantom_set, tmp_path):
    call("evaluate", a_phantom_set, "--model", a_trained_job.folder, "--output", tmp_path / "scores", *ONE_THREAD)
    job = Job.open(tmp_path / "scores")
    found = read_label_map(job.prediction("case006").segmentation).voxels == 1
    truth = read_label_map(a_phantom_set.parent / "labels" / "case006.nrrd").voxels == 1
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    metrics = json.loads(job.metrics_path.read_text(encoding="utf-8"))
    assert metrics["cases"]["case006"]["dice"]["organ"] == pytest.approx(dice)


# -- run and resume --


@pytest.mark.slow
def test_a_prepared_job_is_run(a_phantom_set, tmp_path):
    job = training_job(tmp_path / "job", a_phantom_set)
    assert call("run", job.folder) == 0
    assert (job.model_folder / "model.json").exists()


def test_why_a_job_ended_is_told_where_no_terminal_is(a_trained_job, tmp_path, capsys):
    copy = shutil.copytree(a_trained_job.folder, tmp_path / "copy")
    assert call("run", copy) == 5
    assert "was trained before; add --resume" in the_only_error(capsys)


def test_a_finished_training_may_be_resumed_and_stays_as_it_is(a_trained_job, a_phantom_set, tmp_path):
    copy = Job.open(shutil.copytree(a_trained_job.folder, tmp_path / "copy"))
    before = copy.last_checkpoint_path.read_bytes()
    assert call("train", a_phantom_set, "--output", copy.folder, "--resume") == 0
    assert copy.last_checkpoint_path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that somebody is in")
def test_a_working_folder_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert call("phantom", tmp_path / "phantom") == 7
    assert (
        capsys.readouterr().err == "error: the folder that this terminal is in is gone; change to another one (cd).\n"
    )
