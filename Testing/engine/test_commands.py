"""The smaller commands and the words of the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_jobs import call, the_only_error

from coranet import __version__
from coranet.command_line import cli
from coranet.volume import read_image, read_label_map

COMMANDS = ("train", "segment", "evaluate", "experiment", "run", "regions", "report", "doctor", "phantom")


def test_a_phantom_set_is_written_and_its_place_told(awkward_path, capsys):
    args = ("--labeled", "1", "--unlabeled", "1", "--validation", "0", "--test", "1", "--seed", "7")
    assert call("phantom", awkward_path / "scans", *args) == 0
    path = Path(capsys.readouterr().out.strip())
    content = json.loads(path.read_text(encoding="utf-8"))
    assert path == awkward_path / "scans" / "dataset.json"
    assert [len(content[role]) for role in ("training", "unlabeled", "validation", "test")] == [1, 1, 0, 1]
    assert content["labels"] == {"0": "background", "1": "organ", "2": "lesion"}
    image = read_image(path.parent / content["training"][0]["image"])
    assert read_label_map(path.parent / content["training"][0]["label"]).grid.difference(image.grid) == ""
    assert image.grid.size_ijk == (44, 36, 24)


def test_the_seed_chooses_the_phantoms(tmp_path):
    few = ("--labeled", "1", "--unlabeled", "0", "--validation", "0", "--test", "0")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert call("phantom", tmp_path / name, *few, "--seed", seed) == 0
    a, b, c = (read_image(tmp_path / name / "images" / "case001.nrrd").voxels for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_help_lists_the_commands_and_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        call("--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s+\w", text, re.MULTILINE)
    assert "coranet train scans/dataset.json --output job" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as ended:
        call(command, "--help")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: coranet {command}")


@pytest.mark.parametrize("args", [[], ["party"], ["train"], ["segment", "--model", "m"]])
def test_a_command_that_is_none_is_answered_with_the_usage(capsys, args):
    with pytest.raises(SystemExit) as ended:
        call(*args)
    assert ended.value.code == 2
    assert "usage: coranet" in capsys.readouterr().err


def test_a_training_needs_a_folder_unless_it_is_only_planned(capsys):
    assert call("train", "x.json") != 0
    assert "train needs --output JOB" in the_only_error(capsys)


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        call("--version")
    assert capsys.readouterr().out == f"coranet {__version__}\n"


def test_an_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupt(folder, phantoms):
        raise KeyboardInterrupt

    monkeypatch.setattr("coranet.phantoms.write_phantom_set", interrupt)
    assert cli.main(["phantom", "anywhere"]) == 130
    assert capsys.readouterr().err == "interrupted.\n"


def test_a_missing_package_is_said_in_a_sentence(monkeypatch, capsys):
    def need(folder, phantoms):
        raise ModuleNotFoundError("No module named 'monai'", name="monai")

    monkeypatch.setattr("coranet.phantoms.write_phantom_set", need)
    assert cli.main(["phantom", "anywhere"]) != 0
    assert (
        capsys.readouterr().err == "error: the package 'monai' is missing; 'coranet doctor' says how to install it.\n"
    )


def settings_of(*args: str) -> dict:
    """What `segment` and `evaluate` make of their words, without doing it."""
    options = cli._parser().parse_args(list(args))
    return cli._settings(options)


def test_the_dial_and_the_comparison_are_words_of_their_own():
    model = ("--model", "m", "--output", "o")
    assert settings_of("segment", "scan.nrrd", *model) == {}
    assert settings_of("segment", "scan.nrrd", *model, "--caution", "-0.5") == {"inference.caution": -0.5}
    args = ("evaluate", "d.json", *model, "--caution", "2", "--compare-uncertainties", "--set", "inference.overlap=0")
    assert settings_of(*args) == {
        "inference.overlap": "0", "inference.caution": 2.0, "compare_uncertainties": True,
    }  # fmt: skip
