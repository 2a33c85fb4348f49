from __future__ import annotations

import numpy as np
import pytest
from scans import grid_of, name_of_direction, signed_permutations, tilted

from coranet.coarse.turning import find_turned, found_turned, quarter_turns
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.volume import Volume

SHAPE_DHW = (5, 6, 8)


class FoundAtTheFront:
    """A coarse network that finds what is bright in the front half of a scan alone, as large as it is."""

    def boxes(self, volume: Volume, before_window=None) -> list[Box]:
        canonical = Orientation.of(volume.grid.direction).to_canonical(volume.voxels)
        places = np.argwhere(canonical[:, : canonical.shape[1] // 2] > 0)
        return [Box(tuple(places.min(0)), tuple(places.max(0) + 1))] if len(places) else []


def a_stack(direction=None) -> Volume:
    """Numbered voxels, whose canonical array is (5, 6, 8)."""
    matrix = np.eye(3) if direction is None else direction
    orientation = Orientation.of(tuple(matrix.ravel().tolist()))
    size = [0, 0, 0]
    for axis, source in enumerate(orientation.source_axis):
        size[source] = SHAPE_DHW[::-1][axis]
    voxels = np.arange(np.prod(size), dtype=np.float32).reshape(size[::-1])
    return Volume(voxels, grid_of(tuple(size), (1.0, 1.0, 1.0), matrix))


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_slices_are_turned_and_voxels_stay(slice_axis):
    for direction in signed_permutations():
        require_quarter_turns(a_stack(tilted(direction)), slice_axis, name_of_direction(direction))


def require_quarter_turns(volume: Volume, slice_axis: int, name: str) -> None:
    canonical = Orientation.of(volume.grid.direction).to_canonical(volume.voxels)
    plane = tuple(axis for axis in range(3) if axis != slice_axis)
    quarters = list(quarter_turns(volume, slice_axis))
    seen = [Orientation.of(quarter.grid.direction).to_canonical(quarter.voxels) for quarter in quarters]
    for quarter in quarters:
        np.testing.assert_array_equal(quarter.voxels, volume.voxels, name)
        assert quarter.grid.spacing_mm == volume.grid.spacing_mm, name
        turned = np.reshape(quarter.grid.direction, (3, 3))
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(seen[1], np.rot90(canonical, 2, plane), name)
    ways = [[np.rot90(canonical, turns, plane) for turns in order] for order in ((1, 3), (3, 1))]
    assert any(all(np.array_equal(a, b) for a, b in zip(seen[::2], way, strict=True)) for way in ways), name


def test_that_turn_is_taken_in_which_most_is_found():
    volume = a_stack()
    volume.voxels[:] = 0
    volume.voxels[1:4, 4:, 2:7] = 100  # At the back, and wide.
    coarse = FoundAtTheFront()
    assert coarse.boxes(volume) == []
    turned = find_turned(coarse, volume, 0)
    assert turned.degrees == 180 and turned.volume.voxels is volume.voxels
    assert turned.boxes == (Box((1, 0, 1), (4, 2, 6)),)
    assert "turned by 180 degrees" in found_turned("a", turned.degrees).message


def test_where_nothing_is_found_either_way_there_is_nothing():
    volume = a_stack()
    volume.voxels[:] = 0
    assert find_turned(FoundAtTheFront(), volume, 0) is None
