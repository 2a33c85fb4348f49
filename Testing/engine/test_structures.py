"""What labels say about spacing and patch."""

from __future__ import annotations

import numpy as np
import pytest

from coranet.training_set.structures import Structures, kept_dice, largest_extent
from coranet.volume import Grid, Volume

# Voxels (k, j, i) of a scan with axes along L, P, S.
SPACING_MM = (1.0, 2.0, 3.0)


def a_label_map(voxels: np.ndarray, direction=None) -> Volume:
    grid = Grid(voxels.shape[::-1], SPACING_MM, (0.0, 0.0, 0.0), direction or (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Volume(voxels, grid)


def a_box() -> np.ndarray:
    voxels = np.zeros((10, 12, 14), dtype=np.uint8)
    voxels[2:6, 3:9, 5:13] = 4
    voxels[2, 3, 5] = 9
    return voxels


def test_extent_and_classes_of_a_case():
    structures = Structures.of(a_label_map(a_box()), [4, 9])
    assert structures.spacing_dhw == (3.0, 2.0, 1.0)
    assert structures.extent_mm == (12.0, 12.0, 8.0)
    assert (
        structures.crop.shape == (4, 6, 8)
        and structures.crop[0, 0, 0] == 2
        and (structures.crop == 1).sum() == 4 * 6 * 8 - 1
    )


def test_axes_are_those_of_the_patient():
    # i runs along S: the scan is turned before it is measured.
    turned = Structures.of(a_label_map(a_box(), (0, 0, 1.0, 0, 1.0, 0, 1.0, 0, 0)), [4, 9])
    assert turned.spacing_dhw == (1.0, 2.0, 3.0) and turned.extent_mm == (8.0, 12.0, 12.0)


def test_nothing_has_no_extent_and_says_nothing():
    nothing = Structures.of(a_label_map(np.zeros((4, 5, 6), dtype=np.uint8)), [1])
    assert nothing.extent_mm == (0.0, 0.0, 0.0) and kept_dice([nothing], (5.0, 5.0, 5.0), 1) == 1.0
    box = Structures.of(a_label_map(a_box()), [4, 9])
    assert largest_extent([nothing, box]) == (12.0, 12.0, 8.0)
    assert kept_dice([nothing, box], (6.0, 6.0, 6.0), 1) == kept_dice([box], (6.0, 6.0, 6.0), 1)


def test_labels_keep_everything_at_their_own_spacing_and_less_at_coarse_ones():
    box = Structures.of(a_label_map(a_box()), [4])
    kept = [kept_dice([box], spacing, 1) for spacing in ((3.0, 2.0, 1.0), (4.0, 4.0, 4.0), (12.0, 12.0, 12.0))]
    assert kept[0] == 1.0 and kept[0] > kept[1] > kept[2]


def test_the_thinnest_class_decides():
    voxels = np.zeros((10, 12, 14), dtype=np.uint8)
    voxels[1:9, 1:11, 1:7] = 1
    voxels[1:9, 1:11, 10] = 2
    structures = Structures.of(a_label_map(voxels), [1, 2])
    thick = kept_dice(
        [Structures(structures.spacing_dhw, structures.extent_mm, structures.crop * (structures.crop == 1))],
        (3.0, 3.0, 3.0),
        2,
    )
    assert kept_dice([structures], (3.0, 3.0, 3.0), 2) < thick


@pytest.mark.parametrize("size", [2, 3])
def test_the_round_trip_is_that_of_the_network(size):
    """A slab that fills whole coarse voxels comes back as it was."""
    voxels = np.zeros((4 * size, 4 * size, 4 * size), dtype=np.uint8)
    voxels[: 2 * size] = 1
    structures = Structures((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), voxels)
    assert kept_dice([structures], (float(size), 1.0, 1.0), 1) == 1.0
