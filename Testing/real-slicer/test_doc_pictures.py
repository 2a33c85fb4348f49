"""Pictures of a run become those of the documents: with few colours, under lasting names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from doc_pictures import COLORS, PICTURES, SCREENSHOTS, STATUS_BAR, make
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_pictures_of_a_run_become_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (100, 160, 3), np.uint8)
    for name in ("03-cases", "08-review", "99-something-else"):
        Image.fromarray(noise).resize((1600, 1000)).save(tmp_path / f"{name}.png")
    folder = tmp_path / "pictures"
    folder.mkdir()
    made = make(tmp_path, folder)
    assert [path.name for path in made] == ["slicer-data.png", "slicer-places.png"]
    picture = Image.open(made[0])
    assert picture.size == (1600, 1000 - STATUS_BAR) and len(picture.getcolors()) <= COLORS


def test_plain_areas_stay_plain(tmp_path):
    """No dots between colours: they would look like noise in a scan."""
    gray = np.linspace(40, 200, 1600).astype(np.uint8)
    scan = np.repeat(gray[None, :, None], 1000, 0).repeat(3, 2)
    Image.fromarray(scan).save(tmp_path / "03-cases.png")
    made = np.asarray(Image.open(make(tmp_path, tmp_path)[0]).convert("L"), int)
    assert (np.ptp(made, axis=0) == 0).all() and np.abs(made[0] - gray).max() <= 2


def test_the_documents_show_them_all_and_each_is_small():
    shown = set()
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        shown.update(re.findall(r"Screenshots/([\w-]+)\.png", page.read_text(encoding="utf-8")))
    assert set(PICTURES) <= shown
    for name in PICTURES:
        assert (SCREENSHOTS / f"{name}.png").stat().st_size < 200_000, name
