from __future__ import annotations

from pathlib import Path

import pytest

from coranet.command_line.overrides import overrides
from coranet.contract.errors import ConfigError


def test_words_become_settings():
    assert overrides(["seed=3", " network.levels = 4 ", "data.spacing_mm="]) == {
        "seed": "3", "network.levels": "4", "data.spacing_mm": "",
    }  # fmt: skip


def test_the_folder_of_a_model_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert overrides(["training.initial_model=job 1"]) == {"training.initial_model": str(Path(tmp_path) / "job 1")}
    assert overrides(["training.initial_model=/a/job"]) == {"training.initial_model": str(Path("/a/job").absolute())}
    assert overrides(["training.initial_model="]) == {"training.initial_model": ""}


def test_a_word_without_a_value_is_an_error():
    with pytest.raises(ConfigError, match="--set expects key=value, got 'seed'"):
        overrides(["seed"])
