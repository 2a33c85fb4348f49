"""Size and spacing of a scan along the axes of the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.box import Triple
from ..data.orientation import Orientation
from ..volume import Grid


@dataclass(frozen=True)
class CanonicalGrid:
    """The voxels of a scan in canonical order (S, P, L), called (D, H, W).

    Attributes:
        shape: voxels along D, H, W.
        spacing_dhw: mm along D, H, W.
    """

    shape: Triple
    spacing_dhw: tuple[float, float, float]

    @staticmethod
    def of(grid: Grid) -> CanonicalGrid:
        """That of a scan stored in whatever order."""
        orientation = Orientation.of(grid.direction)
        along_l, along_p, along_s = orientation.spacing_to_canonical(grid.spacing_mm)
        width, height, depth = (grid.size_ijk[axis] for axis in orientation.source_axis)
        return CanonicalGrid((depth, height, width), (along_s, along_p, along_l))

    def with_size(self, shape: Sequence[int]) -> CanonicalGrid:
        """As many voxels over the same extent."""
        depth, height, width = shape
        along_d, along_h, along_w = (
            count * step / other for count, step, other in zip(self.shape, self.spacing_dhw, shape, strict=True)
        )
        return CanonicalGrid((depth, height, width), (along_d, along_h, along_w))
