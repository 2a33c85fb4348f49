"""Pictures drawn off screen show what the scene holds, in its colours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shown_results import load_case

from CoraNetSlicerLib.core.context import SceneContext

HERE = Path(__file__).resolve().parent
_RENDER_NOTHING = (
    "from vtkmodules.vtkRenderingCore import vtkRenderWindow; import vtkmodules.vtkRenderingOpenGL2;"
    "w = vtkRenderWindow(); w.SetOffScreenRendering(1); w.Render(); assert w.SupportsOpenGL()"
)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opengl():
    pytest.importorskip("trame_slicer", reason="needs the PyPI package trame-slicer")
    if subprocess.run([sys.executable, "-c", _RENDER_NOTHING], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine has no OpenGL that works without a display")


@pytest.fixture(scope="module")
def pictures(opengl, tmp_path_factory):
    """Pixels of both pictures of one scene."""
    folder = tmp_path_factory.mktemp("views")
    context = SceneContext.standalone()
    loaded = load_case(context, folder / "job", surfaces=True)
    bundle = folder / "scene.mrb"
    assert context.scene.WriteToMRB(str(bundle))
    command = [sys.executable, str(HERE / "views.py"), str(bundle), loaded.volume.GetName(), str(folder)]
    drawn = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    assert drawn.returncode == 0, drawn.stderr[-2000:]
    return {name: np.asarray(Image.open(folder / f"{name}.png")).astype(int) for name in ("slice", "view3d")}


def share_like(pixels: np.ndarray, color, tolerance: int = 60) -> float:
    return float((np.abs(pixels - np.array(color)).sum(axis=2) < tolerance).mean())


def test_both_pictures_are_large_and_full_of_the_segments_colours(pictures):
    slice_pixels, view_pixels = pictures["slice"], pictures["view3d"]
    assert min(slice_pixels.shape[:2]) >= 900 and min(view_pixels.shape[:2]) >= 600 and view_pixels.shape[1] >= 900
    red, green, blue = (view_pixels[..., channel] for channel in range(3))
    assert (red > blue + 60).mean() > 0.05, "the pancreas (orange) and the uncertain region (yellow)"
    middle = slice_pixels[:, slice_pixels.shape[1] // 3 : 2 * slice_pixels.shape[1] // 3]
    image_alone = slice_pixels[60:-160, : slice_pixels.shape[1] // 3]
    colored = (middle[60:-160].max(axis=2) - middle[60:-160].min(axis=2) > 40).mean()
    assert colored > 0.05
    assert (image_alone.max(axis=2) - image_alone.min(axis=2) > 40).mean() < 0.001
    assert share_like(view_pixels, (255, 255, 255)) < 0.95


def test_the_image_is_seen_through_the_fill(pictures):
    """Pixels of the filled region vary as the noise below them does."""
    pixels = pictures["slice"]
    third = pixels.shape[1] // 3
    middle = pixels[:, third : 2 * third]
    height, width = middle.shape[:2]
    center = middle[height // 2 - 100 : height // 2 + 60, width // 2 - 80 : width // 2 + 80]
    assert len(np.unique(center.reshape(-1, 3), axis=0)) > 50
