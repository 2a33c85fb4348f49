from __future__ import annotations

import numpy as np
import pytest

from coranet.data.normalization import IntensityMapping, IntensityNormalization, portions, without_border


def a_scan() -> np.ndarray:
    """Mostly dark, with some bright voxels."""
    return np.random.default_rng(0).gamma(2, 50, (13, 20, 17)).astype(np.float32)


def test_zscore_is_that_of_the_limited_scan():
    scan = a_scan()
    limited = np.clip(scan, *np.percentile(scan, [0.5, 99.5])).astype(float)
    expected = (limited - limited.mean()) / limited.std()
    np.testing.assert_allclose(IntensityNormalization("zscore").fit(scan).apply(scan), expected, atol=1e-5)


def test_a_window_is_mapped_to_one_and_minus_one():
    mapping = IntensityNormalization("window", (-100.0, 300.0)).fit(a_scan())
    voxels = np.array([-2000, -100, 0, 100, 300, 3000], dtype=np.float32)
    np.testing.assert_allclose(mapping.apply(voxels), [-1, -1, -0.5, 0, 1, 1])


def test_percentiles_of_a_large_scan_are_nearly_those_of_some_of_its_voxels(monkeypatch):
    scan = np.random.default_rng(1).normal(100, 20, (40, 50, 60)).astype(np.float32)
    exact = IntensityNormalization("zscore").fit(scan)
    monkeypatch.setattr("coranet.data.normalization._MOST_SORTED", 5000)
    near = IntensityNormalization("zscore").fit(scan)
    assert near == IntensityNormalization("zscore").fit(scan)
    assert (near.lower, near.upper, near.centre) == pytest.approx((exact.lower, exact.upper, exact.centre), rel=0.05)


def test_mean_and_deviation_do_not_depend_on_portions(monkeypatch):
    scan = a_scan()
    whole = IntensityNormalization("zscore").fit(scan)
    monkeypatch.setattr("coranet.data.normalization._PORTION", 1)
    assert len(list(portions(scan))) == len(scan)
    row_by_row = IntensityNormalization("zscore").fit(scan)
    assert (row_by_row.centre, row_by_row.scale) == pytest.approx((whole.centre, whole.scale), rel=1e-9)


@pytest.mark.parametrize(
    "sides", [((2, 0), (0, 3), (1, 1)), ((0, 0), (0, 0), (0, 0)), ((0, 4), (5, 0), (0, 0))], ids=str
)
def test_the_border_is_left_out(sides):
    scan = a_scan()
    padded = np.pad(scan, sides, constant_values=-3)
    np.testing.assert_array_equal(without_border(padded), scan)


def test_a_plane_with_one_other_voxel_is_no_border():
    scan = np.zeros((5, 6, 7), np.float32)
    scan[1, 4, 2] = scan[3, 2, 5] = 1
    np.testing.assert_array_equal(without_border(scan), scan[1:4, 2:5, 2:6])


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (1, 1, 1)])
def test_something_is_left_of_a_scan_of_one_intensity(shape):
    assert without_border(np.full(shape, 7, dtype=np.float32)).tolist() == [[[7.0]]]


def test_a_scan_of_one_intensity_becomes_zero():
    scan = np.full((3, 4, 5), 7, dtype=np.float32)
    assert not IntensityNormalization("zscore").fit(scan).apply(scan).any()


@pytest.mark.parametrize("rest", [0.0, -1000.0])
def test_what_little_there_is_in_a_mostly_empty_scan_is_seen(rest):
    scan = np.full((40, 50, 60), rest, dtype=np.float32)
    scan[20:22, 10:14, 30:33] = np.linspace(100, 200, 24).reshape(2, 4, 3)
    mapping = IntensityNormalization("zscore").fit(scan)
    assert (mapping.lower, mapping.upper) == pytest.approx((rest, 199.5), abs=0.1)
    normalized = mapping.apply(scan)
    assert abs(normalized.mean()) < 1e-3 and normalized.std() == pytest.approx(1, abs=1e-3)


def test_the_scan_stays_as_it_is():
    scan = a_scan()
    before = scan.copy()
    IntensityMapping(0, 10, 5, 2).apply(scan)
    np.testing.assert_array_equal(scan, before)


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e-11, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e12, 1e20, 1e27])
@pytest.mark.parametrize("offset", [0.0, -60.0])
def test_the_scale_of_the_intensities_changes_nothing(factor, offset):
    """Maps in SI units have values of 1e-11 or 1e20; squares of them are no float32 any more."""
    scan = a_scan() + np.float32(offset)
    expected = IntensityNormalization("zscore").fit(scan).apply(scan)
    scaled = (scan.astype(np.float64) * factor).astype(np.float32)
    np.testing.assert_allclose(IntensityNormalization("zscore").fit(scaled).apply(scaled), expected, atol=2e-5)
    window = (float(offset), 300.0)
    expected = IntensityNormalization("window", window).fit(scan).apply(scan)
    mapping = IntensityNormalization("window", (window[0] * factor, window[1] * factor)).fit(scaled)
    np.testing.assert_allclose(mapping.apply(scaled), expected, atol=2e-5)


@pytest.mark.parametrize("value", [0.0, 1e-30, -3e-11, 0.1, 1e5, 1e30])
def test_one_intensity_of_any_scale_becomes_zero(value):
    """Rounding is no contrast."""
    scan = np.full((3, 4, 5), value, dtype=np.float32)
    assert np.abs(IntensityNormalization("zscore").fit(scan).apply(scan)).max() <= 1


def test_small_differences_on_a_large_intensity_are_seen():
    scan = np.random.default_rng(0).normal(20000, 5, (8, 9, 10)).astype(np.float32)
    assert IntensityNormalization("zscore").fit(scan).apply(scan).std() == pytest.approx(1, rel=0.05)
