"""Where voxels lie, and which places nobody can work with."""

from __future__ import annotations

import numpy as np
import pytest

from coranet.contract.errors import DataError
from coranet.contract.placement import Placement


def placement(*columns, origin=(0.0, 0.0, 0.0)) -> Placement:
    return Placement.of_matrix((2, 2, 2), np.column_stack([*columns, origin]).tolist())


RIGHT, BACK, UP = (1.0, 0.0, 0.0), (0.0, 1.25, 0.0), (0.0, 0.0, 2.0)


@pytest.mark.parametrize(
    "columns", [(RIGHT, BACK, UP), (UP, RIGHT, BACK), ((-1, 0, 0), BACK, UP), ((0.8, 0.6, 0), (-0.6, 0.8, 0), UP)]
)
def test_right_angles_are_upright(columns):
    placement(*columns).require_upright("'a.nrrd'")


@pytest.mark.parametrize("lean", [0.0009, -0.0009])
def test_rounding_is_no_shear(lean):
    placement(RIGHT, BACK, (0.0, lean * 2, 2.0)).require_upright("'a.nrrd'")


@pytest.mark.parametrize(("k", "degrees"), [((0, 1.2, 2.0), "59"), ((0, -1.2, 2.0), "59"), ((2.0, 0, 2.0), "45")])
def test_a_sheared_grid_is_refused_with_its_angle(k, degrees):
    with pytest.raises(DataError, match=f"'a.nrrd' has a sheared grid: two of its axes are {degrees}.* degrees apart"):
        placement(RIGHT, BACK, k).require_upright("'a.nrrd'")


@pytest.mark.parametrize("k", [(0.0, 0.0, np.nan), (0.0, np.inf, 1.0)])
def test_a_place_without_numbers_is_refused(k):
    with pytest.raises(DataError, match="does not say where its voxels lie"):
        placement(RIGHT, BACK, k).require_upright("'a.nrrd'")
    with pytest.raises(DataError, match="does not say where its voxels lie"):
        placement(RIGHT, BACK, UP, origin=(0.0, np.nan, 0.0)).require_upright("'a.nrrd'")


@pytest.mark.parametrize("scale", [101.0, 1e3, 1e6])
def test_a_spacing_in_another_unit_is_told(scale):
    columns = [tuple(scale * part for part in column) for column in (RIGHT, BACK, UP)]
    with pytest.raises(
        DataError, match="has voxels of .* mm, expected at most 100 mm .* another unit, such as micrometr"
    ):
        placement(*columns).require_upright("the volume 'CT'")
    placement(*(tuple(part * 40 for part in column) for column in (RIGHT, BACK, UP))).require_upright("'a.nrrd'")


def test_a_voxel_without_extent_is_refused():
    with pytest.raises(DataError, match="has a spacing of 1 x 1.25 x 0 mm, expected more than 0"):
        placement(RIGHT, BACK, (0.0, 0.0, 0.0)).require_upright("'a.nrrd'")
