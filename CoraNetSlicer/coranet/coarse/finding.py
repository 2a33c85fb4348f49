"""The coarse network at work: where in a scan the fine network has to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..contract.events import Warned
from ..data.box import Box, Triple
from ..data.cache import lowest
from ..volume import Volume
from .boxes import Part, boxes_around, margin_voxels, parts_of
from .grid import CanonicalGrid
from .part import CoarsePart

if TYPE_CHECKING:
    # A window is handed in; what segments scans needs this package.
    from ..inference.network_pass import SlidingWindow

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CoarseNetwork:
    """A coarse network with its weights.

    Attributes:
        part: how its input is prepared, and how boxes are made of what it finds.
        network: gives `HeadLogits` of two classes; in evaluation mode.
        window: how a scan larger than its patch is covered.
    """

    part: CoarsePart
    network: nn.Module
    window: SlidingWindow

    def boxes(self, volume: Volume, before_window: Callable[[float], None] | None = None) -> list[Box]:
        """Where the structures are, in canonical voxels of the scan.

        Args:
            volume: the scan.
            before_window: called before each batch of windows with the share that is done, may raise to stop; None:
                what the window says.

        Returns:
            Boxes that do not overlap, with the margin; [] where nothing was found: then the whole scan is to be looked
            at.
        """
        image = torch.from_numpy(np.ascontiguousarray(self.part.preprocessing.prepare_image(volume)))
        window = self.window if before_window is None else replace(self.window, before_window=before_window)
        margins = replace(self, window=window).margins(image)
        return found_boxes(self.part, margins, CanonicalGrid.of(volume.grid))

    def margins(self, image: Tensor) -> Array:
        """By how much the radical head prefers foreground in a prepared scan (C, D, H, W): (D, H, W), logits.

        The radical head is taken because what it misses is lost, and what it finds too much costs a little time.
        """
        radical = self.window.logits(self.network, image, lowest(image.numpy())).radical
        return (radical[1:].amax(0) - radical[0]).numpy()


def not_found(case_id: str) -> Warned:
    """The warning for a case without any box."""
    return Warned(
        "not_found", f"the coarse network finds nothing large enough in '{case_id}'; the whole scan is searched."
    )


def nothing_in_boxes(case_id: str) -> Warned:
    """The warning for a case in whose boxes the fine network finds nothing."""
    return Warned(
        "nothing_in_boxes",
        f"the fine network finds nothing where the coarse one found something in '{case_id}'; the whole "
        "scan is searched, so check the result carefully.",
    )


def found_boxes(part: CoarsePart, margins: Array, grid: CanonicalGrid) -> list[Box]:
    """Boxes of a scan around what was found in it.

    Args:
        part: for the margin of boxes, and what is too small.
        margins: of `CoarseNetwork.margins`, on the coarse network's grid, which covers the same extent as the scan's.
        grid: of the scan.

    Returns:
        Boxes that do not overlap, in canonical voxels; [] where there is nothing, or nothing large enough.
    """
    coarse = grid.with_size(margins.shape)
    parts = [
        replace(found_part, box=_on_grid_of(found_part.box, coarse.shape, grid.shape))
        for found_part in found_parts(part, margins, coarse.spacing_dhw)
    ]
    return boxes_around(parts, part.least_mm3, margin_voxels(part.margin_mm, grid.spacing_dhw), grid.shape)


def found_parts(part: CoarsePart, margins: Array, spacing_dhw: Sequence[float]) -> list[Part]:
    """The connected parts of what the radical head finds, none of them too small, the largest first.

    Args:
        part: for what is too small, and the head's caution.
        margins: of `CoarseNetwork.margins`.
        spacing_dhw: of their grid, mm.

    Returns:
        None of them where all together are too small for what is looked for.
    """
    large_enough = [piece for piece in parts_of(margins > -part.caution, spacing_dhw) if piece.mm3 >= part.least_mm3]
    return large_enough if sum(piece.mm3 for piece in large_enough) >= part.least_total_mm3 else []


def _on_grid_of(box: Box, coarse: Triple, shape: Triple) -> Box:
    """The voxels of a scan that a box of coarse voxels over the same extent touches."""
    start = [first * count // size for first, size, count in zip(box.start, coarse, shape, strict=True)]
    stop = [-(-end * count // size) for end, size, count in zip(box.stop, coarse, shape, strict=True)]
    return Box.from_lists([start, stop])
