"""The certain and the uncertain region of one unlabeled case, kept while training runs: how they move can be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..contract import Job, Label
from ..contract.errors import ConfigError
from ..contract.events import SnapshotSaved
from ..data.cache import PreparedCase
from ..data.scans import scan_grid
from ..inference.network_pass import SlidingWindow
from ..inference.prediction import OwnGridDecision
from ..volume import Volume, write_volume


class Snapshots:
    """Writes label maps on the scan's own grid: 0 and class indices where certain, 255 where uncertain."""

    def __init__(self, job: Job, unlabeled: Sequence[PreparedCase], name: str, window: SlidingWindow) -> None:
        """Choose what to look at.

        Args:
            job: keeps the snapshots.
            unlabeled: the prepared unlabeled cases, at least one; of each all its boxes.
            name: of the case to look at; empty: the first.
            window: how to cover a whole scan.

        Raises:
            ConfigError: no unlabeled case has the name.
        """
        self._job = job
        self._boxes = _boxes_named(name, unlabeled)
        self._window = window
        grid = scan_grid(self._boxes[0].case)
        # Its size and direction matter, not its intensities: one voxel's memory stands for all.
        self._scan = Volume(np.broadcast_to(np.float32(0), grid.size_ijk[::-1]), grid)

    @property
    def case_id(self) -> str:
        """Name of the case."""
        return self._boxes[0].case.id

    def take(self, network: nn.Module, step: int) -> SnapshotSaved:
        """Segment the case and write one snapshot.

        Args:
            network: gives `HeadLogits`; in evaluation mode.
            step: number of steps done.

        Raises:
            StorageError: it could not be written.
        """
        classes = tuple(Label(index, f"class {index}") for index in range(1, self._window.classes))
        decision = OwnGridDecision(self._scan.grid, classes)
        for box in self._boxes:
            image = torch.from_numpy(np.array(box.image, dtype=np.float32, order="C"))
            decision.fill(self._window.stream(network, image, box.padding), image.shape[1], box.box)
        prediction = decision.prediction
        is_uncertain = prediction.uncertain > 0
        regions = np.where(is_uncertain, SnapshotSaved.UNCERTAIN, prediction.segmentation).astype(np.uint8)
        path = self._job.snapshot_path(self.case_id, step)
        write_volume(path, regions, self._scan.grid)
        file = path.relative_to(self._job.folder).as_posix()
        return SnapshotSaved(step, self.case_id, file, float(is_uncertain.mean()))


def _boxes_named(name: str, unlabeled: Sequence[PreparedCase]) -> list[PreparedCase]:
    """All boxes of the case to look at."""
    names = list(dict.fromkeys(case.case.id for case in unlabeled))
    chosen = name or next(iter(names), "")
    if chosen not in names:
        raise ConfigError(
            f"training.snapshot_case is '{chosen}', expected the name of an unlabeled case; choose one of: "
            f"{', '.join(sorted(names)) or 'none, add an unlabeled case'}."
        )
    return [case for case in unlabeled if case.case.id == chosen]
