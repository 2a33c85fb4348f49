"""The boxes of a training's cases, from what the coarse network finds in them and from their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..coarse.boxes import boxes_around, looked_at, missed_mm
from ..coarse.finding import CoarseNetwork, found_boxes, found_parts, not_found
from ..coarse.grid import CanonicalGrid
from ..coarse.part import CoarsePart
from ..coarse.plan import in_millimetres
from ..coarse.scans import LabeledScan, Millimetres, missed_voxels
from ..contract import Case, Role
from ..contract.events import Noted, Warned
from ..data.box import Box, without_overlap
from ..data.cache import PreparedCase, prepare_pieces, read_labels
from ..data.preprocessing import Preprocessing
from ..data.scans import scan_grid
from ..reporting import Reporter

Array = npt.NDArray[Any]
Boxes = tuple[Box, ...]


class Found:
    """What the coarse network finds in the prepared cases.

    Attributes:
        warnings: of the cases that are looked at whole because nothing was found where something may be; told by
            `boxes`.
    """

    def __init__(self, coarse: CoarseNetwork, prepared: Sequence[PreparedCase], reporter: Reporter) -> None:
        self._part = coarse.part
        self._cases = prepared
        self._reporter = reporter
        self._grids = {case.case.id: CanonicalGrid.of(scan_grid(case.case)) for case in prepared}
        self._margins: dict[str, Array] = {}
        self._known_missed: dict[str, Millimetres | None] = {}
        self.warnings: list[Warned] = []
        for case in prepared:
            reporter.stop_if_requested()
            self._margins[case.case.id] = coarse.margins(torch.from_numpy(np.asarray(case.image, dtype=np.float32)))

    def missed(self, *roles: Role) -> list[Millimetres]:
        """Of each labeled case in which something was found: what boxes without a margin miss along D, H, W, mm."""
        return [
            missed for case in self._cases if case.case.role in roles and (missed := self._missed(case)) is not None
        ]  # fmt: skip

    def boxes(self, part: CoarsePart, scans: Mapping[str, LabeledScan]) -> dict[str, Boxes]:
        """The boxes of each case by its name: around the labels where all of them are known, else what was found."""
        return {case.case.id: tuple(self._boxes(part, case, scans.get(case.case.id))) for case in self._cases}

    def share_left(self, boxes: Mapping[str, Boxes]) -> float:
        """Which share of the median scan the boxes leave, where they are not those of its labels."""
        searched = [case.case for case in self._cases if case.case.role is not Role.TRAINING or case.case.is_partial]
        shares = [looked_at(boxes[case.id], self._grids[case.id].shape) for case in searched]
        return float(np.median(shares)) if shares else 0.0

    def in_words(self, part: CoarsePart, boxes: Mapping[str, Boxes]) -> str:
        """How well it finds, and how much of the scans the boxes leave."""
        tested = Role.VALIDATION if self.missed(Role.VALIDATION) else Role.TRAINING
        missed = self.missed(tested)
        where = "validation" if tested is Role.VALIDATION else "labeled"
        shares = [looked_at(some, self._grids[case].shape) for case, some in boxes.items()]
        within = f"within {max(map(max, missed)):.1f} mm on the {len(missed)} {where} cases" if missed else "nowhere"
        return (
            f"the coarse network finds the structures {within}; boxes with {in_millimetres(part.margin_mm)} around "
            f"what it finds leave {100 * float(np.median(shares)):.0f} % of a scan."
        )

    def _boxes(self, part: CoarsePart, case: PreparedCase, scan: LabeledScan | None) -> list[Box]:
        known = scan.boxes(part.margin_mm) if scan else []
        is_whole = case.case.role is Role.TRAINING and not case.case.is_partial
        if known and is_whole:
            return known
        # A labeled case without any structure teaches best where the coarse network takes something for one.
        found = found_boxes(part, self._margins[case.case.id], self._grids[case.case.id])
        if not found and is_whole:
            self._reporter.emit(_nothing_to_find(case.case.id))
            return []
        if not found:
            self.warnings.append(not_found(case.case.id))
            self._reporter.emit(self.warnings[-1])
            return []
        return without_overlap([*found, *known])

    def _missed(self, case: PreparedCase) -> Millimetres | None:
        if case.case.id not in self._known_missed:
            self._known_missed[case.case.id] = self._searched_missed(case)
        return self._known_missed[case.case.id]

    def _searched_missed(self, case: PreparedCase) -> Millimetres | None:
        if case.labels is None:
            return None
        margins = self._margins[case.case.id]
        grid = self._grids[case.case.id].with_size(margins.shape)
        parts = found_parts(self._part, margins, grid.spacing_dhw)
        boxes = boxes_around(parts, 0.0, (0, 0, 0), grid.shape)
        mask = np.asarray(case.labels) > 0
        if not boxes or not mask.any():
            return None
        return missed_mm(mask, boxes, grid.spacing_dhw)


def _nothing_to_find(case_id: str) -> Noted:
    """The note on a labeled case without any structure, in which the coarse network rightly finds none."""
    return Noted(
        "looked_at_whole",
        f"nothing is labeled in '{case_id}', and the coarse network finds nothing; the whole scan is learned from.",
    )


def prepare_boxes(
    case: Case, preprocessing: Preprocessing, values: Sequence[int], folder: Path, boxes: Boxes
) -> list[PreparedCase]:
    """Prepare a case for the fine network: each of its boxes, or all of it where there are none.

    In validation, the first box carries the labels outside all boxes, so that its Dice is that of the whole scan.

    Args:
        case: to prepare.
        preprocessing: of the fine network.
        values: label value of class 1, 2, ...
        folder: of the cache.
        boxes: of the case.

    Raises:
        DataError: the case cannot be used.
        StorageError: the cache cannot be written.
    """
    prepared = prepare_pieces(case, preprocessing, values, folder, boxes or (None,))
    if boxes and case.role is Role.VALIDATION:
        labels = read_labels(case, values, scan_grid(case))
        prepared[0] = replace(prepared[0], missed=missed_voxels(labels, boxes, values, preprocessing))
    return prepared
