from __future__ import annotations

import numpy as np
from scans import grid_of, name_of_direction, signed_permutations, tilted

from coranet.coarse.grid import CanonicalGrid
from coranet.data.orientation import Orientation


def test_it_is_that_of_the_canonical_voxels():
    for direction in signed_permutations():
        name, grid = name_of_direction(direction), grid_of(direction=tilted(direction))
        voxels = Orientation.of(grid.direction).to_canonical(np.zeros(grid.size_ijk[::-1]))
        canonical = CanonicalGrid.of(grid)
        assert canonical.shape == voxels.shape, name
        extents = sorted(count * step for count, step in zip(canonical.shape, canonical.spacing_dhw, strict=True))
        expected = sorted(count * step for count, step in zip(grid.size_ijk, grid.spacing_mm, strict=True))
        assert extents == expected, name


def test_another_number_of_voxels_covers_the_same_extent():
    coarse = CanonicalGrid((10, 20, 30), (1.0, 2.0, 3.0)).with_size((5, 10, 45))
    assert coarse == CanonicalGrid((5, 10, 45), (2.0, 4.0, 2.0))
