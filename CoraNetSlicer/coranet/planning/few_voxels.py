"""Structures that are a few voxels large at the spacing at which the network works."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..contract import Label
from ..contract.events import Warned
from ..data.box import Box
from ..data.preprocessing import Preprocessing
from ..training_set.survey import MeasuredCase

# A cube of three voxels a side: of less, a network sees little but the border.
FEW_VOXELS = 27


def few_voxels(cases: Sequence[MeasuredCase], labels: Sequence[Label], recipe: Preprocessing) -> Iterator[Warned]:
    """A warning for each structure that is that small in some labeled case.

    Args:
        cases: those that a training learns from.
        labels: of the structures.
        recipe: for the spacing.
    """
    known = [case for case in cases if not case.case.is_partial]
    for label in labels:
        counts = [count for measured in known if (count := _voxels(measured, label.value, recipe)) is not None]
        small = [count for count in counts if count[0] < FEW_VOXELS]
        if not small:
            continue
        here, own, case = min(small)
        spacing = " x ".join(f"{step:.3g}" for step in recipe.spacing_mm)
        remedy = "check its label" if own < FEW_VOXELS else "a finer data.spacing_mm keeps more of it"
        yield Warned(
            "few_voxels",
            f"'{label.name}' is less than {FEW_VOXELS} voxels large at the working spacing of {spacing} mm in "
            f"{len(small)} of {len(counts)} cases, which is hardly learned: about {here:.2g} in '{case}', {own} in its "
            f"label map; {remedy}.",
        )


def _voxels(measured: MeasuredCase, value: int, recipe: Preprocessing) -> tuple[float, int, str] | None:
    """Of a structure in a case: voxels of the network's grid, those of the label map, the case; None: not there."""
    if measured.traits is None or measured.scan is None or value not in measured.traits.structures:
        return None
    grid, own = measured.scan.grid, measured.traits.structures[value].voxels
    size = recipe.prepared_size(Box.whole(grid.shape), grid.shape, grid.spacing_dhw)
    return own * math.prod(size) / math.prod(grid.shape), own, measured.case.id
