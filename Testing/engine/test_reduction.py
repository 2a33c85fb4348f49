from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from coranet.data.reduction import axis_matrix, reduced
from coranet.data.resampling import resample

BEFORE = (37, 21, 26)


def a_scan() -> np.ndarray:
    return np.random.default_rng(0).normal(size=BEFORE).astype(np.float32)


def smoothed_whole(volume: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """The same by scipy, all at once: what must not be in the coarser grid is removed, then it is interpolated."""
    sigma = [0.5 * max(before / after - 1, 0.0) for before, after in zip(volume.shape, size, strict=True)]
    smooth = torch.from_numpy(gaussian_filter(volume, sigma))
    return resample(smooth[None], size)[0].numpy()


@pytest.mark.parametrize("after", [BEFORE, (37, 9, 26), (5, 4, 6), (60, 30, 40), (20, 40, 3), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("portion", [1, 5000, 10**7])
def test_row_by_row_it_is_what_smoothing_and_interpolation_give(after, portion, monkeypatch):
    monkeypatch.setattr("coranet.data.reduction._PORTION_VOXELS", portion)
    scan = a_scan()
    result = reduced(lambda rows: scan[rows], BEFORE, after)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, smoothed_whole(scan, after), atol=2e-6)


def test_an_equal_grid_changes_nothing():
    scan = a_scan()
    np.testing.assert_array_equal(reduced(lambda rows: scan[rows], BEFORE, BEFORE), scan)
    assert axis_matrix(7, 7) is None


@pytest.mark.parametrize(("before", "after"), [(7, 20), (20, 7), (9, 1), (1, 4), (13, 12)])
def test_a_constant_stays(before, after):
    matrix = axis_matrix(before, after)
    torch.testing.assert_close(matrix.sum(1), torch.ones(after))
    assert matrix.shape == (after, before) and matrix.min() >= 0


def test_no_more_rows_are_read_than_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr("coranet.data.reduction._PORTION_VOXELS", 4 * BEFORE[1] * BEFORE[2])
    scan, received = a_scan(), []

    def read(rows: slice) -> np.ndarray:
        received.append(rows)
        return scan[rows]

    reduced(read, BEFORE, (9, 20, 20))
    assert max(rows.stop - rows.start for rows in received) <= 4
    assert {row for rows in received for row in range(rows.start, rows.stop)} == set(range(BEFORE[0]))


def test_only_axes_that_become_coarser_are_smoothed():
    point = np.zeros((9, 9, 9), dtype=np.float32)
    point[4, 4, 4] = 1
    result = reduced(lambda rows: point[rows], (9, 9, 9), (3, 9, 9))
    assert np.count_nonzero(result[1]) == 1 and (result[:, 4, 4] > 0).sum() > 1


def test_a_fine_pattern_does_not_become_a_coarse_one():
    stripes = np.tile(np.array([1.0, 0.0], dtype=np.float32), 18)[None, None, :].repeat(2, 0).repeat(2, 1)
    folded = resample(torch.from_numpy(stripes)[None], (2, 2, 14))
    smooth = reduced(lambda rows: stripes[rows], stripes.shape, (2, 2, 14))
    assert folded.std() > 0.15
    assert smooth.std() < 0.6 * folded.std()
