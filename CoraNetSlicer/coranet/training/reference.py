"""What the scans of a training are like, as its model sees them: kept for the results that it will make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..coarse.grid import CanonicalGrid
from ..data.cache import PreparedCase
from ..data.scans import scan_grid
from ..inference.network_pass import SlidingWindow
from ..plausibility.reference import Reference
from ..plausibility.traits import CaseTraits, Measurement, fine_detail
from .cases import TrainingCases

# More cases say hardly more.
_MOST_CASES = 32
# From fewer than these, one foreign scan in twenty passes. So many take up to so many times the voxels.
_ENOUGH_CASES, _MOST_TIMES = 8, 5
_FEWEST_CASES = 2
_ML = 1000.0


def reference_of(network: nn.Module, cases: TrainingCases, window: SlidingWindow, most_voxels: float) -> Reference:
    """Measure some cases of a training.

    Of labeled cases the volumes are those of the labels, and the network is not asked, for it is too sure of what it
    was taught. Unlabeled and validation cases are as the network segments them.

    Args:
        network: gives `HeadLogits`; evaluated as it is.
        cases: prepared.
        window: how to cover a whole scan; may raise to stop.
        most_voxels: the network looks at no more voxels; at five times as many for eight cases, and at two in any case.
    """
    labeled = [boxes for boxes in _by_case(cases.labeled) if all(box.known is None for box in boxes)]
    others = _some(_by_case([*cases.unlabeled, *cases.validation]), most_voxels)
    measured = [_of_label(boxes, len(cases.class_names)) for boxes in _spread(labeled, _MOST_CASES)]
    measured += [_as_segmented(network, boxes, window) for boxes in others]
    return Reference(cases.class_names, tuple(measured))


def _of_label(boxes: Sequence[PreparedCase], classes: int) -> CaseTraits:
    volumes = np.zeros(classes)
    for box in boxes:
        counts = np.bincount(np.asarray(box.labels).ravel(), minlength=classes + 1)[1:]
        volumes += counts * _voxel_ml(box)
    largest = max(boxes, key=lambda box: box.image[0].size)
    return CaseTraits(fine_detail(largest.image), tuple(map(float, volumes)))


def _as_segmented(network: nn.Module, boxes: Sequence[PreparedCase], window: SlidingWindow) -> CaseTraits:
    measurement = Measurement(window.classes)
    volumes = np.zeros(window.classes - 1)
    for box in boxes:
        before = np.array(measurement.named)
        image = torch.from_numpy(np.asarray(box.image, dtype=np.float32))
        for _ in measurement.gathered(window.stream(network, image, box.padding), image.numpy()):
            pass
        volumes += (np.array(measurement.named) - before) * _voxel_ml(box)
    return measurement.traits(tuple(map(float, volumes)))


def _voxel_ml(box: PreparedCase) -> float:
    """Volume of a prepared voxel."""
    grid = CanonicalGrid.of(scan_grid(box.case))
    extent = grid if box.box is None else CanonicalGrid(box.box.size, grid.spacing_dhw)
    return float(np.prod(extent.with_size(box.image.shape[1:]).spacing_dhw)) / _ML


def _by_case(boxes: Sequence[PreparedCase]) -> list[list[PreparedCase]]:
    """The boxes of each case."""
    by_case: dict[str, list[PreparedCase]] = {}
    for box in boxes:
        by_case.setdefault(box.case.id, []).append(box)
    return list(by_case.values())


def _some(cases: list[list[PreparedCase]], most_voxels: float) -> list[list[PreparedCase]]:
    """As many cases as the network may look at."""
    if not cases:
        return []
    affordable = most_voxels / float(np.mean([sum(box.image[0].size for box in boxes) for boxes in cases]))
    count = max(_FEWEST_CASES, min(_ENOUGH_CASES, _MOST_TIMES * affordable), affordable)
    return _spread(cases, min(_MOST_CASES, int(count)))


def _spread(cases: list[list[PreparedCase]], most: int) -> list[list[PreparedCase]]:
    """At most so many cases, from everywhere in the list."""
    places = np.unique(np.linspace(0, len(cases) - 1, min(most, len(cases))).round().astype(int))
    return [cases[place] for place in places]
