"""Grids that hold the same voxels in another order."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from coranet.contract.axis_order import AxisOrder, axis_order
from coranet.contract.placement import Placement

SIZE_IJK = (5, 4, 3)
SPACING = (0.9, 1.3, 2.4)


def oblique() -> np.ndarray:
    """Index to world of a turned grid with unequal spacing, (4, 4)."""
    a, b = 0.4, -0.3
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ np.diag(SPACING)
    matrix[:3, 3] = (11.5, -23.25, 40.75)
    return matrix


def placement(size_ijk, matrix) -> Placement:
    return Placement.of_matrix(size_ijk, np.asarray(matrix).tolist())


def stored_otherwise(voxels, matrix, axes, reverses):
    """The same image with its axes i, j, k in another order, some of them reversed: (k, j, i), and its matrix."""
    turned = voxels.transpose(2, 1, 0).transpose(axes)
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, is_reversed) in enumerate(zip(axes, reverses, strict=True)):
        change[old, new] = -1 if is_reversed else 1
        change[old, 3] = turned.shape[new] - 1 if is_reversed else 0
    turned = turned[tuple(slice(None, None, -1 if is_reversed else 1) for is_reversed in reverses)]
    return turned.transpose(2, 1, 0), matrix @ change


ORDERS = list(product(permutations(range(3)), product((False, True), repeat=3)))


def test_each_of_the_48_orders_of_one_image_is_found():
    voxels = np.arange(np.prod(SIZE_IJK)).reshape(SIZE_IJK[::-1])
    for axes, reverses in ORDERS:
        other, matrix = stored_otherwise(voxels, oblique(), axes, reverses)
        order = axis_order(placement(other.shape[::-1], matrix), placement(SIZE_IJK, oblique()))
        assert np.array_equal(order.applied(other), voxels), (axes, reverses)
        assert order.changes_nothing is ((axes, reverses) == ((0, 1, 2), (False,) * 3)), (axes, reverses)


def test_a_cube_is_told_from_its_rotations_by_where_it_lies():
    voxels = np.arange(27).reshape(3, 3, 3)
    for axes, reverses in ORDERS:
        other, matrix = stored_otherwise(voxels, np.eye(4), axes, reverses)
        order = axis_order(placement((3, 3, 3), matrix), placement((3, 3, 3), np.eye(4)))
        assert np.array_equal(order.applied(other), voxels)


@pytest.mark.parametrize("shift", [0.0, 0.005, -0.008])
def test_rounding_is_no_other_grid(shift):
    matrix = oblique()
    matrix[0, 3] += shift * min(SPACING)
    assert axis_order(placement(SIZE_IJK, matrix), placement(SIZE_IJK, oblique())) == AxisOrder()


def moved(matrix, **changes) -> np.ndarray:
    made = matrix.copy()
    made[:3, 3] += changes.get("by", 0.0)
    made[:3, :3] *= changes.get("scale", 1.0)
    made[:3, 0] = made[:3, 0] + changes.get("shear", 0.0) * made[:3, 1]
    return made


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (SIZE_IJK, {"by": 0.02}),
        (SIZE_IJK, {"scale": 1.01}),
        (SIZE_IJK, {"shear": 0.05}),
        ((5, 4, 4), {}),
        ((6, 4, 3), {}),
    ],
)
def test_other_places_are_another_grid(size, changes):
    assert axis_order(placement(size, moved(oblique(), **changes)), placement(SIZE_IJK, oblique())) is None
