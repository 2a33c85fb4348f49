"""The structures of a result: how large they are, and their surfaces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..contract.slide import voxel_length_mm
from ..data.components import Array, SparseVoxels
from ..volume import Grid
from .statistics import flat

# Faces of voxels have more area than the smooth surface that they follow: 1.5 times, on the mean over all directions.
_FACES_PER_SURFACE = 1.5
# A slide of fewer voxels moves nothing that a person sees, one of more mm more than a person means.
_FEWEST_VOXELS, _LARGEST_MM = 3.0, 25.0

Bounds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Structure:
    """One structure of a result.

    Attributes:
        value: its label value.
        volume_mm3: its volume.
        area_mm2: of its surface; 0 if it fills the scan.
        bounds_ijk: first and last voxel along i, j and k, both inside.
        surface: its voxels that share a face with another label.
    """

    value: int
    volume_mm3: float
    area_mm2: float
    bounds_ijk: Bounds
    surface: SparseVoxels

    @property
    def radius_mm(self) -> float:
        """Radius of the ball with as much volume for its surface: 3 V / A. Of a thin wall it is small."""
        return 3 * self.volume_mm3 / self.area_mm2 if self.area_mm2 else 0.0

    def place_radius_mm(self, share: float, grid: Grid) -> float:
        """The radius of a place on its surface: a share of its own, at least 3 voxels and at most 25 mm."""
        return min(max(share * self.radius_mm, _FEWEST_VOXELS * voxel_length_mm(grid.spacing_mm)), _LARGEST_MM)


def structures_of(labels: Array, grid: Grid) -> list[Structure]:
    """The structures that a result names, by label value.

    Args:
        labels: (k, j, i), label values; 0 is background.
        grid: on which they lie.
    """
    places = np.flatnonzero(labels)
    here = flat(labels)[places]
    area = _areas(labels, SparseVoxels(places, labels.shape), here, grid)
    counts, areas = np.bincount(here), np.bincount(here, weights=area)
    # What each structure needs is computed from few voxels.
    on_surface = np.flatnonzero(area)
    border, values = places[on_surface], here[on_surface]
    structures = []
    for value in np.flatnonzero(counts).tolist():
        surface = SparseVoxels(border[values == value], labels.shape)
        volume_mm3 = float(counts[value]) * math.prod(grid.spacing_mm)
        area_mm2 = float(areas[value]) / _FACES_PER_SURFACE
        structures.append(Structure(value, volume_mm3, area_mm2, _bounds(surface), surface))
    return structures


def _areas(labels: Array, voxels: SparseVoxels, here: Array, grid: Grid) -> Array:
    """(N,), float32, mm2: the area of the faces that each voxel has in common with voxels of other labels."""
    area = np.zeros(len(here), np.float32)
    step = 1
    for axis, (index, size) in enumerate(zip(voxels.indices()[::-1], grid.size_ijk, strict=True)):
        face_mm2 = math.prod(other for number, other in enumerate(grid.spacing_mm) if number != axis)
        for offset, border in ((-step, 0), (step, size - 1)):
            # The border of the scan is no surface.
            there = flat(labels)[np.where(index != border, voxels.places + offset, voxels.places)]
            area += np.float32(face_mm2) * (there != here)
        step *= size
    return area


def _bounds(voxels: SparseVoxels) -> Bounds:
    """The box around voxels; of none that of a single one, in which nothing has a side."""
    if not len(voxels.places):
        return (0, 0), (0, 0), (0, 0)
    i, j, k = ((int(axis.min()), int(axis.max())) for axis in voxels.indices()[::-1])
    return i, j, k
