"""Where the voxels of an image lie in the world, for everybody who compares or checks it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .errors import DataError

Point = tuple[float, float, float]

# Cosine of the angle between two axes; more is sheared.
SHEAR_TOLERANCE = 1e-3
# No scanner has voxels as large: then the numbers are of another unit, and memory would not hold the scan.
LARGEST_SPACING_MM = 100.0


@dataclass(frozen=True)
class Placement:
    """Where voxels lie in a world.

    Attributes:
        size_ijk: voxels along i, j, k.
        origin: centre of voxel (0, 0, 0), mm.
        steps: from one voxel to the next along i, j and k, mm each.
    """

    size_ijk: tuple[int, int, int]
    origin: Point
    steps: tuple[Point, Point, Point]

    @staticmethod
    def of_matrix(size_ijk: Sequence[int], rows: Sequence[Sequence[float]]) -> Placement:
        """From the matrix that brings indices into the world.

        Args:
            size_ijk: voxels along i, j, k.
            rows: three rows, or four, of four numbers.
        """
        first, second, third, origin = (
            (float(rows[0][column]), float(rows[1][column]), float(rows[2][column])) for column in range(4)
        )
        width, height, depth = (int(size) for size in size_ijk)
        return Placement((width, height, depth), origin, (first, second, third))

    def place_of(self, ijk: Sequence[int]) -> Point:
        """Where the centre of a voxel lies."""
        x, y, z = (
            self.origin[axis] + sum(index * step[axis] for index, step in zip(ijk, self.steps, strict=False))
            for axis in range(3)
        )
        return x, y, z

    def require_upright(self, image: str) -> None:
        """Raise DataError unless the axes are at right angles to each other, and the voxels of a size that a scan has.

        Args:
            image: what it is called, for the message, such as "'scan.nrrd'" or "the volume 'scan'".
        """
        lengths = [_length(step) for step in self.steps]
        if not all(math.isfinite(part) for step in (*self.steps, self.origin) for part in step):
            raise DataError(
                f"{image} does not say where its voxels lie: its spacing, direction or origin is not a number; save it "
                "again with the right header."
            )
        if not min(lengths) > 0:
            spacing = " x ".join(f"{length:g}" for length in lengths)
            raise DataError(
                f"{image} has a spacing of {spacing} mm, expected more than 0 along each axis; correct its header, or "
                "export it again."
            )
        if max(lengths) > LARGEST_SPACING_MM:
            spacing = " x ".join(f"{length:g}" for length in lengths)
            raise DataError(
                f"{image} has voxels of {spacing} mm, expected at most {LARGEST_SPACING_MM:g} mm along each axis: its "
                "spacing is in another unit, such as micrometres; correct it in the header, or export it again."
            )
        cosine = max(
            abs(sum(a * b for a, b in zip(self.steps[first], self.steps[second], strict=False)))
            / (lengths[first] * lengths[second])
            for first, second in combinations(range(3), 2)
        )
        if cosine > SHEAR_TOLERANCE:
            angle = math.degrees(math.acos(min(cosine, 1.0)))
            raise DataError(
                f"{image} has a sheared grid: two of its axes are {angle:.3g} degrees apart, expected 90; resample it "
                "onto an upright grid (in Slicer: Resample Scalar/Vector/DWI Volume)."
            )

    @property
    def shortest_edge(self) -> float:
        """Length of a voxel's shortest edge, mm."""
        return min(_length(step) for step in self.steps)


def _length(step: Point) -> float:
    return float(sum(part * part for part in step) ** 0.5)
