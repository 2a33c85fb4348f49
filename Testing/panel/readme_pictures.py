"""Pictures of the panel for README.md: `python Testing/panel/readme_pictures.py [FOLDER]`, else Resources/Screenshots.

Each is some of the pictures of screenshots.py side by side.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter

HERE = Path(__file__).resolve().parent
SCREENSHOTS = HERE.parents[1] / "Resources" / "Screenshots"
SHEETS = {
    "panel-train": ("data-wrong", "train-running"),
    "panel-segment": ("segment-finished", "overlays-of-a-review"),
    "panel-review": ("review-places", "review-done"),
}
_MARGIN = 12


def side_by_side(pictures: list[QImage]) -> QImage:
    """Pictures in a row, aligned at the top, on white."""
    width = sum(one.width() for one in pictures) + _MARGIN * (len(pictures) + 1)
    height = max(one.height() for one in pictures) + 2 * _MARGIN
    sheet = QImage(width, height, QImage.Format.Format_RGB32)
    sheet.fill(Qt.GlobalColor.white)
    painter = QPainter(sheet)
    left = _MARGIN
    for one in pictures:
        painter.drawImage(left, _MARGIN, one)
        left += one.width() + _MARGIN
    painter.end()
    return sheet


def main(arguments: list[str]) -> int:
    """Take the pictures, and put them side by side."""
    output = Path(arguments[0]) if arguments else SCREENSHOTS
    output.mkdir(parents=True, exist_ok=True)
    names = [name for row in SHEETS.values() for name in row]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, str(HERE / "screenshots.py"), folder, *names], check=False)
        if done.returncode:
            return done.returncode
        for sheet, row in SHEETS.items():
            pictures = [QImage(str(Path(folder) / f"{name}.png")) for name in row]
            side_by_side(pictures).save(str(output / f"{sheet}.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
