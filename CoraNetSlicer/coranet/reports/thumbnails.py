"""A region as a small picture: a slice of the scan through its centre, with the outlines of all three heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contract import Region
from ..data.components import Array
from ..data.orientation import Orientation
from ..html.slices import UNCERTAIN_COLOR, axis_across, enlarged, gray_levels
from ..inference.prediction import Prediction
from ..volume import Grid

HEADS = ("segmentation", "conservative", "radical")
OUTLINE_COLORS = {"radical": (255, 112, 80), "conservative": (64, 156, 255), "segmentation": (255, 255, 255)}
_OPACITY = 0.35
_MARGIN_VOXELS = 12


@dataclass(frozen=True)
class Picture:
    """A region, drawn.

    Attributes:
        region: which.
        pixels: (rows, columns, 3), uint8.
    """

    region: Region
    pixels: npt.NDArray[np.uint8]


def region_picture(prediction: Prediction, grid: Grid, scan: Array, region_map: Array, region: Region) -> Picture:
    """Draw a region.

    The slice lies across the longest spacing and is shown as radiologists do: the patient's left on the right, front or
    head up.

    Args:
        prediction: the case's label maps.
        grid: on which they lie.
        scan: (k, j, i).
        region_map: (k, j, i), number of each voxel's region.
        region: which.
    """
    orientation = Orientation.of(grid.direction)
    spacing = orientation.spacing_to_canonical(grid.spacing_mm)[::-1]
    axis = axis_across(spacing)
    index = _canonical_index(region.center_ijk, grid.size_ijk, orientation)[axis]
    in_plane = [spacing[other] for other in range(3) if other != axis]

    def flat(voxels: Array) -> Array:
        plane: Array = np.take(orientation.to_canonical(voxels), index, axis)
        return plane if axis == 0 else plane[::-1]  # superior is up

    inside = flat(region_map) == region.number
    window = _window(inside, in_plane)
    part = flat(scan)[window]
    pixels = enlarged(gray_levels(part, part), in_plane)
    marked = enlarged(inside[window], in_plane)
    pixels[marked] = (1 - _OPACITY) * pixels[marked] + _OPACITY * np.array(UNCERTAIN_COLOR, np.float32)
    for head, color in OUTLINE_COLORS.items():
        pixels[_outline(enlarged(flat(getattr(prediction, head))[window], in_plane))] = color
    return Picture(region, pixels.astype(np.uint8))


def _canonical_index(
    ijk: tuple[int, int, int], size_ijk: tuple[int, int, int], orientation: Orientation
) -> tuple[int, int, int]:
    """Where a voxel lies along S, P, L once the axes are those of the patient."""
    left, posterior, superior = (
        size_ijk[axis] - 1 - ijk[axis] if flipped else ijk[axis]
        for axis, flipped in zip(orientation.source_axis, orientation.flipped, strict=True)
    )
    return superior, posterior, left


def _window(inside: Array, spacing_mm: list[float]) -> tuple[slice, slice]:
    """A square, in mm, around the region with as much again around it, at least some voxels; cut by the border."""
    ends = [(int(places.min()), int(places.max())) for places in np.nonzero(inside)]
    size_mm = max((last - first + 1) * spacing for (first, last), spacing in zip(ends, spacing_mm, strict=True))
    half_mm = size_mm / 2 + max(size_mm / 2, _MARGIN_VOXELS * min(spacing_mm))

    def around(first: int, last: int, spacing: float) -> slice:
        middle, half = (first + last) / 2, half_mm / spacing
        return slice(max(0, int(middle - half)), int(middle + half) + 1)

    rows, columns = (around(*end, spacing) for end, spacing in zip(ends, spacing_mm, strict=True))
    return rows, columns


def _outline(labels: Array) -> Array:
    """Pixels whose right or lower neighbour has another label."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge
