"""The names of the files of one segmented case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import read_json


class PredictionFiles:
    """The files of one segmented case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segmentation = folder / "segmentation.nrrd"
        self.conservative = folder / "conservative.nrrd"
        self.radical = folder / "radical.nrrd"
        self.uncertain = folder / "uncertain.nrrd"
        self.uncertainty = folder / "uncertainty.nrrd"
        self.result = folder / "result.json"

    def read_result(self) -> dict[str, Any]:
        """The content of result.json, which is written last: where it is, the case is complete."""
        return dict(read_json(self.result))
