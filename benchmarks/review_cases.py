"""The unlabeled cases of a data set, segmented by the ordinary command, with the truth that the oracle knows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from review_rivals import Doubt

from coranet.contract import Case, Job, Role, read_datalist
from coranet.contract.config import SegmentConfig
from coranet.data.datalist import with_true_labels
from coranet.data.orientation import Orientation
from coranet.inference.prediction import channels_on_own_grid
from coranet.inference.views import Views
from coranet.regions.files import WrittenCase, read_map
from coranet.reporting import Reporter
from coranet.segmentation import Segmenter
from coranet.volume import read_image
from coranet_experiments.uncertainty_sources import ScanPasses

Array = npt.NDArray[Any]
PROGRAM = Path(__file__).resolve().parents[1] / "CoraNetSlicer"


@dataclass(frozen=True)
class KnownCase:
    """A segmented case whose truth is known.

    Attributes:
        written: its results.
        truth: (k, j, i), label values in the type of the result.
    """

    written: WrittenCase
    truth: Array

    @property
    def values(self) -> tuple[int, ...]:
        """Label values of all classes."""
        return tuple(label.value for label in self.written.labels)


def coranet(*args: str | Path) -> None:
    """Run a command of the program as a person would, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM)}
    command = [sys.executable, "-m", "coranet", *map(str, args)]
    process = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", errors="replace")
    if process.returncode:
        sys.exit(f"'{' '.join(command[2:])}' failed: {process.stderr[-500:]}")


def segment_unlabeled(model: Path, datalist: Path, folder: Path) -> Job:
    """Segment the unlabeled cases of a data set; what is done already is left alone."""
    images = [case.image for case in read_datalist(datalist).with_role(Role.UNLABELED)]
    # A job that is resumed keeps its settings.
    settings = [] if Job.exists(folder) else ["--set", "machine.threads=1"]
    coranet("segment", *images, "--model", model, "--output", folder, "--resume", *settings)
    return Job.open(folder)


def known_cases(job: Job, datalist: Path, truth_folder: Path) -> Iterator[tuple[Case, KnownCase]]:
    """The cases of a segmentation job with their truth, in the order of the job."""
    labeled = with_true_labels(read_datalist(datalist), truth_folder).cases
    label_of = {case.image: case.label for case in labeled}
    for case in job.read_datalist().cases:
        written = WrittenCase.read(job.prediction(case.id))
        largest = int(written.prediction.segmentation.max(initial=0))
        truth = read_map(Path(str(label_of[case.image])), written.grid, largest)
        yield case, KnownCase(written, truth.astype(written.prediction.segmentation.dtype))


class Doubts:
    """The doubt of a model's segmentation head, computed once and kept in a folder."""

    def __init__(self, model: Path, folder: Path) -> None:
        config = SegmentConfig(model=str(model.absolute())).with_overrides({"machine.threads": 1})
        self._segmenter = Segmenter(config, Reporter(lambda event: None, lambda: False))
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, case: Case, labels: Array, values: Sequence[int]) -> Doubt:
        kept = self._folder / f"{case.id}.npz"
        if not kept.exists():
            doubt = Doubt.of(self._probabilities(case), labels, values)
            np.savez_compressed(kept, entropy=doubt.entropy, second=doubt.second)
        with np.load(kept) as arrays:
            return Doubt(arrays["entropy"], arrays["second"])

    def _probabilities(self, case: Case) -> Array:
        volume = read_image(case.image)
        image = self._segmenter.prepared(volume)
        spacing_dhw = Orientation.of(volume.grid.direction).spacing_to_canonical(volume.grid.spacing_mm)[::-1]
        passes = ScanPasses(
            self._segmenter.network, replace(self._segmenter.window, views=Views()), image, spacing_dhw, 0
        )
        return channels_on_own_grid(passes.softmax(), volume.grid)
