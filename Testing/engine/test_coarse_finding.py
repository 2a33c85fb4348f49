from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scans import grid_of, name_of_direction, signed_permutations, tilted
from torch import nn

from coranet.coarse.finding import CoarseNetwork, found_boxes
from coranet.coarse.grid import CanonicalGrid
from coranet.coarse.part import CoarsePart
from coranet.contract.config import InferenceConfig
from coranet.data.box import Box
from coranet.data.orientation import Orientation
from coranet.data.preprocessing import Preprocessing
from coranet.inference.network_pass import SlidingWindow
from coranet.networks import HeadLogits
from coranet.volume import Volume

SPACING_MM = (1.0, 1.25, 2.0)


class BrightIsFound(nn.Module):
    """Takes what is bright for foreground; the radical head is content with less, the others see nothing."""

    def forward(self, images: torch.Tensor) -> HeadLogits:
        nothing = torch.cat([torch.ones_like(images), torch.zeros_like(images)], dim=1)
        return HeadLogits(nothing, nothing, torch.cat([torch.zeros_like(images), 9 * (images - 0.2)], dim=1))


@pytest.fixture
def a_coarse_network(a_tiny_architecture, a_cpu) -> CoarseNetwork:
    """Finds voxels above the middle of the window 0 to 100, at twice the spacing in plane."""
    architecture = replace(a_tiny_architecture, classes=2)
    recipe = Preprocessing((2.0, 2.5, 2.0), "window", (0.0, 100.0))
    part = CoarsePart(architecture, recipe, (2.0, 2.5, 2.0), 20.0)
    return CoarseNetwork(part, BrightIsFound(), SlidingWindow.of(architecture, InferenceConfig(), a_cpu))


def a_scan_with(*boxes: Box, direction: np.ndarray | None = None, shape=(20, 24, 32)) -> Volume:
    """Dark, bright in boxes of canonical voxels; stored with axes of any direction."""
    matrix = np.eye(3) if direction is None else direction
    orientation = Orientation.of(tuple(matrix.ravel().tolist()))
    spacing = [0.0, 0.0, 0.0]
    size = [0, 0, 0]
    for axis, source in enumerate(orientation.source_axis):
        spacing[source], size[source] = SPACING_MM[axis], shape[::-1][axis]
    grid = grid_of(tuple(size), tuple(spacing), matrix)
    voxels = np.zeros(grid.size_ijk[::-1], dtype=np.float32)
    canonical = orientation.to_canonical(voxels)
    for box in boxes:
        canonical[box.slices] = 100
    return Volume(voxels, grid)


A_BOX = Box((4, 6, 8), (9, 12, 16))


@pytest.mark.slow
def test_what_is_found_has_its_margin_however_the_scan_is_stored(a_coarse_network):
    for direction in signed_permutations():
        volume = a_scan_with(A_BOX, direction=tilted(direction))
        # Along S the margin of 2 mm is one voxel; in plane it is 2 voxels, and coarse voxels are 2 wide.
        assert a_coarse_network.boxes(volume) == [Box((3, 4, 6), (10, 14, 18))], name_of_direction(direction)


def test_two_instances_have_two_boxes(a_coarse_network):
    boxes = a_coarse_network.boxes(a_scan_with(A_BOX, Box((14, 16, 24), (18, 22, 30))))
    assert boxes == [Box((3, 4, 6), (10, 14, 18)), Box((13, 14, 22), (19, 24, 32))]


def test_a_box_at_the_border_ends_with_the_scan(a_coarse_network):
    assert a_coarse_network.boxes(a_scan_with(Box((0, 18, 0), (4, 24, 6)))) == [Box((0, 16, 0), (5, 24, 8))]


def test_nothing_found_is_no_box(a_coarse_network):
    assert a_coarse_network.boxes(a_scan_with()) == []


def test_a_speck_is_not_found(a_coarse_network):
    speck = Box((12, 20, 28), (13, 22, 30))
    assert a_coarse_network.boxes(a_scan_with(speck)) == []
    assert a_coarse_network.boxes(a_scan_with(A_BOX, speck)) == a_coarse_network.boxes(a_scan_with(A_BOX))


def test_what_is_too_small_in_all_for_what_is_looked_for_is_not_found(a_coarse_network):
    # A_BOX has 5 x 6 x 8 voxels of 2 x 1.25 x 1 mm.
    other = Box((14, 16, 24), (18, 22, 30))
    for least, count in ((590.0, 1), (610.0, 0)):
        strict = replace(a_coarse_network, part=replace(a_coarse_network.part, least_total_mm3=least))
        assert len(strict.boxes(a_scan_with(A_BOX))) == count
        # Both together are enough.
        assert len(strict.boxes(a_scan_with(A_BOX, other))) == 2


def test_a_scan_larger_than_the_window_is_seen_whole(a_coarse_network):
    far = Box((50, 60, 70), (55, 66, 78))
    boxes = a_coarse_network.boxes(a_scan_with(far, shape=(60, 70, 80)))
    assert boxes == [Box((49, 58, 68), (56, 68, 80))]


def test_it_can_be_stopped(a_coarse_network):
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_coarse_network.boxes(a_scan_with(A_BOX), stop)


@pytest.mark.parametrize("coarse_shape", [(7, 5, 11), (20, 24, 32), (3, 24, 1)], ids=str)
def test_boxes_hold_every_scan_voxel_of_what_was_found(a_coarse_network, coarse_shape):
    grid = CanonicalGrid((20, 24, 32), (2.0, 1.25, 1.0))
    part = replace(a_coarse_network.part, margin_mm=(0.0, 0.0, 0.0), least_mm3=0.0)
    mask = np.random.default_rng(2).random(coarse_shape) < 0.05
    mask.flat[0] = True
    boxes = found_boxes(part, np.where(mask, 1.0, -99.0), grid)
    covered = np.zeros(grid.shape, dtype=bool)
    for box in boxes:
        covered[box.slices] = True
    centres = [(np.arange(count) + 0.5) / count for count in grid.shape]
    indices = [(place * size).astype(int) for place, size in zip(centres, coarse_shape, strict=True)]
    assert (covered >= mask[np.ix_(*indices)]).all()


def test_a_turned_dial_finds_more(a_coarse_network):
    grid = CanonicalGrid((20, 24, 32), (2.0, 1.25, 1.0))
    margins = np.full(grid.shape, -9.0)
    margins[A_BOX.slices] = -0.5
    assert found_boxes(a_coarse_network.part, margins, grid) == []
    turned = replace(a_coarse_network.part, caution=1.0)
    assert found_boxes(turned, margins, grid) == [A_BOX.grown((1, 2, 2), grid.shape)]
