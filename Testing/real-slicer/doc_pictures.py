"""Pictures of the documents from a whole way in a running Slicer: `doc_pictures.py OUTPUT [FOLDER]`.

OUTPUT is what slicer_run.py wrote; FOLDER is Resources/Screenshots unless it is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

SCREENSHOTS = Path(__file__).resolve().parents[2] / "Resources" / "Screenshots"
# By name, the picture of the whole way.
PICTURES = {
    "slicer-environment": "empty",
    "slicer-data": "cases",
    "slicer-train": "training",
    "slicer-curves": "curves",
    "slicer-segment": "first-result",
    "slicer-places": "review",
    "slicer-slide": "sliding",
    "slicer-edit": "painted",
    "slicer-uncertainty": "uncertainty",
    "slicer-loaded": "loaded",
    "slicer-teach-back": "before-teaching-back",
}
# Of a picture of 1000 lines, the bar at the bottom, which says nothing.
STATUS_BAR = 34
WIDTH, COLORS = 1120, 128


def make(output: Path, folder: Path) -> list[Path]:
    """Write all pictures that a run has; their paths.

    Args:
        output: of the run; its pictures are called `NN-name.png`.
        folder: for the pictures of the documents.
    """
    created = []
    for name, part in PICTURES.items():
        found = sorted(output.glob(f"[0-9][0-9]-{part}.png"))
        if found:
            created.append(folder / f"{name}.png")
            smaller(Image.open(found[-1]).convert("RGB")).save(created[-1], optimize=True)
    return created


def smaller(picture: Image.Image) -> Image.Image:
    """A picture of a width and with colours that suffice for a page."""
    picture = picture.crop((0, 0, picture.width, picture.height - STATUS_BAR))
    height = round(WIDTH * picture.height / picture.width)
    small = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    return small.quantize(palette=small.quantize(COLORS), dither=Image.Dither.FLOYDSTEINBERG)


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else SCREENSHOTS)
    print("\n".join(f"{path.stat().st_size / 1000:6.0f} kB  {path}" for path in made))
