from __future__ import annotations

import numpy as np
import pytest
from scans import grid_of, scan_on

from coranet.coarse.grid import CanonicalGrid
from coranet.coarse.scans import (
    LabeledScan,
    least_labeled_mm3,
    median_share,
    median_voxels,
    missed_voxels,
    smallest_structure_mm3,
)
from coranet.data.box import Box
from coranet.data.preprocessing import Preprocessing
from coranet.volume import Volume

MARGIN_MM = (2.0, 2.5, 2.0)
# 32 x 24 x 20 voxels of 1 x 1.25 x 2 mm along the axes of the patient.
GRID = grid_of((32, 24, 20), direction=np.eye(3))


def labels_in(*boxes: Box, value: int = 1) -> Volume:
    voxels = np.zeros((20, 24, 32), dtype=np.uint16)
    for number, box in enumerate(boxes):
        voxels[box.slices] = value + number
    return Volume(voxels, GRID)


def a_labeled_scan(*boxes: Box) -> LabeledScan:
    return LabeledScan.of("a", scan_on(GRID), labels_in(*boxes))


ORGAN, OTHER = Box((4, 6, 8), (10, 12, 16)), Box((15, 18, 26), (18, 21, 30))


def test_all_labels_are_looked_at_together():
    touching = Box((10, 6, 8), (12, 12, 16))
    scan = a_labeled_scan(ORGAN, touching)
    assert [part.box for part in scan.parts] == [ORGAN.united(touching)]
    assert scan.grid == CanonicalGrid((20, 24, 32), (2.0, 1.25, 1.0))


def test_boxes_are_those_of_its_labels_with_the_margin():
    assert a_labeled_scan(ORGAN, OTHER).boxes(MARGIN_MM) == [
        Box((3, 4, 6), (11, 14, 18)), Box((14, 16, 24), (19, 23, 32)),
    ]  # fmt: skip
    assert a_labeled_scan().boxes(MARGIN_MM) == []


def test_what_is_looked_at_has_the_extent_of_the_largest_box():
    scan = a_labeled_scan(ORGAN, OTHER)
    # 8 x 10 x 12 voxels.
    assert scan.looked_at(MARGIN_MM).extent_mm == (12.0, 12.5, 16.0)
    assert a_labeled_scan().looked_at(MARGIN_MM).extent_mm == (32.0, 30.0, 40.0)


def test_the_median_share_leaves_scans_without_labels_out():
    scans = [a_labeled_scan(ORGAN), a_labeled_scan(), a_labeled_scan(ORGAN)]
    assert median_share(scans, MARGIN_MM) == pytest.approx(8 * 10 * 12 / (20 * 24 * 32))
    assert median_share([a_labeled_scan()], MARGIN_MM) == 1
    assert median_voxels(scans) == 20 * 24 * 32


def test_a_slip_of_the_pen_is_no_structure():
    slip = Box((0, 0, 0), (1, 1, 1))
    assert smallest_structure_mm3([a_labeled_scan(ORGAN, OTHER, slip), a_labeled_scan(ORGAN)]) == 3 * 3 * 4 * 2.5
    assert smallest_structure_mm3([a_labeled_scan()]) == 0


def test_missed_voxels_are_counted_by_class_in_voxels_of_the_network():
    labels = labels_in(ORGAN, OTHER)
    recipe = Preprocessing((1.0, 1.25, 2.0), "zscore")
    without_first_rows = Box((6, 0, 0), (20, 24, 32))
    assert missed_voxels(labels, [without_first_rows], [1, 2], recipe) == (2 * 6 * 8, 0)
    assert missed_voxels(labels, [ORGAN], [1, 2], recipe) == (0, 3 * 3 * 4)
    coarse = Preprocessing((2.0, 2.5, 2.0), "zscore")
    assert missed_voxels(labels, [ORGAN], [1, 2], coarse) == (0, 3 * 3)
    assert missed_voxels(labels, [], [1, 2], recipe) == ()


def test_the_least_labeled_scan_is_told_by_all_of_its_labels():
    assert least_labeled_mm3([a_labeled_scan(ORGAN, OTHER), a_labeled_scan(ORGAN), a_labeled_scan()]) == sum(
        part.mm3 for part in a_labeled_scan(ORGAN).parts
    )
    assert least_labeled_mm3([a_labeled_scan()]) == 0
