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
COLORS = 256


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
    """A picture without the bar at the bottom, with so few colours that its file stays small.

    It keeps its size: text stays sharp, and plain areas compress better than scaled ones. Colours are not dithered, for
    dots between them would look like noise in a scan.
    """
    picture = picture.crop((0, 0, picture.width, picture.height - STATUS_BAR))
    return picture.quantize(COLORS, dither=Image.Dither.NONE)


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else SCREENSHOTS)
    print("\n".join(f"{path.stat().st_size / 1000:6.0f} kB  {path}" for path in made))
