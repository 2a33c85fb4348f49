"""What of the unlabeled cases is known after some seconds of a person's time, in three ways.

Seconds are those of `review_visits`: at a place a view and a slide or an answer; of a patch or a volume a view, and the
boundary of the truth in each slice in which the result is wrong, painted at 10 mm in a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from review_cases import KnownCase
from review_visits import SLIDE_S, VIEW_S, Reviewer, painting_s

from coranet.boundary_slide import known_after
from coranet.regions.files import read_regions

Array = npt.NDArray[Any]

# Where the patches of a foreground-aware random choice lie (nnActive, Lüth et al. 2025); the others anywhere.
_IN_STRUCTURE, _AT_BORDER = 1 / 6, 1 / 6


@dataclass
class Annotated:
    """A case that is annotated in part.

    Attributes:
        labels: (k, j, i), label values.
        known: (k, j, i), bool: where they were looked at.
        seconds: that this took.
        acts: visits, patches or volumes.
    """

    labels: Array
    known: Array
    seconds: float = 0.0
    acts: int = 0

    @staticmethod
    def nothing(case: KnownCase) -> Annotated:
        """The result as it is, of which nothing is known."""
        labels = case.written.prediction.segmentation.copy()
        return Annotated(labels, np.zeros(labels.shape, bool))

    def paint(self, case: KnownCase, box: tuple[slice, ...]) -> None:
        """Give a box its true labels."""
        self.seconds += box_seconds(case, self, box)
        self.labels[box], self.known[box] = case.truth[box], True
        self.acts += 1


def box_seconds(case: KnownCase, annotated: Annotated, box: tuple[slice, ...]) -> float:
    """What painting a box takes, but for what is known already."""
    unknown = ~annotated.known[box]
    return VIEW_S + painting_s(case.truth[box], annotated.labels[box], unknown, case.written.grid.spacing_mm)


def places(case: KnownCase, seconds: float) -> Annotated:
    """Visit the places of a case in their order, each with a slide or an answer, until the time is up."""
    found = read_regions(case.written.files)
    reviewer = Reviewer.of(case, np.zeros(case.truth.shape, bool))
    annotated = Annotated.nothing(case)
    for region in found.list.regions:
        if annotated.seconds + VIEW_S + SLIDE_S > seconds:
            break
        annotated.seconds += reviewer.visit(region, found)
        annotated.known |= found.region_map == region.number
        annotated.acts += 1
    for count, slide in enumerate(reviewer.slides):
        box, is_known = known_after(reviewer.labels, reviewer.margins, slide, reviewer.slides[:count])
        annotated.known[box] |= is_known
    annotated.labels = reviewer.labels
    return annotated


def patches(
    cases: Mapping[str, KnownCase], seconds: float, size_kji: tuple[int, int, int], seed: int
) -> dict[str, Annotated]:
    """Paint foreground-aware random patches of random cases until the time is up.

    Args:
        cases: by name.
        seconds: of all cases together.
        size_kji: voxels of a patch, along k, j, i.
        seed: of the choice.
    """
    random, names, left = np.random.default_rng(seed), sorted(cases), seconds
    annotated: dict[str, Annotated] = {}
    while True:
        name = names[random.integers(len(names))]
        box = foreground_aware_box(cases[name].truth, size_kji, random)
        here = annotated.get(name) or Annotated.nothing(cases[name])
        left -= box_seconds(cases[name], here, box)
        if left < 0:
            return annotated
        annotated[name] = here
        here.paint(cases[name], box)


def volumes(cases: Mapping[str, KnownCase], seconds: float, seed: int) -> dict[str, Annotated]:
    """Paint whole cases in a random order until the time is up; see `patches`."""
    annotated: dict[str, Annotated] = {}
    for name in np.random.default_rng(seed).permutation(sorted(cases)):
        whole = Annotated.nothing(cases[name])
        whole.paint(cases[name], (slice(None),) * 3)
        seconds -= whole.seconds
        if seconds < 0:
            break
        annotated[str(name)] = whole
    return annotated


def foreground_aware_box(
    truth: Array, size_kji: tuple[int, int, int], random: np.random.Generator
) -> tuple[slice, ...]:
    """A patch within a case, around a point of a structure, of its border, or anywhere.

    Args:
        truth: (k, j, i), label values.
        size_kji: voxels of the patch.
        random: chooses.
    """
    kind, values = random.random(), np.unique(truth[truth > 0])
    center = [int(random.integers(size)) for size in truth.shape]
    if kind < _IN_STRUCTURE + _AT_BORDER and len(values):
        inside = truth == values[random.integers(len(values))]
        voxels = np.argwhere(inside if kind < _IN_STRUCTURE else border(inside))
        center = list(voxels[random.integers(len(voxels))])
    first = [
        int(np.clip(at - size // 2, 0, max(0, whole - size)))
        for at, size, whole in zip(center, size_kji, truth.shape, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(first, size_kji, strict=True))


def border(inside: Array) -> Array:
    """The voxels of a structure with a face at another one, or at the border of the scan; bool."""
    padded = np.pad(inside, 1)
    surrounded = np.ones(inside.shape, bool)
    for axis in range(inside.ndim):
        for step in (-1, 1):
            surrounded &= np.roll(padded, step, axis)[(slice(1, -1),) * inside.ndim]
    return inside & ~surrounded
