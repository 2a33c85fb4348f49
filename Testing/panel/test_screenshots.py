"""The program that takes the pictures: it runs, and on what it shows every text has the room that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from PySide6.QtGui import QImage

PROGRAM = Path(__file__).with_name("screenshots.py")
STATES = ["environment-wrong-python", "data-wrong", "segment-several", "jobs-wrong-folder", "panel-training"]
STATES += ["train-wrong-time", "data-ranked", "data-channels", "review-list", "review-done"]
DARK_STATES = ["data-wrong", "train-running", "review-poor"]


@pytest.mark.slow
@pytest.mark.parametrize("options, states", [([], STATES), (["--dark"], DARK_STATES)], ids=["light", "dark"])
def test_pictures_are_taken_and_no_text_is_cut(tmp_path, options, states):
    command = [sys.executable, str(PROGRAM), *options, str(tmp_path), *states]
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=PATIENCE_S)
    assert (process.returncode, process.stderr) == (0, "")
    for name in states:
        picture = QImage(str(tmp_path / f"{name}.png"))
        assert 400 < picture.width() <= 480
        colors = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
        assert len(colors) > 10
        # In a corner there is nothing.
        assert (picture.pixelColor(1, picture.height() // 2).lightness() < 100) == bool(options)


@pytest.mark.slow
def test_without_a_folder_it_says_how_it_is_used():
    process = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert process.returncode == 2
    assert "screenshots.py [--dark] FOLDER" in process.stdout
