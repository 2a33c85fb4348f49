"""What benchmarks/foreign_scans.py does to scans, and how it counts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import foreign_scans
from scans import grid_of, nested_ellipsoids

from coranet.plausibility.traits import CaseTraits
from coranet.volume import Volume

SHAPE, SPACING = (10, 12, 16), (1.0, 1.5, 2.0)


@pytest.fixture
def a_pair() -> tuple[Volume, Volume]:
    truth = nested_ellipsoids(SHAPE, (1, 2)).astype(np.uint8)
    image = 100.0 * truth + np.random.default_rng(0).normal(0, 1, SHAPE)
    grid = grid_of(SHAPE[::-1], SPACING)
    return Volume(image.astype(np.float32), grid), Volume(truth, grid)


def test_the_truth_goes_with_the_scan(a_pair):
    kinds = {kind: (scan, truth) for kind, scan, truth in foreign_scans.changed(*a_pair, 0)}
    assert len(kinds) == 15
    for kind, (scan, truth) in kinds.items():
        assert scan.voxels.shape == truth.voxels.shape == scan.grid.size_ijk[::-1] == truth.grid.size_ijk[::-1], kind
        assert scan.grid.spacing_mm == truth.grid.spacing_mm
    for kind in ("mirrored left-right", "upside down", "turned by 180 degrees", "turned by 90 degrees", "half a scan"):
        scan, truth = kinds[kind]
        np.testing.assert_allclose(scan.voxels / 100, truth.voxels, atol=0.06)
    assert kinds["slices along another axis"][0].grid.spacing_mm == (1.0, 2.0, 1.5)
    assert not kinds["structures removed"][1].voxels.any()
    assert kinds["structures removed"][0].voxels.max() < 30


def test_poor_cases_are_looked_for_in_the_first_fifth():
    dice = np.array([0.4, 0.5, *[0.9] * 8])
    first, last = np.arange(10.0), np.arange(10.0)[::-1]
    assert foreign_scans.found_poor(first, dice) == (1.0, 1.0)
    assert foreign_scans.found_poor(last, dice) == (0.0, 0.0)
    assert np.isnan(foreign_scans.found_poor(first, np.ones(10))).all()


def test_its_own_cases_are_compared_with_the_others(monkeypatch):
    def case(group, name, confidence, dice=None):
        return foreign_scans.Measured(group, "kind", name, CaseTraits((0.1,), (50.0,), confidence), dice)

    own = [case("own", str(number), 0.9 + number / 1000, 0.8 + number / 1000) for number in range(8)]
    cases = [case("labeled", "l", 0.999), *own, case("own", "8", 0.4, 0.3), case("changed", "c", 0.3, 0.2)]
    rows = foreign_scans.table(("organ",), cases)
    assert rows["own"]["cases"] == 9 and rows["own"]["poor"] == rows["own"]["warned"] == 1
    assert rows["own"]["warned though not poor"] == 0
    assert rows["own"]["rank correlation"] == pytest.approx(1)
    assert rows["changed: kind"]["poor"] == 1
