"""What of a case is compared with the others, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scans import grid_of, name_of_direction, signed_permutations

from coranet.training_set.traits import Intensities, Traits, axes_of
from coranet.volume import Volume


def a_block() -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((10, 12, 20), np.int32)
    labels[2:4, 3:6, 10:15] = 7
    image = np.where(labels == 7, 50.0, 10.0).astype(np.float32)
    return labels, image


def test_sizes_and_places_by_hand():
    labels, image = a_block()
    grid = grid_of((20, 12, 10), (1.0, 2.0, 3.0), np.eye(3))
    traits = Traits.of(Volume(image, grid), Volume(labels, grid), [1, 7])
    (found,) = traits.structures.values()
    assert list(traits.structures) == [7] and traits.axes == "LPS"
    assert (found.voxels, found.ml) == (30, pytest.approx(30 * 6 / 1000))
    assert found.centre == pytest.approx((12.5 / 20, 4.5 / 12, 3 / 10))
    assert found.contrast == 1.0 and traits.extent_mm == (20.0, 24.0, 30.0)
    darker = Traits.of(Volume(-image, grid), Volume(labels, grid), [7])
    assert darker.structures[7].contrast == -1.0


def test_places_are_those_of_the_patient_however_the_file_stores_them():
    labels, image = a_block()
    for direction in signed_permutations():
        # Stored in another order: the array that this direction makes of the same patient.
        order, name = np.abs(direction).argmax(0), name_of_direction(direction)
        stored = [part.transpose(2, 1, 0).transpose(order).transpose(2, 1, 0) for part in (labels, image)]
        flips = [axis for axis in range(3) if direction[order[axis], axis] < 0]
        stored = [np.flip(part, [2 - axis for axis in flips]) for part in stored]
        spacing = tuple(np.array([1.0, 2.0, 3.0])[order].tolist())
        grid = grid_of(stored[0].shape[::-1], spacing, direction)
        traits = Traits.of(Volume(stored[1].copy(), grid), Volume(stored[0].copy(), grid), [7])
        assert traits.axes == axes_of(grid) == name
        assert traits.structures[7].centre == pytest.approx((12.5 / 20, 4.5 / 12, 3 / 10)), name
        assert traits.spacing_mm == (1.0, 2.0, 3.0), name


def test_a_structure_that_fills_the_scan_has_no_surroundings():
    grid = grid_of((6, 5, 4), (1.0, 1.0, 1.0), np.eye(3))
    image = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    traits = Traits.of(Volume(image, grid), Volume(np.ones((4, 5, 6), np.int32), grid), [1])
    assert traits.structures[1].contrast == 0.0


def test_a_large_thin_structure_is_not_lost_between_the_samples():
    labels = np.zeros((6, 8, 400), np.int32)
    labels[3, 4, ::7] = 1
    grid = grid_of((400, 8, 6), (1.0, 1.0, 1.0), np.eye(3))
    image = np.where(labels > 0, 9.0, 1.0).astype(np.float32)
    found = Traits.of(Volume(image, grid), Volume(labels, grid), [1]).structures[1]
    assert found.voxels == 58 and found.contrast > 0.9


def test_intensities_are_relative_to_those_of_the_scan():
    found = Intensities.of(np.linspace(0, 100, 10001).reshape(1, 73, 137))
    assert found.lowest == 0.0
    assert found.relative(2) == pytest.approx(0, abs=0.02) and found.relative(98) == pytest.approx(1, abs=0.02)
    assert Intensities.of(np.ones((2, 3, 4))).relative(1) == 0  # one grey value
