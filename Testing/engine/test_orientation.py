from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scans import name_of_direction, signed_permutations, tilted

from coranet.data.orientation import Orientation

DIRECTIONS = signed_permutations()
NAMES = [name_of_direction(direction) for direction in DIRECTIONS]
VOXELS = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


def orientation_of(direction: np.ndarray) -> Orientation:
    return Orientation.of(tuple(direction.ravel().tolist()))


def turned_by_itk(direction: np.ndarray, spacing: tuple[float, ...]) -> sitk.Image:
    """The scan VOXELS with these axes, brought to LPS by ITK: the oracle."""
    image = sitk.GetImageFromArray(VOXELS)
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing(spacing)
    return sitk.DICOMOrient(image, "LPS")


def test_there_are_48_ways_for_axes_to_lie():
    assert len(set(NAMES)) == 48


def test_there_and_back_is_the_same_scan():
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        orientation = orientation_of(direction)
        canonical = orientation.to_canonical(VOXELS)
        np.testing.assert_array_equal(orientation.from_canonical(canonical), VOXELS, name)
        np.testing.assert_array_equal(orientation.to_canonical(orientation.from_canonical(canonical)), canonical, name)


def test_canonical_axes_are_those_of_itk():
    spacing = (1.0, 1.5, 2.5)
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        expected = turned_by_itk(direction, spacing)
        orientation = orientation_of(direction)
        np.testing.assert_array_equal(orientation.to_canonical(VOXELS), sitk.GetArrayFromImage(expected), name)
        assert orientation.spacing_to_canonical(spacing) == expected.GetSpacing(), name
        assert expected.GetDirection() == tuple(np.eye(3).ravel()), name


def test_a_tilted_scan_is_turned_like_the_straight_one():
    for name, direction in zip(NAMES, DIRECTIONS, strict=True):
        assert orientation_of(tilted(direction)) == orientation_of(direction), name


@pytest.mark.parametrize("degrees", [(44.0, 44.0, 44.0), (45.0, 0.0, 0.0), (60.0, -60.0, 120.0), (5.0, 89.0, 44.0)])
def test_every_axis_is_used_once_however_far_a_scan_is_tilted(degrees):
    orientation = orientation_of(tilted(np.eye(3), degrees))
    assert sorted(orientation.source_axis) == [0, 1, 2]
    np.testing.assert_array_equal(orientation.from_canonical(orientation.to_canonical(VOXELS)), VOXELS)


def test_turning_copies_nothing():
    orientation = orientation_of(DIRECTIONS[37])
    assert np.shares_memory(orientation.to_canonical(VOXELS), VOXELS)
