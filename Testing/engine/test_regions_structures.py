"""How large the structures of a result are."""

from __future__ import annotations

import numpy as np
import pytest
from scans import grid_of

from coranet.regions.structures import structures_of


def a_box(spacing_mm=(1.0, 1.0, 1.0)):
    labels = np.zeros((20, 22, 24), np.uint8)
    labels[4:14, 5:15, 6:16] = 3
    return labels, grid_of((24, 22, 20), spacing_mm=spacing_mm, direction=np.eye(3))


def test_a_box_has_its_volume_its_faces_and_its_border():
    (structure,) = structures_of(*a_box((1.0, 2.0, 3.0)))
    assert (structure.value, structure.bounds_ijk) == (3, ((6, 15), (5, 14), (4, 13)))
    assert structure.volume_mm3 == pytest.approx(6000)
    assert structure.area_mm2 == pytest.approx((2 * 600 + 2 * 300 + 2 * 200) / 1.5)
    assert len(structure.surface.places) == 10**3 - 8**3


def test_a_ball_has_its_own_radius():
    position = np.indices((60, 60, 60), dtype=float) - 29.5
    labels = (np.sqrt((position**2).sum(0)) < 20).astype(np.uint8)
    (structure,) = structures_of(labels, grid_of((60, 60, 60), spacing_mm=(1.0, 1.0, 1.0)))
    assert structure.radius_mm == pytest.approx(20, rel=0.03)


def test_of_a_thin_wall_it_is_small():
    labels, grid = a_box()
    whole = structures_of(labels, grid)[0].radius_mm
    labels[6:12, 7:13, 8:14] = 0
    assert structures_of(labels, grid)[0].radius_mm < 0.7 * whole


def test_places_are_neither_smaller_than_a_few_voxels_nor_huge():
    labels, grid = a_box()
    (structure,) = structures_of(labels, grid)
    assert structure.place_radius_mm(0.5, grid) == pytest.approx(0.5 * structure.radius_mm)
    assert structure.place_radius_mm(0.01, grid) == 3.0
    assert structure.place_radius_mm(9.0, grid) == 25.0


def test_the_border_of_the_scan_is_no_surface():
    labels = np.ones((4, 5, 6), np.uint8)
    (structure,) = structures_of(labels, grid_of((6, 5, 4)))
    assert structure.area_mm2 == structure.radius_mm == 0 and not len(structure.surface.places)
    labels[:, :, 3:] = 2
    first, second = structures_of(labels, grid_of((6, 5, 4), spacing_mm=(1.0, 1.0, 1.0)))
    assert first.area_mm2 == second.area_mm2 == pytest.approx(20 / 1.5)


def test_a_scan_without_structures_has_none():
    assert structures_of(np.zeros((4, 5, 6), np.uint8), grid_of((6, 5, 4))) == []
