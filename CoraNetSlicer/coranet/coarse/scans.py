"""Where the structures lie in the labeled scans: whether it pays to find them first, and how large what is left is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.box import Box
from ..data.orientation import Orientation
from ..data.preprocessing import Preprocessing, ScanStatistics
from ..volume import Volume
from .boxes import Part, boxes_around, looked_at, margin_voxels, outside_of, parts_of
from .grid import CanonicalGrid

Millimetres = tuple[float, float, float]
# Parts of a label that are this much smaller than the scan's largest one are slips of a pen, not structures.
_SLIP = 0.1


@dataclass(frozen=True)
class LabeledScan:
    """What of a labeled scan decides on the coarse stage.

    Attributes:
        case_id: its name.
        statistics: of intensities, spacing and extent.
        grid: its size and spacing.
        parts: connected parts of all its labels together, the largest first; none where nothing is known of it.
    """

    case_id: str
    statistics: ScanStatistics
    grid: CanonicalGrid
    parts: tuple[Part, ...]

    @staticmethod
    def of(case_id: str, image: Volume, labels: Volume) -> LabeledScan:
        """Measure one labeled scan; both volumes lie on the same grid, and labels are 0 where they are not known."""
        grid = CanonicalGrid.of(labels.grid)
        mask = Orientation.of(labels.grid.direction).to_canonical(labels.voxels) > 0
        return LabeledScan(case_id, ScanStatistics.of(image, labels), grid, tuple(parts_of(mask, grid.spacing_dhw)))

    def boxes(self, margin_mm: Millimetres) -> list[Box]:
        """Boxes around all its labels, with a margin along L, P, S; [] where it has none."""
        return boxes_around(self.parts, 0.0, margin_voxels(margin_mm, self.grid.spacing_dhw), self.grid.shape)

    def looked_at(self, margin_mm: Millimetres) -> ScanStatistics:
        """The statistics with the extent of what is looked at in place of the scan's: of its largest box.

        Patches and spacing of a training with a coarse stage are planned with these.
        """
        boxes = self.boxes(margin_mm)
        if not boxes:
            return self.statistics
        largest = max(boxes, key=lambda box: box.voxels)
        along_s, along_p, along_l = (
            float(count * step) for count, step in zip(largest.size, self.grid.spacing_dhw, strict=True)
        )
        return replace(self.statistics, extent_mm=(along_l, along_p, along_s))


def median_share(scans: Sequence[LabeledScan], margin_mm: Millimetres) -> float:
    """Which share of the median labeled scan lies in boxes around its labels; 1 where nothing is labeled."""
    shares = [looked_at(scan.boxes(margin_mm), scan.grid.shape) for scan in scans if scan.parts]
    return float(np.median(shares)) if shares else 1.0


def median_voxels(scans: Sequence[LabeledScan]) -> float:
    """Voxels of the median scan."""
    return float(np.median([math.prod(scan.grid.shape) for scan in scans]))


def smallest_structure_mm3(scans: Sequence[LabeledScan]) -> float:
    """Volume of the smallest connected part of the labels that is more than a slip; 0 where nothing is labeled."""
    parts = [part.mm3 for scan in scans for part in scan.parts if part.mm3 >= _SLIP * scan.parts[0].mm3]
    return min(parts, default=0.0)


def least_labeled_mm3(scans: Sequence[LabeledScan]) -> float:
    """Volume of all labels of the labeled scan that has least; 0 where nothing is labeled."""
    return min((sum(part.mm3 for part in scan.parts) for scan in scans if scan.parts), default=0.0)


def missed_voxels(
    labels: Volume, boxes: Sequence[Box], values: Sequence[int], preprocessing: Preprocessing
) -> tuple[int, ...]:
    """How many voxels of each class lie in no box of a labeled case, counted in voxels of the prepared scan.

    Args:
        labels: the label map.
        boxes: in canonical voxels; none: it is looked at whole, and nothing is missed.
        values: label value of class 1, 2, ...
        preprocessing: of the fine network.
    """
    if not boxes:
        return ()
    canonical = Orientation.of(labels.grid.direction).to_canonical(labels.voxels)
    grid = CanonicalGrid.of(labels.grid)
    size = preprocessing.prepared_size(Box.whole(grid.shape), grid.shape, grid.spacing_dhw)
    smaller = math.prod(size) / canonical.size
    return tuple(round(smaller * int(outside_of(canonical == value, boxes).sum())) for value in values)
