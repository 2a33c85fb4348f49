"""Where voxels lie in the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import DataError
from ..contract.placement import Placement
from .notes import note

# Headers store geometry as text or as float32; a hundredth of a voxel is neither visible nor a different grid.
_GRID_TOLERANCE_VOXELS = 1e-2
_DIRECTION_TOLERANCE = 1e-3
# A spacing that a header names twice, by float32 and by text.
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grid:
    """Where voxels lie in the world.

    Attributes:
        size_ijk: number of voxels along i, j, k.
        spacing_mm: distance of voxel centres along i, j, k.
        origin_mm: centre of voxel (0, 0, 0) in LPS.
        direction: row-major 3 x 3; its columns are the directions of i, j, k in LPS.
    """

    size_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres: the determinant of its three edges."""
        edges = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        return abs(float(np.linalg.det(edges))) / 1000.0

    @property
    def placement(self) -> Placement:
        """The same as both sides of a job compare it."""
        steps = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        return Placement.of_matrix(self.size_ijk, np.column_stack([steps, self.origin_mm]).tolist())

    def position_mm(self, ijk: tuple[int, int, int]) -> tuple[float, float, float]:
        """Where the centre of a voxel lies, in LPS."""
        step = np.reshape(self.direction, (3, 3)) @ (np.array(ijk) * self.spacing_mm)
        left, posterior, superior = (np.array(self.origin_mm) + step).tolist()
        return left, posterior, superior

    def difference(self, other: Grid) -> str:
        """In words, what differs from another grid by more than rounding; "" if nothing does."""
        spacing = np.array(self.spacing_mm)
        if self.size_ijk != other.size_ijk:
            return f"size {by(self.size_ijk)} and {by(other.size_ijk)}"
        if np.any(np.abs(spacing - other.spacing_mm) * np.array(self.size_ijk) > _GRID_TOLERANCE_VOXELS * spacing):
            return f"spacing {by(self.spacing_mm)} mm and {by(other.spacing_mm)} mm"
        if np.any(np.abs(np.subtract(self.origin_mm, other.origin_mm)) > _GRID_TOLERANCE_VOXELS * spacing.min()):
            return f"origin {by(self.origin_mm)} mm and {by(other.origin_mm)} mm"
        if np.any(np.abs(np.subtract(self.direction, other.direction)) > _DIRECTION_TOLERANCE):
            return "direction of the axes"
        return ""


@dataclass(frozen=True)
class Volume:
    """Voxels and where they lie. `voxels` has shape (k, j, i); of a scan with several channels (C, k, j, i)."""

    voxels: npt.NDArray[Any]
    grid: Grid

    @property
    def channels(self) -> npt.NDArray[Any]:
        """The voxels as (C, k, j, i), a view; C is 1 where there are no channels."""
        return self.voxels if self.voxels.ndim == 4 else self.voxels[None]


def upright_grid(path: Path, grid: Grid) -> Grid:
    """A grid as a file describes it, with directions of length 1.

    Args:
        path: the file, for messages.
        grid: its directions may carry a part of the spacing, as the matrix of a MetaImage file may.

    Raises:
        DataError: a number is missing, the spacing is 0, or the axes are not at right angles.
    """
    grid.placement.require_upright(f"'{path}'")
    edges = np.reshape(grid.direction, (3, 3)) * grid.spacing_mm
    lengths = np.linalg.norm(edges, axis=0)
    if min(grid.spacing_mm) <= 0:
        raise DataError(
            f"'{path}' has a spacing of {by(grid.spacing_mm)} mm, expected more than 0 along each axis; correct its "
            "header, or export it again."
        )
    axes = edges / lengths
    if np.allclose(lengths, grid.spacing_mm, rtol=SPACING_TOLERANCE):
        return grid
    note(
        f"the matrix of '{path}' carries a part of the spacing; its voxels are {by(tuple(lengths))} mm large, not "
        f"{by(grid.spacing_mm)} mm."
    )
    return Grid(grid.size_ijk, _three(lengths), grid.origin_mm, tuple(float(part) for part in axes.ravel()))


def by(values: tuple[Any, ...]) -> str:
    """Numbers of the axes in a sentence: "1 x 1.25 x 2"."""
    return " x ".join(f"{float(value):g}" for value in values)


def _three(values: npt.NDArray[Any]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
